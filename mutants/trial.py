# SPDX-License-Identifier: GPL-2.0-only
"""The suite against one mutant: the first case that fails ends it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from reports import ktap
from reports.model import OF_TESTS, Status
from testbed.boots import BOOTS
from testbed.machine.stream import Begin, End, Event, Output
from testbed.machine.watchdog import Outcome
from testbed.plan import Case, PlannedBoot, boots

from mutants.mutant import Mutant


@dataclass(frozen=True)
class Kill:
    test: str
    case: str
    boot: str
    how: str = "fail"        # or how the kernel ended: panic, hang, died
    reason: str = ""
    forked: bool = False     # in a fork of Bochs, on the kernel with many mutants

    @property
    def name(self) -> str:
        return f"{self.test}:{self.case}"


@dataclass(frozen=True)
class Result:
    kill: Kill | None
    seconds: float
    cases: int               # cases that passed before the kill
    errors: tuple[str, ...]  # cases that ended as ERROR

    def and_then(self, later: Result) -> Result:
        return Result(later.kill, round(self.seconds + later.seconds, 1),
                      self.cases + later.cases, self.errors + later.errors)


def until_killed(results: Iterable[Result]) -> Result:
    """Together, up to the first kill: those after it are not asked for."""
    result = Result(None, 0.0, 0, ())
    for later in results:
        result = result.and_then(later)
        if result.kill:
            break
    return result


class Host(Protocol):
    """Boots the kernel with the mutant; emulated.EmulatedHost is one."""

    def run(self, boot: PlannedBoot, recorder: Any) -> Outcome: ...


class Killed(Exception):
    """Ends a boot: the mutant is killed."""

    def __init__(self, kill: Kill) -> None:
        super().__init__(kill.name)
        self.kill = kill


class Watcher:
    """Receives the events of one boot."""

    def __init__(self, boot: PlannedBoot, folder: Path) -> None:
        self._boot = boot
        self._folder = folder
        self._parser = ktap.Parser()
        self._test = ""
        self.begun: set[str] = set()
        self.passed = 0
        self.errors: list[str] = []

    def console_log(self) -> Path:
        return self._folder / f"console.{self._boot.name}.log"

    def __call__(self, event: Event) -> None:
        match event:
            case Begin(test):
                self._test, self._parser = test, ktap.Parser(test)
                self.begun.add(test)
            case Output(data):
                self._output(data)
            case End(_, status) if status not in OF_TESTS:
                self.failed(self._kill("died", f"{self._test} ended with status {status}"))

    def _output(self, data: bytes) -> None:
        for case in self._parser.feed(data):
            if case.status is Status.FAIL:
                reason = " ".join(text for text in (case.reason, case.mismatch) if text)
                self.failed(self._kill("fail", reason, case.name))
            if case.status is Status.ERROR:
                self.errors.append(f"{self._test}:{case.name}: {case.reason}")
            self.passed += case.status is Status.PASS
            self.ended(case.name, case.status)

    def ended(self, case: str, status: Status) -> None:
        """For those who want more of the cases than their failures."""

    def failed(self, kill: Kill) -> None:
        raise Killed(kill)

    def _kill(self, how: str, reason: str, case: str = "") -> Kill:
        return Kill(self._test, case or self._parser.running or "-", self._boot.boot, how, reason,
                    self._boot.forked)

    def finish(self, outcome: Outcome) -> None:
        """A kernel that panics, or hangs in a case, counts as a kill."""
        if outcome.kind == "panic" or (outcome.kind in ("hang", "died") and self.begun):
            self.failed(self._kill(outcome.kind, outcome.detail))
        if outcome.kind != "ok":
            self.errors.append(f"boot {self._boot.name}: {outcome.kind}: {outcome.detail}")


class Control(Watcher):
    """On the kernel without a mutant: collects all failures, there should be none."""

    def __init__(self, boot: PlannedBoot, folder: Path) -> None:
        super().__init__(boot, folder)
        self.failures: list[Kill] = []

    def failed(self, kill: Kill) -> None:
        self.failures.append(kill)


def run(host: Host, planned: Sequence[PlannedBoot], folder: Path,
        watch: Callable[[PlannedBoot, Path], Watcher] = Watcher) -> Result:
    start = time.monotonic()
    cases, errors = 0, []
    kill = None
    for boot in planned:
        watcher = watch(boot, folder)
        try:
            watcher.finish(host.run(boot, watcher))
        except Killed as killed:
            kill = killed.kill
        cases += watcher.passed
        errors += watcher.errors
        if kill:
            break
    return Result(kill, round(time.monotonic() - start, 1), cases, tuple(errors))


def control(host: Host, planned: Sequence[PlannedBoot], folder: Path) -> list[Kill]:
    """The failures of the kernel without a mutant."""
    failures = []
    for boot in planned:
        watcher = Control(boot, folder)
        watcher.finish(host.run(boot, watcher))
        failures += watcher.failures
    return failures


def fits(mutant: Mutant, boot: str) -> bool:
    """Whether a VM that can show the mutant exists in this boot: TDs have boots of their own."""
    return ("tdx" in mutant.vm) if BOOTS[boot].tdx else set(mutant.vm) != {"tdx"}


def counts(kills: Mapping[str, Kill]) -> Counter[str]:
    """How many mutants each test has killed."""
    return Counter(kill.test for kill in kills.values())


def plan(mutant: Mutant, cases: Sequence[Case], kills: Mapping[str, Kill]) -> list[PlannedBoot]:
    """All cases that can show the mutant, the tests with most kills first."""
    fitting = [case for case in cases if fits(mutant, case.boot)]
    count = counts(kills)
    planned = [
        replace(part, tests=dict(sorted(part.tests.items(), key=lambda item: -count[item[0]])))
        for part in boots(fitting, most=1)
    ]
    if len(mutant.vm) > 1:    # the quicker emulator first
        planned.sort(key=lambda part: BOOTS[part.boot].tdx)
    return planned


def suspects(mutant: Mutant, cases: Sequence[Case], kills: Mapping[str, Kill],
             relatives: Sequence[Mutant]) -> list[Case]:
    """The case that killed it before, or those that killed mutants of the same functions."""
    names = [mutant.id] if mutant.id in kills else [
        other.id for other in relatives if set(other.functions) & set(mutant.functions)]
    wanted = {(kills[name].test, kills[name].case) for name in names if name in kills}
    return [case for case in cases
            if (case.test, case.name) in wanted and fits(mutant, case.boot)]
