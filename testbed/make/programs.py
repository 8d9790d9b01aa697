# SPDX-License-Identifier: GPL-2.0-only
"""The test programs: built by the Makefile, asked what they contain."""

from __future__ import annotations

import hashlib
import shutil
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make.cache import Cache, digest
from testbed.progress import Progress
from testbed.steps import CommandFailed, is_object, lines_of, telling

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "tests"
# Called by the first process of an emulated host: where they are there, and here.
SAVE_SYMBOLS, FORK_POINT = ({f"/bin/{name}": ROOT / "build/testbed/machine" / name}
                            for name in ("save_symbols", "fork_point"))


def build(cache: Cache) -> None:
    with cache.lock(f"tests-{digest(str(ROOT))}", "building the tests"):
        progress: Progress | None = None
        count = 0
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        try:
            for line in lines_of(["make", "-C", str(ROOT), jobs, "V=0", "tests"]):
                if is_object(line):     # silent if there is nothing to do
                    progress = progress or Progress("building the tests")
                    count += 1
                    progress.update(f"{count} objects")
        except CommandFailed as error:
            raise HarnessError("\n".join(["building the tests failed:",
                                        *telling(error.lines)])) from error
    if progress:
        progress.done(f"{count} objects")


def can_build() -> bool:
    """Whether this host has the programs that the Makefile needs."""
    if not (shutil.which("make") and shutil.which("gcc") and shutil.which("pkg-config")):
        return False
    return subprocess.run(["pkg-config", "--exists", "libtracefs", "libcrypto"],
                          check=False).returncode == 0


def built_from() -> str:
    """The commit that the programs were built from; the checkout may be newer."""
    try:
        return (FOLDER / "suite").read_text().strip()
    except OSError:
        return "unknown"


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.glob("*_test"))


def present() -> bool:
    return bool(names())


def listing(nightly: bool) -> str:
    """The output of --list of every test: one line a case."""
    found = ""
    for program in sorted(FOLDER.glob("*_test")):
        command = [str(program), "--list", *(["--nightly"] if nightly else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HarnessError(f"{program.name} --list failed: {done.stderr.strip()}")
        found += done.stdout
    if not found:
        raise HarnessError(f"{FOLDER} has no tests")
    return found


def hashes(tests: Iterable[str]) -> dict[str, str]:
    """SHA-256 of these programs."""
    return {test: hashlib.sha256((FOLDER / test).read_bytes()).hexdigest() for test in tests}
