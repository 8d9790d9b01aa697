# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from reports import repeated
from reports.model import Case, Exit, Run, Status, Test


def run_of(name: str, **statuses: Status) -> Run:
    cases = [Case(case, status) for case, status in statuses.items()]
    return Run(name, {"seed": "0x2a"}, [Test("some_test", cases=cases)])


class Repeated(unittest.TestCase):
    def test_alike(self) -> None:
        runs = [run_of("A", one=Status.PASS, two=Status.XFAIL)] * 3
        self.assertEqual(repeated.worst(runs), Exit.PASSED)
        self.assertEqual(list(repeated.flaky(runs)), [])
        self.assertIn("3 runs: all results identical.", repeated.render(runs))

    def test_flaky(self) -> None:
        runs = [run_of("A", one=Status.PASS, two=Status.PASS),
                run_of("B", one=Status.PASS, two=Status.FAIL),
                run_of("C", one=Status.PASS)]
        self.assertEqual(repeated.worst(runs), Exit.FAILED)
        ((label, by_status),) = repeated.flaky(runs)
        self.assertEqual(label, "some_test: two")
        self.assertEqual({status: [run.name for run in those] for status, those in
                          by_status.items()},
                         {Status.PASS: ["A"], Status.FAIL: ["B"], None: ["C"]})
        text = repeated.render(runs)
        self.assertIn("A  seed 0x2a         PASSED: 2 of 2 cases passed.", text)
        self.assertIn("flaky: some_test: two\n  pass in 1 of 3: A\n", text)
        self.assertIn("no result in 1 of 3: C", text)
        self.assertIn("3 runs: 1 case flaky.", text)

    def test_worst(self) -> None:
        skipped = run_of("A", one=Status.SKIP)
        self.assertEqual(repeated.worst([skipped, skipped]), Exit.SKIPPED)
        self.assertEqual(repeated.worst([skipped, run_of("B", one=Status.PASS)]), Exit.PASSED)
        self.assertEqual(repeated.worst([run_of("B", one=Status.PASS), Run()]), Exit.ERROR)


if __name__ == "__main__":
    unittest.main()
