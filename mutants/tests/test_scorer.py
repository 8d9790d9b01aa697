# SPDX-License-Identifier: GPL-2.0-only
"""Generated mutants: whose code is the same, which cases run, and the table of the ends."""

from __future__ import annotations

import unittest
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any
from unittest import mock

from mutants import same, score
from mutants.forked import Alone
from mutants.generated import Generated
from mutants.mutant import Cut
from mutants.scorer import Scorer
from mutants.tests.test_trial import case
from mutants.tree import Many
from mutants.trial import Kill, Result
from mutants.verdict import (
    BROKEN_BUILD, KILLED, NO_DIFFERENCE, NOT_EXECUTED, SAME_CODE, SURVIVED, Store, Verdict,
)
from reports.model import Status
from testbed.make.kernel import Kernel
from testbed.tests.support import FolderTest

LISTING = """\

0000000000000010 <f_original>:
  10:\tendbr64
  14:\tmov    $0x1,%eax
  19:\tje     25 <f_original+0x15>
  1b:\tcall   20 <f_original+0x10>
\t\t\t1c: R_X86_64_PLT32\tother-0x4
  25:\tret
  26:\tnopw   0x0(%rax,%rax,1)

0000000000000030 <f_G1>:
  30:\tendbr64
  34:\tmov    $0x1,%eax
  39:\tje     45 <f_G1+0x15>
  3b:\tcall   40 <f_G1+0x10>
\t\t\t3c: R_X86_64_PLT32\tother-0x4
  45:\tret

0000000000000050 <f_G2>:
  50:\tendbr64
  54:\tmov    $0x2,%eax
  59:\tret

0000000000000060 <f_G3>:
  60:\tendbr64
  64:\tmov    $0x2,%eax
  69:\tret
  6a:\tint3

0000000000000070 <g_G4>:
  70:\tendbr64
  74:\tmov    $0x2,%eax
  79:\tret
"""


class SameTest(unittest.TestCase):
    def test_twins(self) -> None:
        codes = same.functions(LISTING.splitlines())
        self.assertEqual(same.same(codes, ["G1", "G2", "G3", "G4"], "original"), {"G1": "", "G3": "G2"})


def made(name: str, function: str = "f") -> Generated:
    return Generated(name, f"title of {name}", "", ("default",), (Cut(Path("a/x.c"), function, (), ""),),
                     operator="jump dropped", line=7)


class ScorerTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.cases = [case("a_test:x"), case("a_test:y"), case("b_test:z")]
        self.ran: list[str] = []
        self.scorer = self.new()

    def new(self) -> Scorer:
        scorer = Scorer.__new__(Scorer)
        numbers = {f"G{number}": number for number in range(1, 6)}
        facts: dict[str, Any] = {
            "many": Many(Kernel(Path("bzImage"), ""), "key", numbers,
                         executed={name: frozenset([number, 10 + number]) for name, number in numbers.items()},
                         differs={name: frozenset([10 + number]) for name, number in numbers.items()},
                         same={"G5": ""}),
            "_out": self.folder / "out", "_most": 0, "_cases": self.cases, "_lock": Lock(),
            "_programs": {"a_test": "1", "b_test": "1"}, "_store": Store(self.folder / "store"),
            "_killers": Counter(), "_forks": mock.Mock(some=self.some),
            "_alone": {self.cases[0]: Alone(Status.PASS, frozenset([11, 2]), 9.0),
                       self.cases[1]: Alone(Status.PASS, frozenset([11, 12]), 1.0),
                       self.cases[2]: Alone(Status.FAIL, frozenset([11, 13]), 1.0)},
        }
        for name, value in facts.items():
            setattr(scorer, name, value)
        return scorer

    def some(self, mutant: Generated, cases: list[Any], folder: Path) -> Result:
        self.ran += [f"{mutant.id} {one.name}" for one in cases]
        kill = Kill("a_test", "x", "default", forked=True) if "x" in {one.name for one in cases} else None
        return Result(kill, 1.0, 1, ())

    def end(self, name: str) -> str:
        verdict = self.scorer.known(made(name))
        return verdict.verdict if verdict else ""

    def test_what_needs_no_run(self) -> None:
        self.assertEqual([self.end(f"G{number}") for number in (1, 2, 3, 4, 5, 6)],
                         ["", "", NOT_EXECUTED, NOT_EXECUTED, SAME_CODE, BROKEN_BUILD])

    def test_no_difference(self) -> None:
        self.scorer._alone[self.cases[1]] = Alone(Status.PASS, frozenset(), 1.0)
        self.assertEqual(self.end("G2"), NO_DIFFERENCE)

    def test_cases_that_notice(self) -> None:
        self.assertEqual([one.name for one in self.scorer.likely(made("G1"))], ["y", "x"])
        verdict = self.scorer.judge(made("G1"), whole=False, compare=False, again=False)
        assert verdict
        self.assertEqual((verdict.verdict, self.ran), (KILLED, ["G1 y", "G1 x"]))
        self.assertEqual([one.name for one in self.scorer.likely(made("G1"))], ["x", "y"])  # it learns

    def test_verdicts_are_kept(self) -> None:
        verdict = self.scorer.judge(made("G2"), whole=False, compare=False, again=False)
        assert verdict
        self.assertEqual((verdict.verdict, verdict.detail), (SURVIVED, "1 of 1 cases that can notice it"))
        self.assertEqual(self.new().known(made("G2")), verdict)


class ScoreTest(unittest.TestCase):
    def test_table(self) -> None:
        verdicts = {name: Verdict(name, end) for name, end in
                    (("G1", KILLED), ("G2", SURVIVED), ("G3", NOT_EXECUTED), ("G4", KILLED))}
        mutants = [made("G1"), made("G2"), made("G3"), made("G4", "g"), made("G5")]
        lines = score.table(mutants, verdicts, lambda one: one.function)
        self.assertEqual(lines[2:], [
            "| f | 3 | 1 | 1 | 0 | 0 | 1 | 0 | 50 % |", "| g | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 100 % |",
            "| all | 4 | 2 | 1 | 0 | 0 | 1 | 0 | 67 % |"])
        self.assertIn("- G2 a/x.c:7 f(), jump dropped: title of G2 (survived)",
                      score.document(mutants, verdicts))
