# SPDX-License-Identifier: GPL-2.0-only
"""Several runs of the same cases: which of them did not end alike each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .model import Exit, Run, Status, cases_of


def worst(runs: Sequence[Run]) -> Exit:
    """The exit code of all runs together."""
    codes = {run.exit_code for run in runs}
    for code in (Exit.FAILED, Exit.ERROR, Exit.PASSED):
        if code in codes:
            return code
    return Exit.SKIPPED


def flaky(runs: Sequence[Run]) -> Iterator[tuple[str, dict[Status | None, list[Run]]]]:
    """Cases with more than one status, and the runs with each; None: it has no result."""
    labels = {f"{test.name}: {case.label}": None for run in runs for test, case in run.cases()}
    ends = [{f"{test.name}: {case.label}": case.status for test, case in run.cases()}
            for run in runs]
    for label in labels:
        by_status: dict[Status | None, list[Run]] = {}
        for run, statuses in zip(runs, ends):
            by_status.setdefault(statuses.get(label), []).append(run)
        if len(by_status) > 1:
            yield label, by_status


def render(runs: Sequence[Run]) -> str:
    """One line a run, and the flaky cases with the seeds of the rarer outcomes."""
    lines = [f"{run.name}  seed {run.environment.get('seed', '?'):<12} {run.verdict}"
             for run in runs]
    unlike = list(flaky(runs))
    for label, by_status in unlike:
        lines += ["", f"flaky: {label}"]
        for status, those in sorted(by_status.items(), key=lambda item: len(item[1])):
            names = ", ".join(run.name for run in those[:5])
            more = f" and {len(those) - 5} more" if len(those) > 5 else ""
            lines.append(f"  {status.value if status else 'no result'} in {len(those)} of "
                         f"{len(runs)}: {names}{more}")
    lines += ["", f"{len(runs)} runs: " + (f"{cases_of(len(unlike))} flaky." if unlike
                                           else "all results identical.")]
    return "\n".join(lines)
