# SPDX-License-Identifier: GPL-2.0-only
"""Write results.json, junit.xml and report.html of a results folder again.

Prints the summary. Exit: 0 all passed (skips and known issues allowed), 1 a case failed
or the kernel crashed, 2 wrong usage, 3 harness error, 4 everything was skipped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import summary
from .write import write


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m reports", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, metavar="RESULTS_DIR", help="such as results/latest")
    folder: Path = parser.parse_args().results
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder")
    run = write(folder)
    text = summary.render(run, summary.wants_colour(sys.stdout))
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main())
