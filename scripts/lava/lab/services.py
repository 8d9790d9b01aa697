# SPDX-License-Identifier: GPL-2.0-only
"""LAVA's daemons, started as the packages' units start them, without systemd."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.errors import HarnessError

UNITS = Path("/lib/systemd/system")
LOGS = Path("/out/logs")
OWN_LOGS = ("apache2", "lava-dispatcher", "lava-server", "postgresql")     # in /var/log
PATIENCE = 600.0    # seconds for a daemon to answer
SITE = "/etc/apache2/sites-available/artefacts.conf"
# Where test jobs leave their artefacts: any server with PUT works.
ARTEFACTS = "http://127.0.0.1:8080"
ARTEFACTS_FOLDER = "/srv/artefacts"
ARTEFACTS_SITE = f"""\
Listen 127.0.0.1:8080
DavLockDB /var/lock/apache2/DavLock
<VirtualHost 127.0.0.1:8080>
    DocumentRoot {ARTEFACTS_FOLDER}
    <Directory {ARTEFACTS_FOLDER}>
        Dav On
        Require local
    </Directory>
</VirtualHost>
"""


def run(*command: str | Path, text: str | None = None) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False,
                          stdin=None if text else subprocess.DEVNULL)
    if done.returncode:
        raise HarnessError(f"{shlex.join(map(str, command))} ended with {done.returncode}:\n"
                         f"{done.stdout}")
    return done.stdout


def command_of(unit: str, settings: Mapping[str, str] = {}, files: Path = Path("/")) -> list[str]:
    """The command of a unit's ExecStart, its environment filled in.

    What systemd takes for one word or several is one or several here, too.
    """
    lines = re.findall(r"^(\w+)=(.*)$", (files / UNITS.relative_to("/") / unit).read_text(),
                       re.MULTILINE)
    values: dict[str, str] = {}
    for key, text in lines:
        if key == "Environment":
            values |= assignments(text)
        elif key == "EnvironmentFile":
            path = files / text.removeprefix("-").lstrip("/")
            for line in path.read_text().splitlines() if path.is_file() else ():
                values |= assignments(line.partition("#")[0])
    values |= settings
    words = shlex.split(next(text for key, text in lines if key == "ExecStart"))
    return [part for word in words for part in expand(word, values)]


def assignments(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)


def expand(word: str, values: Mapping[str, str]) -> Sequence[str]:
    if word.startswith("$"):
        return shlex.split(values.get(word[1:], ""))
    return [word]


def start(unit: str, settings: Mapping[str, str] = {}, name: str = "") -> subprocess.Popen[bytes]:
    """A daemon of type simple, its output in a log."""
    with (LOGS / f"{name or Path(unit).stem}.log").open("wb") as log:
        return subprocess.Popen(command_of(unit, settings), stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT, start_new_session=True)


def wait_for(what: str, is_there: Callable[[], bool],
             daemons: Sequence[subprocess.Popen[bytes]] = ()) -> None:
    """Poll until the server answers: nothing announces that."""
    until = time.monotonic() + PATIENCE
    while not is_there():
        dead = [shlex.join(map(str, daemon.args)) for daemon in daemons     # type: ignore[arg-type]
                if daemon.poll() is not None]
        if dead or time.monotonic() > until:
            raise HarnessError(f"{what}: " + (f"{dead[0]} ended" if dead else
                             f"not within {PATIENCE:.0f} s") + f"; its log is in {LOGS}")
        time.sleep(0.3)


def succeeds(*command: str) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False).returncode == 0


def keep_logs() -> None:
    """What the daemons wrote where their packages have it: else it goes with the root."""
    for name in OWN_LOGS:
        shutil.copytree(f"/var/log/{name}", LOGS / name, dirs_exist_ok=True)


def start_database() -> None:
    version, cluster = run("pg_lsclusters", "--no-header").split()[:2]
    run("pg_ctlcluster", "--skip-systemctl-redirect", f"{version}-{cluster}", "start")


def make_database() -> None:
    """The database set-up that the package does if PostgreSQL runs at installation."""
    run("python3", "/usr/share/lava-server/postinst.py", "--config", "--db", "--fixup")


def start_web() -> None:
    """The web servers: LAVA's front end, and the one for artefacts."""
    Path(ARTEFACTS_FOLDER).mkdir(exist_ok=True)
    run("chown", "www-data:", ARTEFACTS_FOLDER)
    Path(SITE).write_text(ARTEFACTS_SITE)
    Path("/etc/apache2/conf-enabled/name.conf").write_text("ServerName lava\n")
    run("a2enmod", "-q", "proxy", "proxy_http", "proxy_wstunnel", "dav", "dav_fs")
    run("a2dissite", "-q", "000-default")
    run("a2ensite", "-q", "lava-server", "artefacts")
    run(*command_of("apache2.service"))


def start_server() -> list[subprocess.Popen[bytes]]:
    """PostgreSQL, LAVA's server, and what is in front of it; listening on loopback only."""
    start_database()
    make_database()
    daemons = [start("lava-publisher.service", {"HOST": "127.0.0.1"}),
               # On a busy machine a worker takes longer to start than gunicorn's limit of 30 s.
               start("lava-server-gunicorn.service", {"WORKERS": "2", "TIMEOUT": "--timeout 300"}),
               start("lava-scheduler.service")]
    start_web()
    wait_for("LAVA's web server", lambda: succeeds("curl", "-sf", "http://localhost/api/v0.2/system/version/"),
             daemons)
    return daemons
