# SPDX-License-Identifier: GPL-2.0-only
"""Tests x kernels: real history, one column a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .model import Case, Exit, Run, Status
from .repeated import worst

LETTERS = {Status.PASS: "ok", Status.FAIL: "FAIL", Status.SKIP: "skip", Status.XFAIL: "known",
           Status.BROKEN: "BROKEN"}


@dataclass(frozen=True)
class Column:
    kernel: str             # as it was asked for
    run: Run | None         # None: it could not be had, or not be built
    why: str = ""

    @property
    def title(self) -> str:
        return str(self.run.environment.get("kernel", self.kernel)) if self.run else self.kernel


def exit_code(columns: Sequence[Column]) -> Exit:
    runs = [column.run for column in columns if column.run]
    return worst(runs) if runs else Exit.BROKEN


def tests(columns: Sequence[Column]) -> list[str]:
    return sorted({test.name for column in columns if column.run for test in column.run.tests})


def cell(column: Column, test: str) -> dict[Status, int]:
    """How many cases of a test ended how."""
    found = next((one for one in column.run.tests if one.name == test), None) if column.run else None
    return {status: found.count(status) for status in Status if found.count(status)} if found else {}


def cell_text(column: Column, test: str) -> str:
    return ", ".join(f"{count} {LETTERS[status]}" for status, count in cell(column, test).items()) or "-"


@dataclass(frozen=True)
class Difference:
    """A case that did not end alike on all kernels that ran it, bar skips."""

    test: str
    case: str
    ends: list[Case | None]     # a column each


def differences(columns: Sequence[Column]) -> list[Difference]:
    found: dict[tuple[str, str], list[Case | None]] = {}
    for index, column in enumerate(columns):
        for test, case in column.run.cases() if column.run else ():
            found.setdefault((test.name, case.label), [None] * len(columns))[index] = case
    return [Difference(test, case, ends) for (test, case), ends in sorted(found.items())
            if any(end and end.status in (Status.FAIL, Status.BROKEN, Status.XFAIL) for end in ends)]


def render(columns: Sequence[Column]) -> str:
    rows = [["test", *(column.title for column in columns)]]
    rows += [[test, *(cell_text(column, test) for column in columns)] for test in tests(columns)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip()
             for row in rows]
    lines += [f"{column.kernel}: not run: {column.why}" for column in columns if not column.run]
    for difference in differences(columns):
        lines.append(f"{difference.test}: {difference.case}:")
        lines += [f"  {column.title:<10} {LETTERS[end.status]}{': ' * bool(end.reason)}{end.reason}"
                  for column, end in zip(columns, difference.ends) if end]
    return "\n".join(lines) + "\n"


def page(columns: Sequence[Column]) -> str:
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("matrix.html.j2").render(
        columns=columns, tests=tests(columns), cell=cell, differences=differences(columns),
        words=LETTERS)
