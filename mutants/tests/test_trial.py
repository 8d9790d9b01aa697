# SPDX-License-Identifier: GPL-2.0-only
"""What kills a mutant, with a host that plays events."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mutants import trial
from mutants.mutant import Edit, Mutant
from mutants.trial import Kill, Result
from testbed.machine.stream import Begin, Done, End, Event, Output
from testbed.machine.watchdog import Outcome
from testbed.plan import Case, PlannedBoot

FOLDER = Path("/nonexistent")


def case(name: str, boot: str = "default") -> Case:
    test, name = name.split(":")
    return Case(test, name, boot, "-", 20, "")


def boot(name: str = "default") -> PlannedBoot:
    return PlannedBoot(name, name, {"a_test": [case("a_test:x", name)]})


def ktap(*results: str, status: int = 0) -> list[Event]:
    lines = [f"1..{len(results)}"]
    for result in results:
        lines += [f"# run {result.split()[-1]} (limit 20 s)", result]
    return [Begin("a_test"), *(Output(f"{line}\n".encode()) for line in lines),
            End("a_test", status)]


class FakeHost:
    def __init__(self, *boots: tuple[Sequence[Event], Outcome]) -> None:
        self._boots = list(boots)

    def run(self, planned: PlannedBoot, recorder: Any) -> Outcome:
        events, outcome = self._boots.pop(0)
        for event in events:
            recorder(event)
        return outcome


def run(*boots: tuple[Sequence[Event], Outcome]) -> Result:
    return trial.run(FakeHost(*boots), [boot() for _ in boots], FOLDER)


OK = Outcome("ok")


class RunTest(unittest.TestCase):
    def test_survived(self) -> None:
        result = run((ktap("ok 1 x"), OK), (ktap("ok 1 y # SKIP no"), OK))
        self.assertIsNone(result.kill)
        self.assertEqual((result.cases, result.errors), (1, ()))

    def test_first_failure_ends_it(self) -> None:
        result = run((ktap("ok 1 x", "not ok 2 y", "not ok 3 z"), OK), (ktap("not ok 1 later"), OK))
        assert result.kill
        self.assertEqual((result.kill.name, result.kill.how), ("a_test:y", "fail"))
        self.assertEqual(result.cases, 1)

    def test_case_error_is_no_kill(self) -> None:
        result = run((ktap("not ok 1 x # ERROR no memory", "ok 2 y", status=1), OK))
        self.assertIsNone(result.kill)
        self.assertEqual(len(result.errors), 1)

    def test_panic_and_hang(self) -> None:
        for kind in ("panic", "hang", "died"):
            events = ktap("ok 1 x")[:-1] + [Output(b"# run y (limit 20 s)\n")]
            result = run((events, Outcome(kind, "why")))
            assert result.kill
            self.assertEqual((result.kill.name, result.kill.how), ("a_test:y", kind))

    def test_emulator_killed_by_others_is_no_kill(self) -> None:
        result = run((ktap("ok 1 x")[:-1] + [Output(b"# run y (limit 20 s)\n")],
                      Outcome("error", "killed")))
        self.assertIsNone(result.kill)
        self.assertIn("killed", result.errors[0])

    def test_hang_before_the_first_test_counts_as_harness_error(self) -> None:
        result = run(([], Outcome("hang", "no boot")))
        self.assertIsNone(result.kill)
        self.assertIn("no boot", result.errors[0])

    def test_program_that_dies(self) -> None:
        result = run((ktap("ok 1 x", status=139), OK))
        assert result.kill
        self.assertEqual(result.kill.how, "died")

    def test_control_looks_at_all(self) -> None:
        host = FakeHost((ktap("not ok 1 x", "not ok 2 y") + [Done()], OK))
        self.assertEqual([kill.case for kill in trial.control(host, [boot()], FOLDER)], ["x", "y"])


class PlanTest(unittest.TestCase):
    cases = [case("a_test:1"), case("b_test:1"), case("b_test:2"), case("c_test:1"),
             case("td_test:1", "tdx")]

    def mutant(self, name: str, *vm: str, function: str = "f") -> Mutant:
        return Mutant(name, "", "", vm, (Edit(Path("x.c"), function, ("a",), "b"),))

    def boots(self, *vm: str, **kills: str) -> list[tuple[str, list[str]]]:
        found = {name: Kill(test, "1", "default") for name, test in kills.items()}
        planned = trial.plan(self.mutant("M1", *vm), self.cases, found)
        return [(part.boot, list(part.tests)) for part in planned]

    def test_what_can_show_it(self) -> None:
        self.assertEqual(self.boots("tdx"), [("tdx", ["td_test"])])
        self.assertEqual([boot for boot, _ in self.boots("sw_protected")], ["default"])
        self.assertEqual([boot for boot, _ in self.boots("default", "tdx")],
                         ["default", "tdx"])

    def test_what_killed_most_comes_first(self) -> None:
        self.assertEqual(self.boots("default", M2="c_test", M3="c_test", M4="a_test"),
                         [("default", ["c_test", "a_test", "b_test"])])

    def test_suspects(self) -> None:
        first, same = self.mutant("M1", "default"), self.mutant("M2", "default")
        other = self.mutant("M3", "default", function="g")
        kills = {"M2": Kill("b_test", "2", "default"), "M3": Kill("c_test", "1", "default")}

        def suspects(**more: Kill) -> list[str]:
            found = trial.suspects(first, self.cases, kills | more, [first, same, other])
            return [f"{case.test}:{case.name}" for case in found]

        self.assertEqual(suspects(), ["b_test:2"])
        self.assertEqual(suspects(M1=Kill("a_test", "1", "default")), ["a_test:1"])
