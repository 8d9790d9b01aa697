# SPDX-License-Identifier: GPL-2.0-only
"""The command that repeats a case.

A machine that is forked for each test program is the same machine each time: the program
that failed, with the same selection of its cases, fails in the same way, to the last byte.
Elsewhere the case is run again alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase

from .model import Case, Run, Status, Test


def command(run: Run, test: Test, case: Case) -> str:
    told = run.environment.get("again")
    if not isinstance(told, dict):      # of an older run, or of shards that were not alike
        told = {}
    words = list(told.get("command", ["./run_tests.sh"]))
    if "points" in told:
        words += _schedule(test, case, told["points"])
        return shlex.join(words)
    if case.boot in told.get("forked", ()):
        words += ["--on", "bochs", *_tests(_selected(test, told["patterns"]))]
    else:
        words += _tests([f"{test.name}:{case.name}"])
    seed = run.environment.get("seed")
    return shlex.join(words + (["--seed", str(seed)] if seed is not None else []))


def of_failures(run: Run) -> Iterator[str]:
    """Those of the cases that did not pass, each once."""
    yield from dict.fromkeys(command(run, test, case)
                             for test, case in run.cases(Status.FAIL, Status.ERROR))


def _tests(patterns: list[str]) -> list[str]:
    return [word for pattern in patterns for word in ("--tests", pattern)]


def _selected(test: Test, patterns: list[tuple[str, str | None]]) -> list[str]:
    """What was selected of this test."""
    cases = [case for glob, case in patterns if fnmatchcase(test.name, glob)]
    if None in cases or not cases:
        return [test.name]
    return [f"{test.name}:{case}" for case in cases]


def _schedule(test: Test, case: Case, points: str) -> list[str]:
    """An explored race: the schedule that failed; without one, the first."""
    seed = case.measurements.get("seed")
    return ["--explore", "1", "--race", f"{test.name}:{case.name}", "--points", points,
            *(["--seed", str(seed)] if seed is not None else [])]
