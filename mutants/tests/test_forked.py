# SPDX-License-Identifier: GPL-2.0-only
"""The kernel with many mutants: what is told to a fork, and what it tells."""

from __future__ import annotations

import unittest
from pathlib import Path
from unittest import mock

from mutants import forked
from mutants.forked import Alone, Forks, Numbered, Survey
from mutants.mutant import Edit, Mutant
from mutants.schemata import NUMBER, REACHED
from mutants.tests.test_trial import OK, boot, case, ktap
from mutants.trial import Kill
from mutants.tree import Many
from reports.model import Status
from testbed.errors import HarnessError
from testbed.machine.stream import Event, File
from testbed.machine.watchdog import Outcome
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel
from testbed.plan import PlannedBoot
from testbed.tests.support import FolderTest


def told(number: str) -> File:
    return File(NUMBER.name, f"{number}\n".encode())


def hit(places: str) -> File:
    return File(REACHED.name, f"{places}\n".encode())


class NumberTest(unittest.TestCase):
    planned = forked.job(boot(), 1, 7)

    def watch(self, *events: Event, outcome: Outcome = OK) -> Numbered:
        watcher = Numbered(self.planned, Path("/nonexistent"))
        for event in events:
            watcher(event)
        watcher.finish(outcome)
        return watcher

    def test_plan(self) -> None:
        self.assertEqual(self.planned.plan, f"{NUMBER} 7\n{NUMBER}\n"
                                            "a_test --seed 0x1 --boot default --case x\n")

    def test_told(self) -> None:
        self.assertEqual(self.watch(told("7"), *ktap("ok 1 x")).passed, 1)

    def test_another_number_is_no_survivor(self) -> None:
        for numbers in ("0", ""):
            with self.assertRaisesRegex(HarnessError, "not 7"):
                self.watch(*map(told, numbers), *ktap("ok 1 x"))


class Machine:
    """Ends cases as `fails` says, which has the number and the case."""

    def __init__(self, fails: dict[int, str], reached: dict[str, str]) -> None:
        self.fails, self.reached = fails, reached
        self.jobs: list[str] = []

    def run(self, planned: PlannedBoot, watcher: Numbered | Survey) -> Outcome:
        self.jobs.append(planned.plan)
        number, cases = "0", list[str]()
        for line in planned.plan.splitlines():
            match line.split():
                case [name, value] if name == str(NUMBER):
                    number = value
                case [name] if name == str(NUMBER):
                    watcher(told(number))
                case [name] if name == str(REACHED):
                    watcher(hit(self.reached[cases[0]]))
                case [_, "--seed", _, "--boot", _, *rest]:
                    cases = rest[1::2]
                    for event in ktap(*(f"{'not ' * (self.fails.get(int(number)) == name)}ok 1 {name}"
                                        for name in cases)):
                        watcher(event)
        return OK

    def close(self) -> None: ...


class ForksTest(FolderTest):
    mutant = Mutant("M2", "", "", ("default",), (Edit(Path("x.c"), "f", ("a",), "b"),))
    many = Many(Kernel(Path("bzImage"), ""), "key", {"M1": 1, "M2": 2},
                executed={}, differs={"M1": frozenset([0]), "M2": frozenset([1])}, same={})
    cases = [case("a_test:x"), case("a_test:y"), case("b_test:z"), case("td_test:w", "tdx")]

    def forks(self, machine: Machine) -> Forks:
        with mock.patch("mutants.forked.EmulatedHost", lambda *_: machine):
            forks = Forks(Cache(self.folder / "cache"), self.many, self.cases, {"a_test": "1"}, 1,
                          self.folder)
        self.addCleanup(forks.close)
        return forks

    def machine(self, **fails: str) -> Machine:
        return Machine({int(number[1:]): name for number, name in fails.items()},
                       {"x": "2", "y": "1", "z": "2", "w": "3"})

    def test_likely_cases(self) -> None:
        forks = self.forks(self.machine(_2="x"))
        result = forks.some(self.mutant, self.cases[:1], self.folder)
        assert result.kill
        self.assertEqual(result.kill.name, "a_test:x")
        self.assertIsNone(forks.some(self.mutant, self.cases[1:2], self.folder).kill)

    def test_only_what_reaches_it(self) -> None:
        machine = self.machine()
        forks = self.forks(machine)
        result = forks.whole(self.mutant, {"M9": Kill("b_test", "z", "default")}, self.folder)
        self.assertEqual((result.kill, result.cases), (None, 2))
        runs = [plan for plan in machine.jobs if str(NUMBER) in plan]
        self.assertEqual([plan.splitlines()[2].split()[0] for plan in runs], ["b_test", "a_test"])
        self.assertNotIn("--case y", "".join(runs))

    def test_what_fails_without_it_does_not_run(self) -> None:
        machine = self.machine(_0="z", _2="z")
        self.assertIsNone(self.forks(machine).whole(self.mutant, {}, self.folder).kill)
        self.assertEqual(dict(self.forks(machine).controls(self.cases))[self.cases[2]], Status.FAIL)

    def test_what_is_known_is_not_run_again(self) -> None:
        machine = self.machine()
        for _ in range(2):
            self.forks(machine).controls(self.cases[:1])
        self.assertEqual(len(machine.jobs), 1)
        self.forks(machine).controls(self.cases[:2])
        self.assertNotIn("--case x", machine.jobs[1])

    def test_places(self) -> None:
        self.assertEqual(forked.places("0a01"), {5, 7, 12})

    def test_program_that_died(self) -> None:
        survey = Survey(boot(), Path("/nonexistent"))
        for event in (*ktap("ok 1 x"), hit("1"), *ktap(status=139), hit("1")):
            survey(event)
        self.assertEqual(survey.found["x"], Alone(Status.PASS, frozenset([0]), mock.ANY))
        self.assertEqual(survey.found[""].status, Status.ERROR)
