# SPDX-License-Identifier: GPL-2.0-only
"""What gcov counted in the boots of a run: lines, branches and functions of the mapping path.

gcov-tool adds the counters of all boots; gcov relates them to the source, by what the compiler
left in the build tree (.gcno).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import HarnessError

from mutants.generated import SCOPE, in_scope

# Assertions have many branches, of which one can be taken in a kernel that works; a trace
# depends on who listens.
ASSERTION = re.compile(r"\b(?:\w*(?:WARN|BUG)_ON\w*|BUG|lockdep_\w+|trace_\w+|pr_\w+|\w*_once)\(")


@dataclass
class Function:
    file: str
    name: str
    line: int
    count: int
    lines: dict[int, int] = field(default_factory=dict)                    # number to count
    branches: dict[int, list[int]] = field(default_factory=dict)      # number to counts

    @property
    def lines_executed(self) -> int:
        return sum(count > 0 for count in self.lines.values())


def read(archives: Sequence[Path], tree: Path, source: Path, work: Path) -> list[Function]:
    """Of what boots of the kernel built in `tree` from `source` left; `work` is empty."""
    merged = merge(archives, work)
    found: list[Function] = []
    for file in SCOPE:
        data = gcov(merged, tree, file, work)
        found += functions(file, data, (source / file).read_text().splitlines())
    return found


def merge(archives: Sequence[Path], work: Path) -> Path:
    """A folder with the sums."""
    total: Path | None = None
    for number, archive in enumerate(archives):
        one = work / str(number)
        one.mkdir()
        call("tar", "-xzf", str(archive), "-C", str(one))
        if total is None:
            total = one
            continue
        out = work / f"{number}.sum"
        call("gcov-tool", "merge", str(total), str(one), "-o", str(out))
        total = out
    if total is None:
        raise HarnessError("no boot left counters: was it --debug-kernel coverage?")
    return total


def gcov(merged: Path, tree: Path, file: str, work: Path) -> dict[str, Any]:
    name = Path(file).with_suffix(".gcda")
    counted = merged / str(tree).lstrip("/") / name
    if not counted.exists():
        raise HarnessError(f"nothing was counted of {file} built in {tree}")
    folder = work / "gcov" / name.stem
    folder.mkdir(parents=True)
    for path in (counted, (tree / name).with_suffix(".gcno")):
        (folder / path.name).symlink_to(path)
    out = call("gcov", "--json-format", "--stdout", "--branch-probabilities", "--branch-counts",
               str(folder / name.name), cwd=folder)
    data: dict[str, Any] = json.loads(out)
    return data


def functions(file: str, data: dict[str, Any], text: Sequence[str]) -> list[Function]:
    """Those of the mapping path, without the branches of assertions."""
    mine = next(one for one in data["files"] if one["file"].endswith(file))
    found = {one["name"]: Function(file, one["name"], one["start_line"], one["execution_count"])
             for one in mine["functions"] if in_scope(file, one["name"])}
    for line in mine["lines"]:
        function = found.get(line.get("function_name", ""))
        number = line["line_number"]
        if function is None:
            continue
        function.lines[number] = function.lines.get(number, 0) + line["count"]
        counts = [branch["count"] for branch in line["branches"]]
        if counts and not ASSERTION.search(text[number - 1]):
            function.branches.setdefault(number, []).extend(counts)
    return list(found.values())


def tracefile(found: Iterable[Function], source: Path) -> str:
    """For genhtml(1), as geninfo(1) describes it."""
    files: dict[str, list[Function]] = {}
    for one in found:
        files.setdefault(one.file, []).append(one)
    lines = []
    for file, each in files.items():
        lines.append(f"SF:{source / file}")
        for one in each:
            lines += [f"FN:{one.line},{one.name}", f"FNDA:{one.count},{one.name}"]
            lines += [f"BRDA:{number},0,{index},{count}" for number, counts in one.branches.items()
                      for index, count in enumerate(counts)]
            lines += [f"DA:{number},{count}" for number, count in one.lines.items()]
        lines.append("end_of_record")
    return "\n".join(lines) + "\n"


def call(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HarnessError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
