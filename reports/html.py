# SPDX-License-Identifier: GPL-2.0-only
"""report.html, for people: one file that needs nothing else."""

from __future__ import annotations

from . import again, template
from .lanes import picture
from .model import Number, Run, Status, as_text
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
        "picture": picture,
        "again": lambda test, case: again.command(run, test, case),
    }, filters={"number": _number, "text": as_text})


def _number(value: Number) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
