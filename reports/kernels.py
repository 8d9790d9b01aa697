# SPDX-License-Identifier: GPL-2.0-only
"""Compare runs on several kernels: tests by kernels, one column per kernel.

    python3 -m reports.kernels RUN... --html FILE

Writes the page and prints the text that `--profile kernels` does. Exit: the worst of the
runs, 2 wrong usage, 3 also if results are unusable.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import template
from .model import Case, Exit, Run, Status
from .read import ResultsError, read_all
from .repeated import worst
from .template import NoJinja

LETTERS = {Status.PASS: "ok", Status.FAIL: "FAIL", Status.SKIP: "skip", Status.XFAIL: "known",
           Status.ERROR: "ERROR"}
BAD = (Status.FAIL, Status.ERROR)


@dataclass(frozen=True)
class Column:
    kernel: str             # as named on the command line
    run: Run | None         # None: it could not be fetched or built
    why: str = ""
    report: str = ""        # the path of its report, relative to the page

    @property
    def title(self) -> str:
        return str(self.run.environment.get("kernel", self.kernel)) if self.run else self.kernel


def exit_code(columns: Sequence[Column]) -> Exit:
    runs = [column.run for column in columns if column.run]
    return worst(runs) if runs else Exit.ERROR


def verdict(columns: Sequence[Column]) -> str:
    """One sentence about the outcome."""
    ran = [column for column in columns if column.run]
    words = {Exit.PASSED: "PASSED", Exit.FAILED: "FAILED", Exit.SKIPPED: "SKIPPED"}
    bad = [column.title for column in ran if column.run and column.run.exit_code
           not in (Exit.PASSED, Exit.SKIPPED)]
    sentence = words.get(exit_code(columns), "ERROR")
    sentence += f": {len(ran)} of {len(columns)} kernels ran"
    return sentence + (f", not all well on {', '.join(bad)}." if bad else ".")


def tests(columns: Sequence[Column]) -> list[str]:
    return sorted({test.name for column in columns if column.run for test in column.run.tests})


def cell(column: Column, test: str) -> dict[Status, int]:
    """The cases of a test by outcome."""
    found = next((one for one in column.run.tests if one.name == test), None) if column.run else None
    return {status: found.count(status) for status in Status if found.count(status)} if found else {}


def cell_text(column: Column, test: str) -> str:
    return ", ".join(f"{count} {LETTERS[status]}" for status, count in cell(column, test).items()) or "-"


@dataclass(frozen=True)
class Row:
    """A case, and how it ended on each kernel."""

    test: str
    case: str
    ends: list[Case | None]     # one per column

    def on(self, columns: Sequence[Column], what: Callable[[Case], bool]) -> Iterator[tuple[Column, Case]]:
        return ((column, end) for column, end in zip(columns, self.ends) if end and what(end))


def rows(columns: Sequence[Column]) -> list[Row]:
    found: dict[tuple[str, str], list[Case | None]] = {}
    for index, column in enumerate(columns):
        for test, case in column.run.cases() if column.run else ():
            found.setdefault((test.name, case.label), [None] * len(columns))[index] = case
    return [Row(test, case, ends) for (test, case), ends in sorted(found.items())]


def is_bad(end: Case) -> bool:
    return end.status in BAD


def failures(columns: Sequence[Column]) -> list[Row]:
    return [row for row in rows(columns) if any(row.on(columns, is_bad))]


def known_issues(columns: Sequence[Column]) -> dict[str, list[Row]]:
    """Each known issue that occurred, and the cases that met it."""
    found: dict[str, list[Row]] = {}
    for row in rows(columns):
        for reason in {end.reason for end in row.ends if end and end.status is Status.XFAIL}:
            found.setdefault(reason, []).append(row)
    return dict(sorted(found.items()))


def render(columns: Sequence[Column]) -> str:
    table = [["test", *(column.title for column in columns)]]
    table += [[test, *(cell_text(column, test) for column in columns)] for test in tests(columns)]
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()
             for line in table]
    lines += [f"{column.kernel}: not run: {column.why}" for column in columns if not column.run]
    for reason, seen in known_issues(columns).items():
        lines += ["", reason]
        for row in seen:
            kernels = [column.title for column, _ in row.on(columns, lambda end: end.reason == reason)]
            lines.append(f"  {row.test}: {row.case}: {', '.join(kernels)}")
    for row in failures(columns):
        lines += ["", f"{row.test}: {row.case}"]
        lines += [f"  {column.title:<10} {LETTERS[end.status]}: {end.why}"
                  for column, end in row.on(columns, is_bad)]
    return "\n".join([*lines, "", verdict(columns)]) + "\n"


def page(columns: Sequence[Column]) -> str:
    return template.page("kernels.html.j2", {
        "columns": columns, "tests": tests(columns), "cell": cell, "failures": failures(columns),
        "is_bad": is_bad, "known_issues": known_issues(columns), "words": LETTERS,
        "verdict": verdict(columns), "colour": exit_code(columns).name.lower()})


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(prog="reports.kernels", description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="results/<UTC time>")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE", help="the page")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments)
    try:
        runs = read_all(given.runs)
        columns = [Column(run.name, run, report=os.path.relpath(path / "report.html",
                                                                given.html.parent)
                          if (path / "report.html").is_file() else "")
                   for path, run in zip(given.runs, runs)]
        given.html.write_text(page(columns), encoding="utf-8")
    except (NoJinja, ResultsError) as error:
        print(f"kernels: {error}", file=sys.stderr)
        return Exit.ERROR
    print(render(columns), end="")
    return exit_code(columns)


if __name__ == "__main__":
    sys.exit(main())
