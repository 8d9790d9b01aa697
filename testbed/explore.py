# SPDX-License-Identifier: GPL-2.0-only
"""--explore: what is asked of the races (docs/explore.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from testbed.errors import UsageError
from testbed.plan import Pattern

RACES = "explore*_test"     # the programs
# Of the machine, and of what races do by chance in their set-up: a seed means the same
# schedule only in the same machine.
MACHINE_SEED = 1
A_ROUND = 200               # schedules of each race, when minutes are asked for
POINTS = 4


@dataclass(frozen=True)
class Exploration:
    """So many schedules of each race."""

    first: int              # seed
    count: int
    points: int = POINTS    # at which the CPU changes; < 0: none but the emulator's own order
    minutes: int | None = None      # rounds of `count` schedules until they are over

    @property
    def request(self) -> str:
        """The argument of a test program's --explore."""
        return f"{self.first}:{self.count}:{max(self.points, 0)}" + (":fixed" if self.points < 0 else "")

    def round(self, number: int) -> Exploration:
        return replace(self, first=self.first + number * self.count)


def parse(amount: str, points: str | None, first: int) -> Exploration:
    """N, or Nm for minutes."""
    found = re.fullmatch(r"([1-9]\d*)(m?)", amount)
    if not found:
        raise UsageError(f"--explore {amount}: neither a number of schedules nor minutes, as in 10m")
    if points is not None and points != "fixed" and not points.isdigit():
        raise UsageError(f"--points {points}: neither a number nor fixed")
    number = int(found[1])
    chosen = POINTS if points is None else -1 if points == "fixed" else int(points)
    if found[2]:
        return Exploration(first, A_ROUND, chosen, number)
    return Exploration(first, number, chosen)


def races(names: list[str]) -> list[Pattern]:
    """Those of --race; none: all."""
    return [Pattern(RACES, f"{name}*") for name in names] or [Pattern(RACES, None)]
