# SPDX-License-Identifier: GPL-2.0-only
"""What a run is: tests, their cases, and the one rule for its exit code.

Everything else in this package either makes a Run (ktap, load) or shows one
(results_json, junit, html, summary).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

SCHEMA = 3      # 2 called a case's boot its variant, and 1 what is "error" now "broken"
READ = (1, 2, SCHEMA)

Json = dict[str, Any]
Number = int | float


def renamed(data: Json) -> Json:
    """As results of schema 2 and earlier have it: they call the boot "variant"."""
    return {"boot" if key == "variant" else key: value for key, value in data.items()}


class Word(str, Enum):
    @classmethod
    def _missing_(cls, value: object) -> Word | None:
        """Accept the word of earlier results."""
        return cls("error") if value == "broken" else None


class Status(Word):
    PASS = "pass"
    FAIL = "fail"      # the kernel did not do what was expected
    SKIP = "skip"      # this machine lacks what the case needs
    XFAIL = "xfail"    # a known kernel issue occurred
    ERROR = "error"    # the harness failed: says nothing about the kernel


class Outcome(Word):
    """How a boot of the kernel under test ended."""

    OK = "ok"
    PANIC = "panic"
    HANG = "hang"
    DIED = "died"        # the machine went away without a panic message
    ERROR = "error"      # the harness could not boot it at all
    RUNNING = "running"  # never updated: the runner itself ended early


class Exit(IntEnum):
    """Exit statuses of run_tests.sh and of the other programs.
    0, 1 and 4 are kselftest's: those of a test program."""

    PASSED = 0
    FAILED = 1          # a case failed, or the kernel under test crashed
    USAGE = 2
    ERROR = 3           # harness error
    SKIPPED = 4         # every case
    KERNEL = 5          # the kernel does not build
    INTERRUPTED = 130
    BROKEN_PIPE = 141


# The exit statuses of a test program that ran to its end.
OF_TESTS = (Exit.PASSED, Exit.FAILED, Exit.SKIPPED)


@dataclass(frozen=True)
class Cell:
    """A hit race window: an invalidation inside of an entry point."""

    window: str
    invalidation: str
    entry: str
    retries: str = ""
    outcome: str = ""
    waits: str = ""    # the lock for which the invalidation waited instead


@dataclass(frozen=True)
class Moment:
    """Of a case that failed, or that ran with --events: what one of its threads did."""

    when: str           # seconds since the first one, "0.000012345"
    lane: str           # the thread: name/number
    kind: str           # begin, end, event, retry, spte, invalidation, seamcall
    text: str


@dataclass
class Case:
    name: str
    status: Status = Status.PASS
    reason: str = ""
    seconds: float = 0.0
    measurements: dict[str, Number] = field(default_factory=dict)
    boot: str = ""
    expected: str = ""
    seen: str = ""
    diagnostics: list[str] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name, with the boot unless it is the default one."""
        if self.boot in ("", "default"):
            return self.name
        return f"{self.name} [{self.boot}]"

    @property
    def mismatch(self) -> str:
        if not self.expected and not self.seen:
            return ""
        return f"expected {self.expected}, got {self.seen}"

    @property
    def why(self) -> str:
        return ": ".join(part for part in (self.reason, self.mismatch) if part)

    @property
    def splat(self) -> list[str]:
        """The kernel messages during the case."""
        return [line.removeprefix("kernel: ") for line in self.diagnostics
                if line.startswith("kernel: ")]

    @property
    def own_diagnostics(self) -> list[str]:
        return [line for line in self.diagnostics if not line.startswith("kernel: ")]

    def to_json(self) -> Json:
        out: Json = {"name": self.name, "status": self.status.value, "reason": self.reason,
                     "seconds": self.seconds, "measurements": self.measurements}
        extra = {"boot": self.boot, "expected": self.expected, "seen": self.seen,
                 "diagnostics": self.diagnostics,
                 "cells": [vars(cell) for cell in self.cells],
                 "moments": [vars(moment) for moment in self.moments]}
        return out | {key: value for key, value in extra.items() if value}

    @classmethod
    def from_json(cls, data: Json) -> Case:
        fields: Json = renamed(data) | {"status": Status(data["status"]),
                               "cells": [Cell(**cell) for cell in data.get("cells", [])],
                               "moments": [Moment(**moment) for moment in data.get("moments", [])]}
        return cls(**fields)


@dataclass
class Test:
    name: str
    summary: str = ""
    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # oddities of its output

    @property
    def seconds(self) -> float:
        return sum(case.seconds for case in self.cases)

    def count(self, status: Status) -> int:
        return sum(case.status is status for case in self.cases)

    def to_json(self) -> Json:
        return {"name": self.name, "summary": self.summary,
                "cases": [case.to_json() for case in self.cases], "notes": self.notes}

    @classmethod
    def from_json(cls, data: Json) -> Test:
        fields: Json = data | {"cases": [Case.from_json(case) for case in data["cases"]]}
        return cls(**fields)


@dataclass
class Planned:
    """A test in a boot's plan; exit is None until it ended."""

    name: str
    cases: list[str] = field(default_factory=list)
    exit: int | None = None

    def to_json(self) -> Json:
        return {"name": self.name, "cases": self.cases, "exit": self.exit}

    @classmethod
    def from_json(cls, data: Json) -> Planned:
        return cls(str(data["name"]), [str(name) for name in data["cases"]], data.get("exit"))


@dataclass
class Boot:
    name: str = "default"
    on: str = "qemu"
    outcome: Outcome = Outcome.RUNNING
    detail: str = ""
    seconds: float = 0.0
    console: str = ""
    tests: list[Planned] = field(default_factory=list)
    part: str = ""          # of the boot: a case that ran apart from others

    @property
    def key(self) -> str:
        """Names, beside a test, its log."""
        return f"{self.name}.{self.part}" if self.part else self.name

    def to_json(self) -> Json:
        return {"boot": self.name, "on": self.on, "outcome": self.outcome.value,
                "detail": self.detail, "seconds": self.seconds, "console": self.console,
                **({"part": self.part} if self.part else {}),
                "tests": [test.to_json() for test in self.tests]}

    @classmethod
    def from_json(cls, data: Json) -> Boot:
        return cls(str(renamed(data)["boot"]), str(data.get("on", "")), Outcome(data["outcome"]),
                   str(data.get("detail") or ""), float(data.get("seconds") or 0),
                   str(data.get("console") or ""),
                   [Planned.from_json(test) for test in data["tests"]], str(data.get("part") or ""))


@dataclass
class Run:
    name: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    tests: list[Test] = field(default_factory=list)
    boots: list[Boot] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)    # sentences: boots in which the kernel crashed
    problems: list[str] = field(default_factory=list)  # harness errors outside any case

    def cases(self, *statuses: Status) -> Iterator[tuple[Test, Case]]:
        """Every case, or those with one of the statuses."""
        for test in self.tests:
            for case in test.cases:
                if not statuses or case.status in statuses:
                    yield test, case

    @property
    def total(self) -> int:
        return sum(len(test.cases) for test in self.tests)

    @property
    def seconds(self) -> float:
        return sum(test.seconds for test in self.tests)

    def count(self, status: Status) -> int:
        return sum(test.count(status) for test in self.tests)

    @property
    def summary(self) -> dict[str, int]:
        return {status.value: self.count(status) for status in Status}

    @property
    def exit_code(self) -> Exit:
        if self.count(Status.FAIL) or self.deaths:
            return Exit.FAILED
        if self.count(Status.ERROR) or self.problems or not self.total:
            return Exit.ERROR
        if self.count(Status.SKIP) == self.total:
            return Exit.SKIPPED
        return Exit.PASSED

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        code, total = self.exit_code, cases_of(self.total)
        failed, errors = self.count(Status.FAIL), self.count(Status.ERROR)
        if code is Exit.PASSED:
            return f"PASSED: {self.count(Status.PASS)} of {total} passed{self._besides()}."
        if code is Exit.SKIPPED:
            return f"SKIPPED: nothing was tested, {total} skipped."
        if failed:
            died = " and the kernel crashed" if self.deaths else ""
            return f"FAILED: {failed} of {total} failed{died}."
        if self.deaths:
            return "FAILED: the kernel crashed."
        if errors:
            return f"ERROR: {errors} of {total} could not be judged, none failed."
        if self.total:
            return "ERROR: no case failed, but the run is incomplete."
        return "ERROR: no case was run."

    def _besides(self) -> str:
        words = {Status.SKIP: "skipped", Status.XFAIL: "hit a known issue"}
        return "".join(f", {self.count(status)} {word}" for status, word in words.items()
                       if self.count(status))

    def to_json(self) -> Json:
        boots = [boot.to_json() | {"tests": [test.name for test in boot.tests]}
                 for boot in self.boots]
        return {"schema": SCHEMA, "name": self.name, "verdict": self.verdict,
                "exit": int(self.exit_code), "summary": self.summary,
                "deaths": self.deaths, "problems": self.problems,
                "environment": dict(self.environment), "boots": boots,
                "tests": [test.to_json() for test in self.tests]}

    @classmethod
    def from_json(cls, data: Json) -> Run:
        """The inverse of to_json; what can be derived is derived again."""
        if data.get("schema") not in READ:
            raise ValueError(f"results of schema {data.get('schema')}, not {SCHEMA}")
        boots = [Boot.from_json(boot | {"tests": [{"name": name, "cases": []}
                                                  for name in boot["tests"]]})
                 for boot in data["boots"]]
        return cls(data["name"], data["environment"],
                   [Test.from_json(test) for test in data["tests"]],
                   boots, data["deaths"], data["problems"])


def as_text(value: Any) -> str:
    """A value of the environment."""
    return value if isinstance(value, str) else json.dumps(value, indent=1)


def cases_of(count: int) -> str:
    return f"{count} case" if count == 1 else f"{count} cases"
