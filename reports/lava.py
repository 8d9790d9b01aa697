# SPDX-License-Identifier: GPL-2.0-only
"""The cases of a run as the commands that tell LAVA of them.

    python3 -m reports.lava RESULTS | sh        inside of a LAVA test
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from .model import Run, Status
from .read import ResultsError, read

# A known issue is the kernel's fault, a broken bench the suite's: both are no pass.
RESULT = {Status.PASS: "pass", Status.FAIL: "fail", Status.SKIP: "skip",
          Status.XFAIL: "fail", Status.BROKEN: "unknown"}


def commands(run: Run) -> Iterator[str]:
    for test, case in run.cases():
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{test.name}.{case.name}")
        if case.variant not in ("", "default"):
            name += f".{case.variant}"
        yield shlex.join(["lava-test-case", name, "--result", RESULT[case.status],
                          "--measurement", f"{case.seconds:.3f}", "--units", "s"])


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    try:
        print("\n".join(commands(read(Path(sys.argv[1])))))
    except ResultsError as error:
        print(f"lava: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
