# SPDX-License-Identifier: GPL-2.0-only
"""The picture of a case: its threads as lanes, from the top down in order of time.

Moments have a row each, whatever time is between them: a race is a matter of order. What a
thread begins and ends is a bar in its lane; bars inside of others are narrower. Of a schedule
that failed (docs/explore.md) the lanes are CPUs: the switches between them, and with --trace
the accesses to memory around each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .model import Case, Moment

ROW = 17            # pixels from one moment to the next
LANE = 24           # from one lane to the next
TIMES = 92          # the column of times
CHARACTER = 7.3     # about as wide as one of the text

ENDS = ("end", "retry")
AROUND = 12         # accesses shown before and behind a switch

# The lines of lib/race/explore.c.
_SWITCH = re.compile(r"switch after access (\d+): CPU (\d+) at (.*)")
_ACCESS = re.compile(r" *(\d+) +CPU (\d+) (\S+ (?:reads|writes) .*)")


@dataclass(frozen=True)
class Bar:
    lane: int
    first: int      # row
    last: int
    depth: int      # in how many others it is


@dataclass
class Lane:
    number: int
    open: list[tuple[int, str]] = field(default_factory=list)    # row, first word of the text

    def take(self, row: int, moment: Moment) -> Iterator[Bar]:
        """The bar that ends with this moment, if one does."""
        word = moment.text.split(" ")[0].rstrip(":")
        if moment.kind == "begin":
            self.open.append((row, word))
        elif moment.kind in ENDS and self.open and self.open[-1][1] == word:
            first, _ = self.open.pop()
            yield Bar(self.number, first, row, len(self.open))

    def unfinished(self, last: int) -> Iterator[Bar]:
        for depth, (first, _) in enumerate(self.open):
            yield Bar(self.number, first, last, depth)


@dataclass(frozen=True)
class Row:
    moment: Moment
    lane: int
    time: str


@dataclass(frozen=True)
class Picture:
    """In rows and lanes; the template knows pixels by the properties."""

    lanes: list[str]
    rows: list[Row]
    bars: list[Bar]

    @property
    def top(self) -> int:
        """Above the first row: a line for the name of each lane."""
        return ROW * len(self.lanes) + 8

    @property
    def height(self) -> int:
        return self.top + ROW * len(self.rows) + 4

    @property
    def text(self) -> int:
        return self.x(len(self.lanes))

    @property
    def width(self) -> int:
        longest = max((len(row.moment.text) for row in self.rows), default=0)
        names = max((self.x(lane) + CHARACTER * len(name) for lane, name in enumerate(self.lanes)), default=0)
        return round(max(self.text + CHARACTER * longest, names + LANE)) + 8

    def x(self, lane: int) -> int:
        return TIMES + LANE // 2 + LANE * lane

    def name(self, lane: int) -> int:
        """The base line of its name."""
        return ROW * lane + ROW - 4

    def y(self, row: int) -> int:
        return self.top + ROW * row + ROW // 2


def picture(case: Case) -> Picture | None:
    """None where the case has no moments."""
    moments = case.moments or list(schedule(case.own_diagnostics))
    if not moments:
        return None
    lanes: dict[str, Lane] = {}
    bars: list[Bar] = []
    for row, moment in enumerate(moments):
        lane = lanes.setdefault(moment.lane, Lane(len(lanes)))
        bars += lane.take(row, moment)
    for lane in lanes.values():
        bars += lane.unfinished(len(moments) - 1)
    rows = [Row(moment, lanes[moment.lane].number, shown)
            for moment, shown in zip(moments, _times(moments), strict=True)]
    return Picture(list(lanes), rows, sorted(bars, key=lambda bar: bar.depth))


def schedule(lines: Sequence[str]) -> Iterator[Moment]:
    """The switches of a schedule that failed, and the accesses around them."""
    switches = [found for line in lines if (found := _SWITCH.fullmatch(line))]
    places = [int(found[1]) for found in switches]
    near = [found for line in lines if (found := _ACCESS.fullmatch(line))
            and any(abs(int(found[1]) - place) <= AROUND for place in places)]
    for found in sorted(near + switches, key=lambda found: int(found[1])):
        text = f"gives way: {found[3]}" if found.re is _SWITCH else found[3]
        yield Moment(found[1], f"CPU {found[2]}", "retry" if found.re is _SWITCH else "event", text)


def _times(moments: Sequence[Moment]) -> list[str]:
    """Numbers of accesses as they are; seconds in the unit that suits all of them."""
    if "." not in moments[0].when:
        return [moment.when for moment in moments]
    unit, scale = ("ms", 1e3) if float(moments[-1].when) >= 0.01 else ("µs", 1e6)
    return [f"{float(moment.when) * scale:.1f} {unit}" for moment in moments]
