# SPDX-License-Identifier: GPL-2.0-only
"""Which cases run, and in which boots: from `TEST --list` and --tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from testbed.errors import HarnessError, UsageError
from testbed.boots import BOOTS


@dataclass(frozen=True)
class Case:
    test: str
    name: str
    boot: str
    flags: str
    limit: float
    summary: str


@dataclass(frozen=True)
class Pattern:
    """GLOB[:CASE] of --tests."""

    test: str
    case: str | None

    @classmethod
    def parse(cls, text: str) -> Pattern:
        if not text or len(text.split()) > 1:
            raise UsageError(f"--tests {text!r}: not of the form GLOB[:CASE]")
        test, colon, case = text.partition(":")
        return cls(test, case if colon else None)

    def takes(self, case: Case) -> bool:
        return fnmatchcase(case.test, self.test) and fnmatchcase(case.name, self.case or "*")


def parse_list(text: str) -> list[Case]:
    """Parse the output of `TEST --list`."""
    return [_parse_line(line) for line in text.splitlines() if line]


def _parse_line(line: str) -> Case:
    try:
        name, boot, flags, limit, summary = line.split("\t", 4)
        test, case = name.split(":", 1)
        seconds = float(limit)
    except ValueError as error:
        raise HarnessError(f"a test printed a malformed line for --list: {line!r}") from error
    if boot not in BOOTS:
        raise HarnessError(f"{name} needs the boot {boot!r}, which does not exist")
    return Case(test, case, boot, flags, seconds, summary)


def select(cases: Sequence[Case], patterns: Sequence[Pattern]) -> list[Case]:
    """The cases that --tests names, all without it; each pattern must name some."""
    for pattern in patterns:
        if not any(pattern.takes(case) for case in cases):
            text = pattern.test if pattern.case is None else f"{pattern.test}:{pattern.case}"
            raise UsageError(f"--tests {text}: no such case (--list shows what there is)"
                             f"{nearest(text, pattern, cases)}")
    return [case for case in cases if not patterns or any(p.takes(case) for p in patterns)]


NEAREST_AT_MOST = 5


def nearest(text: str, pattern: Pattern, cases: Sequence[Case]) -> str:
    """What may have been meant: cases of the programs named, if there are such programs."""
    tests = list(dict.fromkeys(case.test for case in cases))
    if pattern.case is None:
        names = tests
    else:
        named = [case for case in cases if fnmatchcase(case.test, pattern.test)]
        names = [f"{case.test}:{case.name}" for case in named or cases]
    close = get_close_matches(text, names, NEAREST_AT_MOST, cutoff=0.5)
    return "; nearest: " + ", ".join(close) if close else ""


def case_globs(test: str, patterns: Iterable[Pattern]) -> list[str]:
    """The arguments of --case for the test; none means all cases."""
    own = [pattern.case for pattern in patterns if fnmatchcase(test, pattern.test)]
    globs = [case for case in own if case is not None]
    return globs if len(globs) == len(own) else []


def by_test(cases: Iterable[Case]) -> dict[str, list[Case]]:
    tests: dict[str, list[Case]] = {}
    for case in cases:
        tests.setdefault(case.test, []).append(case)
    return tests


def parse_shard(text: str) -> tuple[int, int]:
    """Parse I/N of --shard."""
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise UsageError(f"--shard {text}: not of the form I/N with I from 1 to N")
    return int(index), int(count)


def shard(cases: Sequence[Case], index: int, count: int) -> list[Case]:
    """Part `index` of `count`: whole tests, divided alike on each machine."""
    weights: dict[tuple[str, str], int] = {}
    for case in cases:
        weights[case.test, case.boot] = weights.get((case.test, case.boot), 0) + 1
    parts: list[dict[tuple[str, str], int]] = [{} for _ in range(count)]
    for group, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
        min(parts, key=lambda part: sum(part.values()))[group] = weight
    return [case for case in cases if (case.test, case.boot) in parts[index - 1]]


# Fewer cases are not worth a boot of their own.
CASES_A_BOOT = 20
# A boot with many cases is split so that parts run at once.  Not by the number of this
# machine's CPUs: the other cases of a boot can influence a case.
PARTS_AT_MOST = 4


@dataclass(frozen=True)
class PlannedBoot:
    """A boot, or a part of it: the name of the second part is BOOT-2."""

    name: str
    boot: str
    tests: Mapping[str, Sequence[Case]]
    forked: bool = False    # of a machine that has booted (machine/forks.py)
    plan: str = ""          # what init does; without it the tests run as the run's options say
    part: str = ""          # a case that has a fork of its own


def forks(cases: Sequence[Case]) -> list[PlannedBoot]:
    """A fork for each test in each boot, those with many cases first."""
    groups = [(boot, test, found) for boot in BOOTS for test, found in by_test(
        case for case in cases if case.boot == boot).items()]
    groups.sort(key=lambda group: -len(group[2]))
    return [PlannedBoot(f"{boot}.{test}", boot, {test: found}, forked=True)
            for boot, test, found in groups]


def forks_apart(cases: Sequence[Case]) -> list[PlannedBoot]:
    """A fork for each case, which is then the same whichever others are selected."""
    return [PlannedBoot(f"{case.boot}.{case.test}.{case.name}", case.boot, {case.test: [case]},
                        forked=True, part=case.name) for case in cases]


def planned(cases: Sequence[Case], forks_: Callable[[str], bool]) -> list[PlannedBoot]:
    """`forks_`: whether the tests of a boot run in forks. They come last: boots take
    longer, and what takes longest is to begin first."""
    return (boots([case for case in cases if not forks_(case.boot)])
            + forks([case for case in cases if forks_(case.boot)]))


def boots(cases: Sequence[Case], most: int = PARTS_AT_MOST) -> list[PlannedBoot]:
    """The boots that some case asks for; a boot with many cases is split into at most @most."""
    planned = []
    for boot in BOOTS:
        tests = by_test(case for case in cases if case.boot == boot)
        for number, part in enumerate(_split(tests, most), start=1):
            name = boot if number == 1 else f"{boot}-{number}"
            planned.append(PlannedBoot(name, boot, part))
    return planned


def _split(tests: Mapping[str, list[Case]], most: int) -> list[dict[str, list[Case]]]:
    """Split whole tests into at most `most` parts of about the same size."""
    count = sum(len(cases) for cases in tests.values())
    parts: list[dict[str, list[Case]]] = [
        {} for _ in range(min(most, max(1, count // CASES_A_BOOT), len(tests)))
    ]
    for test, cases in sorted(tests.items(), key=lambda item: -len(item[1])):
        smallest = min(parts, key=lambda part: sum(len(cases) for cases in part.values()))
        smallest[test] = cases
    return parts
