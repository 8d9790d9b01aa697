# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run of the whole suite on emulated hosts is what the cases declare."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.model import Case, Run, Status

COMM = 15               # TASK_COMM_LEN without its NUL
# In these boots cases make the TDX module or the kernel fail, and judge warnings themselves.
DAMAGED_HOSTS = ("tdx_errors", "tdx_spent")


@dataclass(frozen=True)
class Declared:
    """A case of `TEST --describe`; its name has no VM type."""

    test: str
    name: str
    xfail: str = ""             # the known issue
    expects_splat: bool = False

    def is_of(self, test: str, name: str) -> bool:
        return test == self.test and name in (self.name, f"{self.name}.{name.rpartition('.')[2]}")


def declarations(programs: Sequence[Path]) -> list[Declared]:
    found = []
    for program in programs:
        output = subprocess.run([program, "--describe"], check=True, capture_output=True).stdout
        told = json.loads(output)
        found += [Declared(told["test"], case["name"], case["xfail"], case["expects_splat"])
                  for case in told["cases"]]
    return found


def complaints(run: Run, planned: Sequence[str], declared: Sequence[Declared]) -> Iterator[str]:
    """What is wrong with the results; `planned` is TEST:CASE of all cases that should have run."""
    seen = set()
    for test, case in run.cases():
        seen.add(f"{test.name}:{case.name}")
        issues = {one.xfail for one in declared if one.xfail and one.is_of(test.name, case.name)}
        if why := _complaint(case, issues):
            yield f"{test.name}:{case.name}: {why}"
    yield from (f"{name}: did not run" for name in planned if name not in seen)


def _complaint(case: Case, issues: set[str]) -> str:
    if case.status is Status.PASS:
        return f"passed unexpectedly: {case.reason}" if case.reason else ""
    issue = case.reason.partition(":")[0]
    if case.status is Status.XFAIL:
        return "" if issue in issues else f"xfail, not declared: {case.reason}"
    return f"{case.status.value}: {case.why}"


def host_complaints(folder: Path, declared: Sequence[Declared]) -> Iterator[str]:
    """What is wrong with the kernel messages of the emulated TDX hosts."""
    paths = sorted(folder.glob("dmesg.tdx*.txt"))
    expected = [one.name[:COMM] for one in declared if one.expects_splat]
    for path in paths:
        lines = path.read_text(errors="replace").splitlines()
        if not any("virt/tdx: TDX-Module initialized" in line for line in lines):
            yield f"{path.name}: no \"virt/tdx: TDX-Module initialized\""
        if not any(name in path.name for name in DAMAGED_HOSTS):
            yield from (f"{path.name}: {line}" for line in lines
                        if "WARNING: " in line and not any(name in line for name in expected))
    if not paths:
        yield "no TDX host was booted"
