# SPDX-License-Identifier: GPL-2.0-only
"""Which Debian packages a run needs, and how they come to be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence

from reports.model import Exit
from testbed.errors import HarnessError
from testbed.progress import Progress, say
from testbed.steps import CommandFailed, lines_of

# Alternatives in one entry are separated by "|": the first is what gets installed.
# Each package once; what a purpose shares with another is in PURPOSES.
TESTS = (
    "gcc", "libc6-dev", "make", "pkgconf|pkg-config", "libssl-dev", "libtracefs-dev",
    "libtraceevent-dev",
)
SOURCES = ("xz-utils",)     # apt brings Debian's keys
REPORTS = ("python3-jinja2",)
GUEST = ("busybox-static",)
EMULATOR = (*GUEST, "qemu-system-x86")
BOCHS = (*GUEST, *SOURCES, "g++")
KERNEL = (*SOURCES, "bc", "bison", "flex", "libelf-dev", "lz4")
IMAGE = (*SOURCES, "lz4", "zstd")      # an image, and modules, may be compressed
DISTRIBUTION = ("kmod", "openssl", "zstd")    # its modules are listed and signed
CERTIFY = (*REPORTS, "openssh-client", "weasyprint")
GIT = ("git",)
KSELFTEST = ("rsync",)      # the kernel's own "make install" of selftests calls it
# Programs that hold threads by BPF, with clang: tests are built without, too.
BPF = ("bpftool", "libbpf-dev")
GENERATE = ("python3-clang",)    # mutants, from the kernel's source
COVERAGE = ("lcov",)             # draws what gcov counted
# softtdx is fuzzed, and its runtime is not a dependency of clang.
CHECK = (
    *CERTIFY, "clang", "libclang-rt-dev|libclang-rt-14-dev", "mypy", "shellcheck", "valgrind",
    *BPF,
)
# For the bare machine of `make check CHECKS=fresh`.
FRESH = ("mmdebstrap",)

PURPOSES = {
    "tests": TESTS, "reports": REPORTS, "emulator": EMULATOR,
    "bochs": (*TESTS, *BOCHS), "kernel": (*TESTS, *KERNEL),
    "image": IMAGE, "distribution": (*TESTS, *KERNEL, *DISTRIBUTION), "kselftest": (*TESTS, *KSELFTEST),
    "certify": CERTIFY, "check": (*CHECK, *GENERATE, *GIT, *KSELFTEST), "fresh": FRESH,
    "lab": (*FRESH, *GIT), "generate": GENERATE, "coverage": COVERAGE,
}

# apt-get's progress lines, in our words.
STEPS = {"Get:": "fetched", "Unpacking ": "unpacked", "Setting up ": "set up"}


def installed() -> set[str]:
    """The packages that dpkg has fully installed."""
    output = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"],
        capture_output=True, text=True, check=True,
    ).stdout
    return {line.split()[1] for line in output.splitlines() if line.startswith("ii ")}


def missing(wanted: Iterable[str], present: set[str]) -> list[str]:
    """The packages of `wanted` that are missing, each once."""
    lacking = (
        entry.split("|")[0] for entry in wanted if present.isdisjoint(entry.split("|"))
    )
    return list(dict.fromkeys(lacking))


def install_line(packages: Sequence[str]) -> str:
    return f"apt-get install --no-install-recommends -y {' '.join(packages)}"


def require(purposes: Iterable[str], may_install: bool) -> None:
    """Install the packages that the purposes need, or report them as missing."""
    wanted = [entry for purpose in purposes for entry in PURPOSES[purpose]]
    if not wanted:
        return
    if shutil.which("dpkg-query") is None:
        say("no dpkg here: packages are not checked; what Debian calls "
            f"{', '.join(entry.split('|')[0] for entry in wanted)} is needed")
        return
    packages = missing(wanted, installed())
    if not packages:
        return
    line = install_line(packages)
    if not may_install or os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise HarnessError(f"packages are missing; as root:\n  {line}")
    say(f"packages are missing; installing them:\n  {line}")
    install(packages, line)


def install(packages: Sequence[str], line: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    progress = Progress(f"installing {len(packages)} packages and what they need")
    known = subprocess.run(["apt-cache", "show", *packages], capture_output=True, check=False)
    if known.returncode != 0:   # no package index yet
        subprocess.run(["apt-get", "-q", "update"], env=environment, capture_output=True,
                       check=False)
    counts = dict.fromkeys(STEPS.values(), 0)
    try:
        for said in lines_of([*line.split(), "-q"], environment=environment):
            if step := next((step for step in STEPS if said.startswith(step)), None):
                counts[STEPS[step]] += 1
            progress.update(", ".join(f"{count} {word}" for word, count in counts.items()))
    except CommandFailed as error:
        raise HarnessError("\n".join(["could not install packages:", *error.lines[-20:],
                                    f"as root:\n  {line}"])) from error
    progress.done()


def main(purposes: Sequence[str]) -> int:
    """For the Makefile: `python3 -m testbed.make.packages check`."""
    try:
        require(purposes, may_install=not os.environ.get("NO_INSTALL"))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return Exit.ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
