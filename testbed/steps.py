# SPDX-License-Identifier: GPL-2.0-only
"""What a command prints while it runs, and of a build: a line a step, as the kernel's make
has it, and what says more."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# The name starts in the eleventh column; lines of test results do not match.
STEP = re.compile(r"  ([A-Z]\S*)(?: \[M\])? +(?<=^.{10})\S")
COMPILING = ("AS", "CC", "CXX")


class CommandFailed(Exception):
    """A failed command, with its output."""

    def __init__(self, status: int, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.lines = lines


def lines_of(command: Sequence[str], folder: Path | None = None,
             environment: Mapping[str, str] | None = None,
             stop: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """Line after line what the command prints, its complaints too.  It gets the signal
    `stop` when nobody wants more of them."""
    lines = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                yield lines[-1]
        except BaseException:
            process.send_signal(stop)
            raise
    if process.returncode:
        raise CommandFailed(process.returncode, lines)


def is_object(line: str) -> bool:
    """Whether the line reports a compiled object."""
    step = STEP.match(line)
    return step is not None and step[1] in COMPILING


def telling(lines: Iterable[str]) -> list[str]:
    """The lines other than those about compiled objects."""
    return [line for line in lines if not STEP.match(line)]
