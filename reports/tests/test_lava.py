# SPDX-License-Identifier: GPL-2.0-only
"""What LAVA is told of a run."""

from __future__ import annotations

import unittest

from reports import lava
from reports.model import Case, Run, Status
from reports.tests.runs import run


class Commands(unittest.TestCase):
    def test_each_status(self) -> None:
        self.assertEqual(list(lava.commands([run(a="pass", b="xfail", c="skip", d="fail")])), [
            "lava-test-case a_test.a --result pass --measurement 0.100 --units s",
            "lava-test-case a_test.b --result fail --measurement 0.100 --units s",
            "lava-test-case a_test.c --result skip --measurement 0.100 --units s",
            "lava-test-case a_test.d --result fail --measurement 0.100 --units s"])

    def test_measurements_are_a_set_of_their_own(self) -> None:
        one = run(a="pass")
        one.tests[0].cases[0].measurements = {"retries": 500, "seconds": 0.1}
        self.assertEqual(list(lava.commands([one]))[1:], [
            "lava-test-set start measurements",
            "lava-test-case a_test.a.retries --result pass --measurement 500 --units retries",
            "lava-test-set stop"])

    def test_dead_kernel(self) -> None:
        one = run(a="fail")
        one.deaths.append("boot default: the kernel under test panicked")
        self.assertEqual(list(lava.commands([one]))[-1],
                         "lava-test-raise the-kernel-under-test-died")

    def test_harness_error(self) -> None:
        self.assertEqual(list(lava.commands([run(a="pass", b="error")])), [
            "lava-test-case a_test.a --result pass --measurement 0.100 --units s",
            "lava-test-case a_test.b --result unknown --measurement 0.100 --units s",
            "lava-test-raise the-harness-broke"])
        self.assertEqual(list(lava.commands([Run("empty")])), ["lava-test-raise the-harness-broke"])

    def test_all_skipped_is_no_harness_error(self) -> None:
        self.assertEqual(len(list(lava.commands([run(a="skip")]))), 1)

    def test_several_runs_tell_the_worst(self) -> None:
        runs = [run(a="pass", b="fail", c="skip"), run(a="fail", b="pass", c="pass")]
        self.assertEqual(lava.results(runs),
                         {"a_test.a": "fail", "a_test.b": "fail", "a_test.c": "pass"})

    def test_names(self) -> None:
        one = run(a="pass")
        one.tests[0].cases = [Case("x y>z", Status.PASS, boot="tdx"), Case("x", boot="default")]
        self.assertEqual(list(lava.results([one])), ["a_test.x_y_z.tdx", "a_test.x"])


if __name__ == "__main__":
    unittest.main()
