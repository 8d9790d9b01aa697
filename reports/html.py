# SPDX-License-Identifier: GPL-2.0-only
"""report.html, for people: one file that needs nothing else."""

from __future__ import annotations

import shlex

from . import template
from .model import Case, Number, Run, Status, Test, as_text
from .summary import alike, skip_reasons
from .race_matrix import counts, matrices

_COLUMNS = ("attempts", "faults", "retries", "pages", "seconds")  # in docs/results.md


def render(run: Run) -> str:
    measured = [(test, case) for test, case in run.cases()
                if case.measurements.keys() - {"seconds"}]
    keys = {key for _, case in measured for key in case.measurements}
    return template.page("report.html.j2", {
        "run": run, "Status": Status,
        "alike": alike, "skip_reasons": skip_reasons(run), "measured": measured,
        "matrices": matrices(run), "window_counts": counts(run),
        "columns": [*(key for key in _COLUMNS if key in keys), *sorted(keys - set(_COLUMNS))],
        "again": lambda test, case: _again(run, test, case),
    }, filters={"number": _number, "text": as_text})


def _again(run: Run, test: Test, case: Case) -> str:
    """The command that reruns this case."""
    seed = run.environment.get("seed")
    again = ["./run_tests.sh", "--tests", f"{test.name}:{case.name}"]
    return shlex.join(again + (["--seed", str(seed)] if seed is not None else []))


def _number(value: Number) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
