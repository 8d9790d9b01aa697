# SPDX-License-Identifier: GPL-2.0-only
"""A bare Debian: a root folder with the packages that every Debian has, git and
ca-certificates, made by mmdebstrap, from the mirror that this machine's apt uses.

Its tarball is kept in the cache for a week, and so are the packages that were
installed in such roots.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import apt
from testbed.make.cache import Cache
from testbed.progress import Progress

CONTAINER = Path(__file__).parent / "container"
SCRATCH = Path("/var/tmp")      # not in memory, as /tmp may be: a root grows to 3 GiB
PREFIX = "kts-fresh-"
ROOM_NEEDED = 6 << 30
INCLUDE = ("ca-certificates", "git")
KEPT_SECONDS = 7 * 24 * 3600
HELPER = "/usr/lib/apt/apt-helper"
# The settings of `apt-config dump` that say how to reach the archive.
REACHING = re.compile(r"^Acquire::(?!IndexTargets|cdrom|Changelogs)")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER = "tester"
UID = 1000


class Unable(Exception):
    """This machine lacks something that the check needs."""


@dataclass(frozen=True)
class Archive:
    """A release of Debian, and its sources."""

    suite: str
    mirror: str
    options: str        # of apt, one a line

    @property
    def sources(self) -> str:
        return f"deb {self.mirror} {self.suite} main"


def suite_of_host(os_release: str) -> str:
    """The release of this machine, from the text of /etc/os-release."""
    fields: dict[str, str] = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    if fields.get("ID") != "debian":
        raise Unable(f"this machine runs {fields.get('ID', 'an unknown system')}, not Debian: "
                     "name a release of it, as in CHECKS=fresh-trixie")
    return fields.get("VERSION_CODENAME", "testing")


def archive(suite: str) -> Archive:
    """Check that the archive can be reached."""
    targets = output("apt-get", "indextargets", "--format", apt.TARGET_FORMAT,
                     "Created-By: Packages")
    if not targets:         # apt-get update never ran
        output("apt-get", "-q", "update")
        targets = output("apt-get", "indextargets", "--format", apt.TARGET_FORMAT,
                         "Created-By: Packages")
    try:
        mirror = apt.mirror(targets)
    except HarnessError as error:
        raise Unable("no Debian archive can be reached: apt has no mirror of it") from error
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        done = subprocess.run([HELPER, "download-file", f"{mirror}dists/{suite}/InRelease",
                               f"{folder}/InRelease"], capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unable(f"no Debian archive can be reached: {mirror} {suite}: {''.join(why)}")
    options = [line for line in output("apt-config", "dump", "Acquire").splitlines()
               if REACHING.match(line)]
    return Archive(suite, mirror, "\n".join(options) + "\n")


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def tarball(cache: Cache, source: Archive) -> Path:
    """The tarball of the bare root, at most a week old."""
    folder = cache.folder / "roots" / source.suite
    path = folder / "root.tar"
    with cache.lock(f"roots-{source.suite}", f"making a bare Debian {source.suite}"):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_mtime < time.time() - KEPT_SECONDS:
            make(source, path)
        cache.used(folder)
    return path


def make(source: Archive, path: Path) -> None:
    progress = Progress(f"making a bare Debian {source.suite}")
    new = path.with_suffix(".new")
    with tempfile.NamedTemporaryFile("w", prefix=PREFIX) as options:
        options.write(source.options)
        options.flush()
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", f"--include={','.join(INCLUDE)}", "--format=tar",
             f"--keyring={apt.KEYRING}", f"--aptopt={options.name}", source.suite, new,
             source.sources],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
    if done.returncode:
        raise HarnessError(f"mmdebstrap failed:\n{done.stdout}")
    new.replace(path)
    progress.done()


class Root:
    """A temporary root folder."""

    def __init__(self, folder: Path, mounts: Sequence[str]) -> None:
        self.folder = folder
        self._mounts = mounts

    def command(self, script: str, *, user: bool = False, folder: str = "", copy: bool = False,
                mounts: Sequence[str] = (), prepare: str = "true",
                environment: Mapping[str, str] | None = None) -> list[str]:
        """What runs a shell script in there, in the home folder of root or of an ordinary
        user, or a folder in it; `prepare` is run before, by root.  With `copy` the root stays
        as it is."""
        home = f"/home/{USER}" if user else "/root"
        who = f"setpriv --reuid={UID} --regid={UID} --clear-groups " if user else ""
        variables = {"HOME": home, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive",
                     **(environment or {})}
        # The waiting shell is process 1: it inherits orphans, and reaps them.
        return [str(CONTAINER), *(["--copy"] if copy else []), str(self.folder),
                *self._mounts, *mounts, "--", "/usr/bin/env", "-i",
                *(f"{name}={value}" for name, value in variables.items()),
                "/bin/sh", "-c", f'{prepare} && cd "$1" && {who}sh -c "$2"; exit $?', "sh",
                f"{home}/{folder}", script]


@contextmanager
def root(cache: Cache, bare: Path, mounts: Sequence[str]) -> Iterator[Root]:
    """A root folder unpacked from the tarball `bare`."""
    if shutil.disk_usage(SCRATCH).free < ROOM_NEEDED:
        raise Unable(f"{SCRATCH} has less than {ROOM_NEEDED >> 30} GiB of room")
    with folder_of_its_own(cache) as folder:
        top = folder / "root"
        top.mkdir()
        subprocess.run(["tar", "-C", top, "-xf", bare], check=True)
        settle(top)
        yield Root(top, mounts)


@contextmanager
def folder_of_its_own(cache: Cache) -> Iterator[Path]:
    with cache.lock("roots", "making a folder"):
        remove_leftovers()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SCRATCH))
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield folder
        finally:    # the lock last: while it is held, remove_leftovers() leaves the folder alone
            shutil.rmtree(folder / "root", ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def settle(top: Path) -> None:
    """What a machine has beside its packages: names of others, and an ordinary user."""
    for name in ("resolv.conf", "hosts"):
        (top / "etc" / name).unlink(missing_ok=True)
        shutil.copy(f"/etc/{name}", top / "etc" / name)
    with (top / "etc/passwd").open("a") as passwd:
        passwd.write(f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh\n")
    # The root is temporary: a crash of the machine loses nothing.
    (top / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    home = top / "home" / USER
    home.mkdir()
    shutil.chown(home, UID, UID)


def remove_leftovers() -> None:
    """Remove the folders of killed runs; their mounts ended with them."""
    for folder in SCRATCH.glob(f"{PREFIX}*"):
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
