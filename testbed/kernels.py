# SPDX-License-Identifier: GPL-2.0-only
"""One run for each of several kernels, and the table of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reports import kernels
from reports.model import Exit, Run
from testbed.errors import HarnessError, UsageError
from testbed.progress import say


def run(wanted: Sequence[str], run_one: Callable[[str], Run], out: Path) -> Exit:
    """Run on each kernel; one that cannot be fetched or built is a column that says so."""
    columns: list[kernels.Column] = []
    for kernel in wanted:
        say(f"\nkernel {kernel} ({len(columns) + 1} of {len(wanted)})")
        try:
            one = run_one(kernel)
            columns.append(kernels.Column(kernel, one, report=f"{one.name}/report.html"))
        except (HarnessError, UsageError) as error:
            say(f"kernel {kernel}: {error}")
            columns.append(kernels.Column(kernel, None, str(error).splitlines()[0]))
        (out / "kernels.html").write_text(kernels.page(columns), encoding="utf-8")
    say("\n" + kernels.render(columns))
    say(f"kernels: {out / 'kernels.html'}")
    return kernels.exit_code(columns)
