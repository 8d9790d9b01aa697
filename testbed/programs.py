# SPDX-License-Identifier: GPL-2.0-only
"""The test programs: built by the Makefile, asked what they contain."""

from __future__ import annotations

import hashlib
import shutil
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.cache import Cache
from testbed.errors import BenchError
from testbed.kernel import digest
from testbed.plan import Case, parse_list
from testbed.progress import Progress
from testbed.steps import CommandFailed, is_object, lines_of, telling

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "tests"


def build(cache: Cache) -> None:
    with cache.lock(f"tests-{digest(str(ROOT))}", "building the tests"):
        progress: Progress | None = None
        count = 0
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        try:
            for line in lines_of(["make", "-C", str(ROOT), jobs, "V=0", "tests"]):
                if is_object(line):     # nothing is said where nothing is to be done
                    progress = progress or Progress("building the tests")
                    count += 1
                    progress.update(f"{count} objects")
        except CommandFailed as error:
            raise BenchError("\n".join(["the tests do not build:",
                                        *telling(error.lines)])) from error
    if progress:
        progress.done(f"{count} objects")


def can_build() -> bool:
    """Whether this host has what the Makefile needs."""
    if not (shutil.which("make") and shutil.which("gcc") and shutil.which("pkg-config")):
        return False
    return subprocess.run(["pkg-config", "--exists", "libtracefs", "libcrypto"],
                          check=False).returncode == 0


def built_from() -> str:
    """The commit that the programs were built from: not that of the checkout, if they are old."""
    try:
        return (FOLDER / "suite").read_text().strip()
    except OSError:
        return "unknown"


def present() -> bool:
    return any(FOLDER.glob("*_test"))


def cases(nightly: bool) -> list[Case]:
    """Every case of every test."""
    found: list[Case] = []
    for program in sorted(FOLDER.glob("*_test")):
        command = [str(program), "--list", *(["--nightly"] if nightly else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{program.name} --list failed: {done.stderr.strip()}")
        found += parse_list(done.stdout)
    if not found:
        raise BenchError(f"{FOLDER} has no tests")
    return found


def hashes(cases: Sequence[Case]) -> dict[str, str]:
    """SHA-256 of the programs that the cases are in."""
    return {test: hashlib.sha256((FOLDER / test).read_bytes()).hexdigest()
            for test in dict.fromkeys(case.test for case in cases)}
