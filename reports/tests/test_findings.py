# SPDX-License-Identifier: GPL-2.0-only
"""The document of findings, as certificates quote it."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from reports import findings

ISSUES = Path(__file__).resolve().parents[2] / "lib/base/known_issues.c"
ISSUE = re.compile(r'^\t\{ "([A-Z]\d+)", "([\d.]+)", (?:"([\d.]+)"|NULL),', re.MULTILINE)


class FindingsTest(unittest.TestCase):
    def test_first_paragraph(self) -> None:
        one = findings.stories()["L1"]
        self.assertEqual(one.title, "an endless prefault when the roots are invalidated")
        self.assertRegex(one.kernels, r"^Kernels 6\.11 to 7\.3; fixed in .* by 355323a4dc94 .*iteration\"\.$")

    def test_each_known_issue_is_told(self) -> None:
        """With the version that it began with, and the fix or that there is none."""
        told = findings.stories()
        known = ISSUE.findall(ISSUES.read_text())
        self.assertGreater(len(known), 10)
        for name, first, fixed in known:
            with self.subTest(name):
                self.assertIn(first, told[name].kernels)
                self.assertRegex(told[name].kernels, rf"fixed .*{re.escape(fixed)}" if fixed
                                 else "no fix known")


if __name__ == "__main__":
    unittest.main()
