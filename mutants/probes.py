# SPDX-License-Identifier: GPL-2.0-only
"""Probes in a function's body: which mutants would have made a difference there.

A condition notes its value: where it is always true, "true in its place" changes nothing.
A comparison notes whether its operands are equal: only then `<=` is not `<`. All else
notes that it was reached. A case without such a note runs as if the mutant were not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# How a probe tells what happened there: two facts each, but for the last three, which tell one.
VALUE, EQUAL, REACHED, STATEMENT, ENTERED = "value", "equal", "reached", "statement", "entered"
FACTS = {VALUE: 2, EQUAL: 2, REACHED: 1, STATEMENT: 1}

MACROS = """\
#ifndef kts_value
#define kts_value(place, ...) ({ _Bool kts_v = !!(__VA_ARGS__); \\
	kts_reached[(place) + kts_v] = 1; kts_v; })
#define kts_equal(place, a, sign, b) ({ __auto_type kts_a = (a) + 0; __auto_type kts_b = (b) + 0; \\
	kts_reached[(place) + (kts_a == kts_b)] = 1; kts_a sign kts_b; })
#endif
"""


@dataclass(frozen=True)
class Probe:
    """Places count from the opening brace of the function's body.

    `differs`: which of its facts tell that the mutant would not do the same.
    value: 0 false, 1 true; equal: 0 the operands differ, 1 they are equal; else 0 only.
    """

    kind: str
    start: int
    end: int
    split: tuple[int, int] = (0, 0)     # of "equal": the operator between the operands
    differs: tuple[int, ...] = (0,)

    @property
    def key(self) -> tuple[str, int, int]:
        """Mutants share what is the same but for `differs`."""
        return self.kind, self.start, self.end


@dataclass(frozen=True)
class Spot:
    function: int   # its place in kts_reached
    line: int       # of its body, from 0


@dataclass(frozen=True)
class Woven:
    """A probe with its first place in kts_reached."""

    probe: Probe
    place: int


class Places:
    """Places in kts_reached: first one for each function, then those of the probes."""

    def __init__(self, functions: int) -> None:
        self.count = functions
        self._woven: dict[tuple[int, tuple[str, int, int]], int] = {}

    def woven(self, function: int, body: str, wanted: Iterable[Probe],
              without: Iterable[Spot]) -> list[Woven]:
        """Those of `wanted` that go into the body, each once."""
        every = single = list({probe.key: probe for probe in wanted if probe.kind in FACTS}.values())
        for spot in without:
            if spot.function == function:
                kept = [probe for probe in single if spot.line not in lines(probe, body)]
                # An error that is at none of them may come from any.
                single = kept if len(kept) < len(single) else []
        found = []
        for probe in every:
            place, self.count = self.count, self.count + FACTS[probe.kind]
            if probe in single:
                self._woven[function, probe.key] = place
                found.append(Woven(probe, place))
        return found

    def told(self, function: int, probe: Probe) -> tuple[frozenset[int], frozenset[int]]:
        """The places that tell that it was executed, and that it differs."""
        place = self._woven.get((function, probe.key))
        if place is None:
            return frozenset((function,)), frozenset((function,))
        return (frozenset(range(place, place + FACTS[probe.kind])),
                frozenset(place + fact for fact in probe.differs))


def lines(probe: Probe, body: str) -> range:
    return range(body.count("\n", 0, probe.start), body.count("\n", 0, probe.end) + 1)


def weave(body: str, woven: Sequence[Woven]) -> str:
    """The body with the probes; its lines stay where they are."""
    pieces: list[tuple[tuple[int, ...], str]] = []
    for rank, one in enumerate(woven):
        probe, size = one.probe, one.probe.end - one.probe.start
        # Of those around the same text a statement is outermost; what splits it, innermost.
        depth = {STATEMENT: 0, EQUAL: 2}.get(probe.kind, 1)
        before, after = texts(one)
        # What is around begins first and ends last.
        pieces.append(((probe.start, 1, -size, depth, rank), before))
        end = body.index(";", probe.end) + 1 if probe.kind == STATEMENT else probe.end
        pieces.append(((end, 0, size, -depth, -rank), after))
        if probe.kind == EQUAL:
            start, end = probe.split
            pieces.append(((start, 0, len(body)), "), "))
            pieces.append(((end, 1, -len(body)), ", ("))
    text, last = [], 0
    for (place, *_), piece in sorted(pieces):
        text += [body[last:place], piece]
        last = place
    return "".join([*text, body[last:]])


def texts(one: Woven) -> tuple[str, str]:
    match one.probe.kind:
        case "value":
            return f"kts_value({one.place}, ", ")"
        case "equal":
            return f"kts_equal({one.place}, (", "))"
        case "reached":
            return f"(kts_reached[{one.place}] = 1, ", ")"
    return f"{{ kts_reached[{one.place}] = 1; ", " }"
