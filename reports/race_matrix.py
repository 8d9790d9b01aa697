# SPDX-License-Identifier: GPL-2.0-only
"""The matrix of race windows, from the "# cell" lines of cases that passed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .model import Cell, Run, Status

# In the order of a fault; others follow.
ORDER = ("before_snapshot", "after_snapshot", "in_gup", "after_gup", "before_lock", "under_lock",
         "before_link", "before_set", "source", "populated", "frozen_table", "sept_added",
         "frozen_leaf", "before_extend", "in_progress")


@dataclass
class Matrix:
    """One entry point of the mapping path: invalidation -> window -> cell."""

    entry: str
    windows: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, Cell]] = field(default_factory=dict)


def _place(window: str) -> tuple[int, str]:
    return (ORDER.index(window) if window in ORDER else len(ORDER), window)


def matrices(run: Run) -> list[Matrix]:
    found: dict[str, Matrix] = {}
    for _, case in run.cases(Status.PASS):
        for cell in case.cells:
            matrix = found.setdefault(cell.entry, Matrix(cell.entry))
            matrix.rows.setdefault(cell.invalidation, {})[cell.window] = cell
    for matrix in found.values():
        windows = {window for row in matrix.rows.values() for window in row}
        matrix.windows = sorted(windows, key=_place)
    return [found[entry] for entry in sorted(found)]


def counts(run: Run) -> str:
    """One sentence, or "" without cells."""
    cells = [cell for matrix in matrices(run) for row in matrix.rows.values()
             for cell in row.values()]
    if not cells:
        return ""
    waits = sum(bool(cell.waits) for cell in cells)
    entries = len({cell.entry for cell in cells})
    return (f"{len(cells) - waits} windows hit, and {waits} in which the invalidation had to "
            f"wait, on {entries} entry points")
