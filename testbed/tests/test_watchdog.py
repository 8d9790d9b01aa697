# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import signal
import unittest

from testbed.machine.stream import Begin, Booted, Done, End, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog, judge
from testbed.plan import Case

LIMITS = Limits(boot=10, step=20, case_factor=2, case_grace=5, dying=1, power_off=3)


class WatchdogTest(unittest.TestCase):
    def setUp(self) -> None:
        self.dog = Watchdog(LIMITS, total=1000, now=100)

    def test_boot(self) -> None:
        self.assertIsNone(self.dog.complaint(109))
        self.assertEqual(self.dog.left(109), 1)
        self.assertEqual(self.dog.complaint(110), "the guest did not boot within 10 s")

    def test_no_test_starts(self) -> None:
        self.dog.see(Booted("7.2"), 105)
        self.assertIsNone(self.dog.complaint(124))
        self.assertEqual(self.dog.complaint(125), "no test started within 20 s")

    def test_case_has_its_own_limit(self) -> None:
        self.dog.see(Begin("a_test"), 100)
        self.dog.see(Output(b"# run long.default (limit 50 s)\n"), 110)
        self.dog.see(Output(b"# noise does not prolong it\n"), 200)
        self.assertIsNone(self.dog.complaint(214))
        self.assertEqual(self.dog.complaint(215), "case long.default did not end within 105 s")

    def test_after_a_result(self) -> None:
        self.dog.see(Output(b"# run x (limit 500 s)\n"), 100)
        for line in (b"ok 1 x\n", b"not ok 1 x\n"):
            self.dog.see(Output(line), 200)
            self.assertEqual(self.dog.complaint(220), "no next case started within 20 s")

    def test_result_behind_other_text(self) -> None:
        """As the reports read it: a kernel message may stand before the result."""
        self.dog.see(Begin("a_test"), 100)
        self.dog.see(Output(b"# run x (limit 500 s)\n"), 100)
        self.dog.see(Output(b"some text without its newline ok 1 x\n"), 200)
        self.assertEqual(self.dog.complaint(220), "no next case started within 20 s")

    def test_between_tests_and_power_off(self) -> None:
        self.dog.see(End("a_test", 0), 200)
        self.assertEqual(self.dog.complaint(220), "nothing came after a_test within 20 s")
        self.dog.see(Done(), 210)
        self.assertEqual(self.dog.complaint(213), "the guest did not power off within 3 s")

    def test_total(self) -> None:
        for now in range(100, 1100, 10):
            self.dog.see(Begin("a_test"), now)
        self.assertEqual(self.dog.complaint(1100), "the boot did not end within 1000 s")

    def test_panic_shortens_the_wait(self) -> None:
        self.dog.see(Output(b"# run x (limit 500 s)\n"), 100)
        self.dog.dying(200)
        self.assertEqual(self.dog.left(200), 1)
        self.assertIsNotNone(self.dog.complaint(201))

    def test_total_of_a_plan(self) -> None:
        cases = [Case("a_test", name, "default", "-", 30, "") for name in "xy"]
        self.assertEqual(LIMITS.total({"a_test": cases}), 10 + 4 * 20 + 2 * 65)


class JudgeTest(unittest.TestCase):
    def test_done(self) -> None:
        self.assertEqual(judge(True, "the guest did not power off", -9, ""), Outcome("ok"))

    def test_panic(self) -> None:
        console = "x\n[ 1.2] Kernel panic - not syncing: Fatal exception\n[ 1.3] Rebooting\n"
        panic = Outcome("panic", "Kernel panic - not syncing: Fatal exception")
        self.assertEqual(judge(False, None, 0, console), panic)
        self.assertEqual(judge(False, "case x did not end", -9, console), panic)

    def test_hang(self) -> None:
        outcome = judge(False, "case x did not end within 9 s", -9, "a\nb\nc\nd\n")
        self.assertEqual(outcome.kind, "hang")
        self.assertEqual(outcome.detail,
                         "case x did not end within 9 s; last on the console: b | c | d")

    def test_killed_by_others(self) -> None:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            outcome = judge(False, None, -number, "some text")
            self.assertEqual(outcome.kind, "error")
            self.assertIn(number.name, outcome.detail)
        self.assertEqual(judge(False, None, -signal.SIGSEGV, "").kind, "died")

    def test_died(self) -> None:
        outcome = judge(False, None, 1, "")
        self.assertEqual(outcome.kind, "died")
        self.assertIn("status 1", outcome.detail)
