# SPDX-License-Identifier: GPL-2.0-only
"""The matrix of race windows, from KTAP to the report."""

from __future__ import annotations

import unittest

from reports import html, ktap, summary
from reports.model import Case, Run
from reports.race_matrix import counts, matrices

KTAP = b"""KTAP version 1
1..3
# run a (limit 20 s)
# cell window=before_lock invalidation=dontneed entry=prefault retries=1 outcome=new_page
# cell window=before_snapshot invalidation=dontneed entry=prefault retries=0 outcome=new_page
# cell window=under_lock invalidation=dontneed entry=prefault waits=mmu_lock
ok 1 a
# run b (limit 20 s)
# cell window=odd invalidation=fork entry=prefault retries=1 outcome=mapped
not ok 2 b
# run c (limit 20 s)
# cell window=odd
ok 3 c
"""


class Windows(unittest.TestCase):
    def setUp(self) -> None:
        log = ktap.parse(KTAP, "x_test")
        self.run_ = Run("r", tests=[log.test])

    def test_matrix_in_the_order_of_a_fault(self) -> None:
        (matrix,) = matrices(self.run_)
        self.assertEqual(matrix.windows, ["before_snapshot", "before_lock", "under_lock"])
        self.assertEqual(list(matrix.rows), ["dontneed"])
        self.assertEqual(matrix.rows["dontneed"]["under_lock"].waits, "mmu_lock")

    def test_only_cases_that_passed_count(self) -> None:
        text = "2 windows hit, and 1 in which the invalidation had to wait, on 1 entry points"
        self.assertEqual(counts(self.run_), text)
        self.assertIn(text, summary.render(self.run_))
        self.assertEqual(counts(Run()), "")

    def test_report(self) -> None:
        page = html.render(self.run_)
        self.assertIn("Race windows", page)
        self.assertIn("waits: mmu_lock", page)

    def test_json_round_trip(self) -> None:
        case = self.run_.tests[0].cases[0]
        self.assertEqual(Case.from_json(case.to_json()).cells, case.cells)

    def test_incomplete_cell_is_noted(self) -> None:
        self.assertIn("cell that lacks something", " ".join(self.run_.tests[0].notes))


if __name__ == "__main__":
    unittest.main()
