# SPDX-License-Identifier: GPL-2.0-only
"""What the suite does not execute, and why: mutants/unreached.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError

from mutants.counters import Function

FILE = Path(__file__).parent / "unreached.toml"

# What keeps a line from being executed here. The first is a gap of the suite.
WORDS = ("to write", "fault injection", "other hardware", "configuration", "dead", "unseen")
GAPS = WORDS[:1]


@dataclass(frozen=True)
class Argument:
    function: str
    word: str
    why: str
    lines: tuple[str, ...] = ()     # their text; none: the whole function

    def covers(self, function: Function, text: str) -> bool:
        return function.name == self.function and (
            not self.lines or text.strip() in self.lines)


def load(path: Path = FILE) -> list[Argument]:
    found = [Argument(one["function"], one["word"], one["why"], tuple(one.get("lines", ())))
             for one in tomllib.loads(path.read_text())["unreached"]]
    for one in found:
        if one.word not in WORDS:
            raise HarnessError(f"{path}: {one.function}: {one.word!r} is not one of {', '.join(WORDS)}")
    return found


@dataclass(frozen=True)
class Line:
    """Never executed, or with branches that were never taken."""

    function: Function
    number: int
    text: str
    argument: Argument | None
    missing: int                    # branches
    executed: bool


def missed(found: Iterable[Function], source: Path, arguments: Sequence[Argument]) -> Iterator[Line]:
    texts: dict[str, list[str]] = {}
    for function in found:
        if function.file not in texts:
            texts[function.file] = (source / function.file).read_text().splitlines()
        for number, count in sorted(function.lines.items()):
            missing = sum(taken == 0 for taken in function.branches.get(number, ()))
            if count and not missing:
                continue
            text = texts[function.file][number - 1].strip()
            argument = next((one for one in arguments if one.covers(function, text)), None)
            yield Line(function, number, text, argument, missing, count > 0)


def stale(found: Sequence[Function], lines: Sequence[Line], arguments: Sequence[Argument]) -> Iterator[str]:
    """Arguments about what is executed, or is not there."""
    names = {function.name for function in found}
    used = {line.argument for line in lines}
    for one in arguments:
        if one.function in names and one not in used:
            yield f"{one.function}: {', '.join(one.lines) or 'all of it'}: executed, or not there"
