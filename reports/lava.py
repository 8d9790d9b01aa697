# SPDX-License-Identifier: GPL-2.0-only
"""Print the commands that report the cases of a run to LAVA.

    python3 -m reports.lava RESULTS... | sh        inside a LAVA test

With several runs (--repeat), reports the worst result of each case.  Measurements follow
in the test set "measurements"; if the kernel crashed, or on a harness error,
lava-test-raise at the end makes the job incomplete.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .model import Case, Exit, Run, Status
from .read import ResultsError, read_all
from .repeated import worst

# Neither a known issue (of the kernel) nor a harness error (of the suite) is a pass.
RESULT = {Status.PASS: "pass", Status.FAIL: "fail", Status.SKIP: "skip",
          Status.XFAIL: "fail", Status.ERROR: "unknown"}
WORST_FIRST = (Status.FAIL, Status.ERROR, Status.XFAIL, Status.PASS, Status.SKIP)
MEASUREMENTS = "measurements"


def cases(runs: Sequence[Run]) -> dict[str, Case]:
    """The cases by their LAVA name; the worst of several runs."""
    found: dict[str, Case] = {}
    for run in runs:
        for test, case in run.cases():
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{test.name}.{case.name}")
            if case.boot not in ("", "default"):
                name += f".{case.boot}"
            if name not in found or (WORST_FIRST.index(case.status)
                                     < WORST_FIRST.index(found[name].status)):
                found[name] = case
    return found


def results(runs: Sequence[Run]) -> dict[str, str]:
    """The result that LAVA should have of each case."""
    return {name: RESULT[case.status] for name, case in cases(runs).items()}


def commands(runs: Sequence[Run]) -> Iterator[str]:
    told = cases(runs)
    for name, case in told.items():
        yield shlex.join(["lava-test-case", name, "--result", RESULT[case.status],
                          "--measurement", f"{case.seconds:.3f}", "--units", "s"])
    measured = [(name, key, value) for name, case in told.items()
                for key, value in case.measurements.items() if key != "seconds"]
    if measured:
        yield f"lava-test-set start {MEASUREMENTS}"
        for name, key, value in measured:
            yield shlex.join(["lava-test-case", f"{name}.{key}", "--result", "pass",
                              "--measurement", str(value), "--units", key])
        yield "lava-test-set stop"
    if any(run.deaths for run in runs):
        yield "lava-test-raise the-kernel-under-test-died"
    elif worst(runs) is Exit.ERROR:
        yield "lava-test-raise the-harness-broke"


def main() -> int:
    folders = sys.argv[1:]
    if not folders or folders[0].startswith("-"):
        print(__doc__)
        return 0 if folders in (["-h"], ["--help"]) else 2
    try:
        print("\n".join(commands(read_all([Path(folder) for folder in folders]))))
    except ResultsError as error:
        print(f"lava: {error}", file=sys.stderr)
        return Exit.ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
