# SPDX-License-Identifier: GPL-2.0-only
"""The Debian that LAVA runs in: a folder in the cache, and the way into it.

Debian 12 has LAVA.  The mirror, the proxies and the keys are those of this
machine's own apt configuration.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import apt, packages
from testbed.make.cache import Cache, digest
from testbed.progress import Progress

SUITE = "bookworm"
FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent.parent
# As LAVA's own documentation installs it; then what devices of type ssh and test definitions
# in git need, the namespaces, and builds of one source in job after job.
LAVA = ("lava-server", "lava-dispatcher", "lavacli", "postgresql", "apache2", "curl",
        "openssh-server", "openssh-client", "git", "debian-archive-keyring", "iproute2", "tini",
        "ccache")
OF_THE_SUITE = ("tests", "reports", "emulator", "bochs", "kernel", "image", "kselftest")
# Paths that neither LAVA nor the suite needs: not unpacked.
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
WANTED_STILL = ("/usr/share/doc/lava-server-doc/*",)        # LAVA's server shows it
# The keys of apt's configuration that say how to fetch.
FETCHING = re.compile(r"^(Acquire::(?:https?::|Check-)\S*) \"(.*)\";$", re.MULTILINE)
INSIDE = "/suite/scripts/lava/local"


def wanted() -> list[str]:
    """The packages in the root, each once."""
    suite = [entry.split("|")[0] for purpose in OF_THE_SUITE for entry in packages.PURPOSES[purpose]]
    return list(dict.fromkeys([*LAVA, *suite]))


def fetching_options(configuration: str) -> list[str]:
    """Proxies and the like in `apt-config dump`, as options for apt."""
    return [f'{key} "{value}"' for key, value in FETCHING.findall(configuration) if value]


def provide(cache: Cache) -> Path:
    """The root folder, created if it is missing."""
    key = digest(SUITE, *wanted(), *UNWANTED, *WANTED_STILL)
    return cache.entry("roots", key, "making the root for LAVA", make)


def make(folder: Path) -> None:
    folder.chmod(0o755)     # it has users beside root
    progress = Progress(f"making a Debian {SUITE} with LAVA")
    lines = []
    counts = {"Unpacking": 0, "Setting up": 0}
    for line in output_of([*in_namespaces("--mount", "--pid"), *mmdebstrap(folder)]):
        lines.append(line)
        if step := re.match(r"(Unpacking|Setting up) (\S+)", line):
            counts[step[1]] += 1
            progress.update(f"{step[1].lower()} {step[2]}, package {counts[step[1]]}")
    if lines[-1] != "ended with 0":
        raise HarnessError("mmdebstrap could not make a root:\n" + "\n".join(lines[-20:]))
    progress.done()


def mmdebstrap(folder: Path) -> list[str]:
    mirror = apt.mirror(output("apt-get", "indextargets", "--format", apt.TARGET_FORMAT,
                               "Created-By: Packages"))
    return ["mmdebstrap", "--verbose", "--mode=root", "--variant=minbase", f"--include={','.join(wanted())}",
            *(f"--dpkgopt=path-exclude={path}" for path in UNWANTED),
            *(f"--dpkgopt=path-include={path}" for path in WANTED_STILL), "--dpkgopt=force-unsafe-io",
            *(f"--aptopt={line}" for line in fetching_options(output("apt-config", "dump"))),
            SUITE, str(folder), f"deb [signed-by={apt.KEYRING}] {mirror} {SUITE} main"]


def in_namespaces(*kinds: str) -> list[str]:
    """Run a command that dies, with its children, when this process does."""
    return ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *kinds, "--fork",
            "--kill-child=KILL", "--"]


def enter(root: Path, cache: Cache, out: Path, arguments: Sequence[str]) -> list[str]:
    """The command that runs scripts/lava/local again, inside."""
    return [*in_namespaces("--mount", "--pid", "--uts", "--ipc", "--net"),
            str(FOLDER / "enter"), str(root), str(PROJECT), str(cache.folder), str(out),
            "python3", "-B", INSIDE, *arguments]


def output(*command: str) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, env=environment,
                          check=True).stdout


def output_of(command: Sequence[str]) -> Iterator[str]:
    """Yield the lines of its output, then its exit status."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield line.rstrip("\n")
    yield f"ended with {process.returncode}"
