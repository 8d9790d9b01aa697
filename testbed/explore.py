# SPDX-License-Identifier: GPL-2.0-only
"""--explore: what is asked of the races (docs/explore.md)."""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from testbed.errors import UsageError
from testbed.plan import Pattern

RACES = "explore*_test"     # the programs
# Of the machine, and of what races do by chance in their set-up: a seed means the same
# schedule only in the same machine.
MACHINE_SEED = 1
A_ROUND = 100               # schedules of each race, when minutes are asked for
NEXT_SEED = "explored.seed"     # in the folder of results: the first that no run has tried
POINTS = 4


@dataclass(frozen=True)
class Exploration:
    """So many schedules of each race."""

    first: int              # seed
    count: int
    points: int = POINTS    # at which the CPU changes; < 0: none but the emulator's own order
    minutes: int | None = None      # rounds of `count` schedules until they are over
    trace: bool = False     # of the schedule that fails
    continues: bool = False     # from the last run's seeds on

    @property
    def request(self) -> str:
        """The words of a job of the fork server. The guest gets none of them: what it is
        called with moves its stack, takes time to read, and a seed were another schedule."""
        return f"{self.first} {self.count} {self.points} {self.trace:d}"

    @property
    def points_text(self) -> str:
        return "fixed" if self.points < 0 else str(self.points)

    def round(self, number: int, out: Path) -> Exploration:
        first = reserve(out, self.count) if self.continues else self.first + number * self.count
        return replace(self, first=first)


def reserve(out: Path, count: int) -> int:
    """The first of so many seeds that no run with these results has tried, nor tries now."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / NEXT_SEED).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read().strip() or "1"
        if not text.isdigit():
            raise UsageError(f"{file.name}: {text!r} is no seed; remove the file to begin again")
        file.truncate(0)
        file.write(f"{int(text) + count}\n")
    return int(text)


def for_minutes(minutes: int) -> Exploration:
    """Of a profile."""
    return Exploration(1, A_ROUND, minutes=minutes, continues=True)


def parse(amount: str, points: str | None, first: int | None, trace: bool = False) -> Exploration:
    """N, or Nm for minutes. `first`: the seed; None: some, or where the last run ended."""
    found = re.fullmatch(r"([1-9]\d*)(m?)", amount)
    if not found:
        raise UsageError(f"--explore {amount}: neither a number of schedules nor minutes, as in 10m")
    if points is not None and points != "fixed" and not points.isdigit():
        raise UsageError(f"--points {points}: neither a number nor fixed")
    number = int(found[1])
    chosen = POINTS if points is None else -1 if points == "fixed" else int(points)
    continues = first is None and bool(found[2])
    if first is None:
        first = int.from_bytes(os.urandom(4))
    if found[2]:
        return Exploration(first, A_ROUND, chosen, number, trace, continues)
    return Exploration(first, number, chosen, trace=trace)


def races(names: list[str]) -> list[Pattern]:
    """Those of --race; none: all."""
    return [_race(name) for name in names] or [Pattern(RACES, None)]


def _race(name: str) -> Pattern:
    """The beginning of a case's name, or all of it behind the program's."""
    program, colon, case = name.partition(":")
    return Pattern(program, case) if colon else Pattern(RACES, f"{name}*")
