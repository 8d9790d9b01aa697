# SPDX-License-Identifier: GPL-2.0-only
"""The suite on the kernel with many mutants, in forks of a few boots of Bochs."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from reports.model import Status
from testbed.errors import HarnessError
from testbed.machine.emulated import EmulatedHost
from testbed.machine.stream import Begin, Event, File
from testbed.machine.watchdog import Outcome
from testbed.make import programs as test_programs
from testbed.make.cache import Cache, digest
from testbed.make.kernel import Kernel
from testbed.options import Options
from testbed.plan import Case, PlannedBoot, forks

from mutants import trial
from mutants.mutant import Mutant
from mutants.schemata import NUMBER, REACHED
from mutants.tree import Many
from mutants.trial import Control, Kill, Result, Watcher
from mutants.verdict import Store


def command(boot: PlannedBoot, seed: int, cases: Sequence[Case]) -> str:
    """The line of a plan that runs these cases, all of one test."""
    chosen = " ".join(f"--case {case.name}" for case in cases)
    return f"{cases[0].test} --seed {seed:#x} --boot {boot.boot} {chosen}\n"


def job(planned: PlannedBoot, seed: int, number: int) -> PlannedBoot:
    """The number is sent back, so that no mutant can seem to live because it was not there."""
    commands = "".join(command(planned, seed, cases) for cases in planned.tests.values())
    return PlannedBoot(planned.name, planned.boot, planned.tests, forked=True,
                       plan=f"{NUMBER} {number}\n{NUMBER}\n{commands}")


class Numbered(Watcher):
    def __init__(self, boot: PlannedBoot, folder: Path) -> None:
        super().__init__(boot, folder)
        self._wanted = boot.plan.split("\n")[0].split()[1]
        self._told = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, File) and event.name == NUMBER.name:
            self._told = event.data.decode().strip()
        super().__call__(event)

    def finish(self, outcome: Outcome) -> None:
        super().finish(outcome)
        if outcome.kind == "ok" and self._told != self._wanted:
            raise HarnessError(f"the kernel runs mutant {self._told or '(none)'}, not {self._wanted}")


@dataclass(frozen=True)
class Alone:
    """A case on the kernel without a mutant (number 0)."""

    status: Status
    reached: frozenset[int]     # places of REACHED that are set
    seconds: float = 0.0

    @property
    def fine(self) -> bool:
        """Whether it can tell a mutant from the kernel without one."""
        return self.status in (Status.PASS, Status.XFAIL)


class Survey(Control):
    """Reads, after each case, what it reached."""

    def __init__(self, boot: PlannedBoot, folder: Path) -> None:
        super().__init__(boot, folder)
        self.found: dict[str, Alone] = {}
        self._last = ("", Status.ERROR)
        self._begun = time.monotonic()

    def ended(self, case: str, status: Status) -> None:
        self._last = case, status

    def __call__(self, event: Event) -> None:
        if isinstance(event, Begin):
            self._last = "", Status.ERROR
            self._begun = time.monotonic()
        super().__call__(event)
        if isinstance(event, File) and event.name == REACHED.name:
            case, status = self._last
            self.found[case] = Alone(status, places(event.data.decode().strip()),
                                     round(time.monotonic() - self._begun, 2))


def places(digits: str) -> frozenset[int]:
    """Those that are set; a digit tells of four, the lowest bit of the first."""
    return frozenset(4 * number + bit for number, digit in enumerate(digits)
                     for bit in range(4) if int(digit, 16) >> bit & 1)


def survey(planned: PlannedBoot, seed: int) -> PlannedBoot:
    """Each case by itself, and what it reaches."""
    lines = [f"{REACHED} 0\n{command(planned, seed, [case])}{REACHED}\n"
             for cases in planned.tests.values() for case in cases]
    return PlannedBoot(planned.name, planned.boot, planned.tests, forked=True, plan="".join(lines))


def contents() -> dict[str, str]:
    """What identifies each test program's content."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for path in sorted(test_programs.FOLDER.glob("*_test"))}


class Forks:
    def __init__(self, cache: Cache, many: Many, cases: Sequence[Case], programs: Mapping[str, str],
                 seed: int, out: Path, debug: str = "") -> None:
        """`programs`: their contents(). `debug`: the kernel's name in kernel.DEBUG, or none."""
        self._many = many
        self._cases = cases
        self._programs = programs
        self._seed = seed
        self._out = out
        self._work = TemporaryDirectory(prefix="kts-mutants-")
        options = Options(
            on="bochs", patterns=(), seed=seed, out=out, kernel=None, bochs=None,
            debug_kernel=debug, refresh_kernel=False, nightly=False, jobs=1, fail_fast=False,
            verbose=False, may_install=False, allow_host_wide=False, fork=True,
        )
        self._host = EmulatedHost(options, cache, Path(self._work.name), cases, many.kernel)
        self._store = Store(cache.folder / "mutants" / "alone")
        self._lock = Lock()
        self._units: dict[str, Lock] = {}

    def close(self) -> None:
        self._host.close()
        self._work.cleanup()

    def has(self, mutant: Mutant) -> bool:
        return mutant.id in self._many.numbers

    def kernel(self, mutant: Mutant | None = None) -> Kernel:
        """For boots elsewhere: the kernel that is this mutant from the start, or none."""
        number = self._many.numbers[mutant.id] if mutant else 0
        return replace(self._many.kernel, cmdline=f"kvm.{NUMBER.name}={number}")

    def some(self, mutant: Mutant, cases: Sequence[Case], folder: Path) -> Result:
        """Up to the first case that fails."""
        planned = [job(unit, self._seed, self._many.numbers[mutant.id]) for unit in forks(cases)]
        return trial.run(self._host, planned, folder, Numbered)

    def whole(self, mutant: Mutant, kills: Mapping[str, Kill], folder: Path) -> Result:
        """All cases that can show the mutant, the tests with most kills first: without those
        that reach none of its functions, and those that fail without it."""
        fitting = [case for case in self._cases if trial.fits(mutant, case.boot)]
        units = sorted(forks(fitting), key=lambda unit: -trial.counts(kills)[min(unit.tests)])
        return trial.until_killed(self.some(mutant, cases, folder)
                                  for unit in units if (cases := self._noticing(mutant, unit)))

    def _noticing(self, mutant: Mutant, unit: PlannedBoot) -> list[Case]:
        """Its cases that can tell the mutant from the kernel without one."""
        alone = self.alone(unit)
        return [case for found in unit.tests.values() for case in found
                if alone[case.name].fine and alone[case.name].reached & self._many.differs[mutant.id]]

    def controls(self, cases: Sequence[Case]) -> list[tuple[Case, Status]]:
        """How these end without a mutant."""
        return [(case, alone[case.name].status) for unit in forks(cases)
                for alone in [self.alone(unit)]
                for found in unit.tests.values() for case in found]

    def alone(self, unit: PlannedBoot) -> dict[str, Alone]:
        """What the cases of a test in a boot do without a mutant; what is known is not run again."""
        (test, cases), = unit.tests.items()
        key = digest(self._many.key, unit.boot, test, self._programs.get(test, ""))
        with self._only_one(key):
            known = {case: Alone(Status(status), frozenset(reached), seconds)
                     for case, (status, reached, seconds) in (self._store.get(key) or {}).items()}
            missing = [case for case in cases if case.name not in known]
            if missing:
                known |= self._survey(PlannedBoot(unit.name, unit.boot, {test: missing}))
                self._store.put(key, {case: [found.status.value, sorted(found.reached), found.seconds]
                                      for case, found in known.items()})
        return known

    def _only_one(self, key: str) -> contextlib.AbstractContextManager[bool]:
        with self._lock:
            return self._units.setdefault(key, Lock())

    def _survey(self, unit: PlannedBoot) -> dict[str, Alone]:
        folder = self._out / "unmodified"
        folder.mkdir(parents=True, exist_ok=True)
        watcher = Survey(unit, folder)
        outcome = self._host.run(survey(unit, self._seed), watcher)
        if outcome.kind != "ok":
            raise HarnessError(f"{unit.name} on the kernel without a mutant: "
                               f"{outcome.kind}: {outcome.detail}")
        none = Alone(Status.ERROR, frozenset())     # the program died
        return {case.name: watcher.found.get(case.name, none)
                for cases in unit.tests.values() for case in cases}
