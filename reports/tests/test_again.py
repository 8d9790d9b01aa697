# SPDX-License-Identifier: GPL-2.0-only
"""The commands that repeat cases; testbed/tests/test_explore.py has those of forked machines."""

from __future__ import annotations

import unittest

from reports import again
from reports.model import Case, Run, Status, Test
from reports.summary import render

FAILED = Case("x.default", Status.FAIL, "wrong", boot="default")
TOLD = {"command": ["./run_tests.sh", "--nightly"], "forked": ["tdx"], "patterns": []}


class AgainTest(unittest.TestCase):
    def command(self, case: Case, **told: object) -> str:
        return again.command(Run(environment={"seed": "0x7", "again": {**TOLD, **told}}),
                             Test("a_test"), case)

    def test_where_a_case_is_alone(self) -> None:
        self.assertEqual(self.command(FAILED),
                         "./run_tests.sh --nightly --tests a_test:x.default --seed 0x7")

    def test_where_the_machine_is_forked(self) -> None:
        case = Case("x.tdx", Status.FAIL, boot="tdx")
        self.assertEqual(self.command(case),
                         "./run_tests.sh --nightly --on bochs --tests a_test --seed 0x7")
        self.assertEqual(self.command(case, patterns=[["a*", "x*"], ["b*", "y"]]),
                         "./run_tests.sh --nightly --on bochs --tests 'a_test:x*' --seed 0x7")
        self.assertEqual(self.command(case, patterns=[["a*", "x*"], ["a_test", None]]),
                         "./run_tests.sh --nightly --on bochs --tests a_test --seed 0x7")

    def test_results_that_do_not_tell(self) -> None:
        for told in (None, "shard 1/2: {}; shard 2/2: {}"):
            self.assertEqual(again.command(Run(environment={"seed": 5, "again": told}), Test("a_test"), FAILED),
                             "./run_tests.sh --tests a_test:x.default --seed 5")

    def test_a_summary_names_each_once(self) -> None:
        cases = [Case("x.tdx", Status.FAIL, "a", boot="tdx"), Case("y.tdx", Status.FAIL, "b", boot="tdx"),
                 Case("z.tdx", Status.PASS, boot="tdx")]
        run = Run(environment={"seed": "0x7", "again": TOLD}, tests=[Test("a_test", cases=cases)])
        self.assertIn("\nagain:\n  ./run_tests.sh --nightly --on bochs --tests a_test --seed 0x7\n\n",
                      render(run))


if __name__ == "__main__":
    unittest.main()
