# SPDX-License-Identifier: GPL-2.0-only
"""What the run is doing, for the person who waits for it."""

from __future__ import annotations

import sys
import time

# Seconds between two updates, on a terminal and in a log.
TERMINAL_PERIOD = 0.2
LOG_PERIOD = 15.0


def say(text: str) -> None:
    # One write: several boots may print at once.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Progress:
    """Progress of a long step: one line that is rewritten, or a line now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._next = self._start + (0 if self._terminal else LOG_PERIOD)
        if not self._terminal:
            say(f"{what} ...")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def update(self, how_far: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (TERMINAL_PERIOD if self._terminal else LOG_PERIOD)
        line = f"{self._what}: {how_far}, {duration(self.seconds)}"
        print(f"\r\033[K{line}" if self._terminal else line,
              end="" if self._terminal else "\n", flush=True)

    def done(self, result: str = "done") -> None:
        clear = "\r\033[K" if self._terminal else ""
        say(f"{clear}{self._what}: {result}, {duration(self.seconds)}")
