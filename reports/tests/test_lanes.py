# SPDX-License-Identifier: GPL-2.0-only
"""The picture of a case, from KTAP to the report."""

from __future__ import annotations

import unittest

from reports import html, ktap, lanes
from reports.model import Case, Run

KTAP = b"""KTAP version 1
1..2
# run a (limit 20 s)
# event 0.000000000 case/75 begin window: KVM waits
# event 0.000010000 prefault/76 begin KVM_PRE_FAULT_MEMORY gpa 0x1000 size 0x1000
# event 0.000011000 prefault/76 begin fault gfn 0x1
# event 0.000012000 prefault/76 spte SPTE of gfn 0x1 4K: none -> pfn <0x2>
# event 0.000013000 prefault/76 retry fault gfn 0x1: RET_PF_RETRY
# event 0.000014500 prefault/76 end KVM_PRE_FAULT_MEMORY: success, 0x0 bytes left
# event 0.000015000 case/75 end hole: success
# event soon
not ok 1 a
# run b (limit 20 s)
# switch after access 100: CPU 1 at kvm_zap+0x1, of 0xff00
#    80 CPU 0 far_away+0x1 reads 0xff00
#    99     CPU 1 kvm_zap+0x1 writes 0xff00, 2 times
#   101 CPU 0 kvm_map+0x9 reads 0xff00
not ok 2 b
"""


class Lanes(unittest.TestCase):
    def setUp(self) -> None:
        self.log = ktap.parse(KTAP, "x_test")
        self.case, self.explored = self.log.test.cases

    def picture(self, case: Case) -> lanes.Picture:
        picture = lanes.picture(case)
        assert picture
        return picture

    def test_a_row_for_each_moment(self) -> None:
        picture = self.picture(self.case)
        self.assertEqual(picture.lanes, ["case/75", "prefault/76"])
        self.assertEqual([row.lane for row in picture.rows], [0, 1, 1, 1, 1, 1, 0])
        self.assertEqual([row.time for row in picture.rows][-2:], ["14.5 µs", "15.0 µs"])
        self.assertEqual(self.case.diagnostics, [])

    def test_what_ends_is_a_bar_by_its_word(self) -> None:
        """The hole that ends in lane 0 has not begun; the window there never ends."""
        self.assertEqual(self.picture(self.case).bars,
                         [lanes.Bar(1, 1, 5, 0), lanes.Bar(0, 0, 6, 0), lanes.Bar(1, 2, 4, 1)])

    def test_report(self) -> None:
        page = html.render(Run("r", tests=[self.log.test]))
        self.assertEqual(page.count("<svg"), 2)
        self.assertIn("pfn &lt;0x2&gt;", page)
        self.assertIn(">gives way: kvm_zap+0x1, of 0xff00<", page)

    def test_switches_of_a_schedule(self) -> None:
        picture = self.picture(self.explored)
        self.assertEqual(picture.lanes, ["CPU 1", "CPU 0"])
        self.assertEqual([row.time for row in picture.rows], ["99", "100", "101"])
        self.assertEqual(len(self.explored.diagnostics), 4)

    def test_json_round_trip(self) -> None:
        self.assertEqual(Case.from_json(self.case.to_json()).moments, self.case.moments)

    def test_none(self) -> None:
        self.assertIsNone(lanes.picture(Case("c")))
        self.assertNotIn("<svg", html.render(Run()))

    def test_incomplete_event_is_noted(self) -> None:
        self.assertIn("event that lacks something", " ".join(self.log.test.notes))


if __name__ == "__main__":
    unittest.main()
