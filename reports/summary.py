# SPDX-License-Identifier: GPL-2.0-only
"""Plain text for the terminal: a line a case while it runs, the table at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TextIO

from . import again
from .model import Case, Exit, Run, Status, Test
from .race_matrix import counts

_WORDS = {Status.PASS: "ok", Status.FAIL: "FAIL", Status.SKIP: "skip",
          Status.XFAIL: "xfail", Status.ERROR: "ERROR"}
_RED, _GREEN, _YELLOW, _MAGENTA = "31", "32", "33", "35"
_COLOURS = {Status.PASS: _GREEN, Status.FAIL: _RED, Status.SKIP: _YELLOW,
            Status.XFAIL: _YELLOW, Status.ERROR: _MAGENTA}
_VERDICT_COLOURS = {Exit.PASSED: _GREEN, Exit.FAILED: _RED, Exit.SKIPPED: _YELLOW,
                    Exit.ERROR: _MAGENTA}


def wants_colour(stream: TextIO) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def progress_line(test: str, case: Case, colour: bool = False) -> str:
    """One finished case in one line."""
    word = _paint(f"{_WORDS[case.status]:<5} ", _COLOURS[case.status], colour)
    line = f"  {word}{test}: {case.label} ({case.seconds:.2f} s)"
    return ": ".join(part for part in (line, case.why) if part)


def render(run: Run, colour: bool = False) -> str:
    verdict = _paint(run.verdict, _VERDICT_COLOURS[run.exit_code], colour)
    windows = counts(run)
    parts = [_table(run.tests), *_sections(run), [f"race windows: {windows}"] if windows else [],
             [verdict]]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _table(tests: list[Test]) -> list[str]:
    if not tests:
        return []
    rows = [["test", *(status.value for status in Status), "time"]]
    rows += [_row(test.name, [test]) for test in tests]
    if len(tests) > 1:
        rows.append(_row("all", tests))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [row[0].ljust(widths[0]) + "".join(
        f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:])) for row in rows]


def _row(name: str, tests: list[Test]) -> list[str]:
    counts = [str(sum(test.count(status) for test in tests)) for status in Status]
    return [name, *counts, f"{sum(test.seconds for test in tests):.2f} s"]


def _sections(run: Run) -> Iterator[list[str]]:
    yield _section("kernel crashed:", run.deaths)
    yield _section("harness errors:", run.problems)
    for status, title in ((Status.FAIL, "failed:"), (Status.ERROR, "errors:")):
        yield _section(title, _grouped(run, status))
    yield _section("again:", again.of_failures(run))
    yield _section("known issues:", _grouped(run, Status.XFAIL))
    yield _section("skipped:", (f"{count:5} {reason}" for reason, count in skip_reasons(run)))
    yield _section("unexpected passes:", (f"{test.name}: {case.label}: {case.reason}"
                             for test, case in run.cases(Status.PASS) if case.reason))


def skip_reasons(run: Run) -> list[tuple[str, int]]:
    """The skip reasons with their counts, the commonest first."""
    counts: dict[str, int] = {}
    for _, case in run.cases(Status.SKIP):
        reason = case.reason or "no reason given"
        counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])


def alike(run: Run, status: Status) -> Iterator[tuple[Test, list[Case]]]:
    """The cases of a status; consecutive ones with the same reason as one."""
    def kind(item: tuple[Test, Case]) -> tuple[str, str, str]:
        test, case = item
        own = case.name if case.diagnostics or not case.reason else ""
        return test.name, case.reason, own

    for _, items in groupby(run.cases(status), key=kind):
        pairs = list(items)
        yield pairs[0][0], [case for _, case in pairs]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = [f"  {line}" for line in lines]
    return [title, *body] if body else []


def _grouped(run: Run, status: Status) -> Iterator[str]:
    for test, cases in alike(run, status):
        first, more = cases[0], len(cases) - 1
        yield f"{test.name}: {first.label}" + (f" and {more} more" if more else "")
        yield from (f"    {line}" for line in (first.reason, first.mismatch) if line)


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
