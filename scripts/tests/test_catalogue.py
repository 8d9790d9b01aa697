# SPDX-License-Identifier: GPL-2.0-only
"""The table of docs/findings.md."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path

PATH = Path(__file__).parent.parent / "catalogue"
LOADER = importlib.machinery.SourceFileLoader("catalogue", str(PATH))
SPEC = importlib.util.spec_from_loader("catalogue", LOADER)
assert SPEC
catalogue = importlib.util.module_from_spec(SPEC)
sys.modules["catalogue"] = catalogue
LOADER.exec_module(catalogue)

SOURCE = """
static const struct known_issue issues[] = {
	{ "L1", "6.11", "7.4",
	  "one \\"quoted\\", on "
	  "two lines (fixed by: Fix f() of it)" },
	{ "W4", "6.18", NULL,
	  "it warns" },
};
"""


class FixesTest(unittest.TestCase):
    def test_form(self) -> None:
        def case(fixes: str) -> object:
            return catalogue.Case("c", "", fixes, "", [], [])

        good = ('0123456789ab ("KVM: Do right"), 6.1', '"KVM: Do right", 7.2', "")
        bad = ("KVM: Do right (6.1)", '0123 ("KVM: Do right"), 6.1', '0123456789ab ("KVM: Do right")')
        test = catalogue.Test("t_test", "", [case(fixes) for fixes in (*good, *bad)], [])
        self.assertEqual([line.split("is ")[1].split(", not ")[0] for line in catalogue.wrong_fixes([test])],
                         [repr(fixes) for fixes in bad])


class FindingsTest(unittest.TestCase):
    def test_issues(self) -> None:
        self.assertEqual(catalogue.issues(SOURCE), {
            "L1": catalogue.Issue("6.11", "7.4", "Fix f() of it"),
            "W4": catalogue.Issue("6.18", "", "")})

    def test_table(self) -> None:
        document = "# All\n## L1: f() of 1.5 pages\n## Others\n## W4: it warns\n## D1: not of the list\n"
        self.assertEqual(catalogue.findings(document, catalogue.issues(SOURCE)).splitlines()[2:], [
            "| [L1](#l1-f-of-15-pages) | f() of 1.5 pages | 6.11 | 7.4 | Fix f() of it |",
            "| [W4](#w4-it-warns) | it warns | 6.18 |  |  |",
            "| [D1](#d1-not-of-the-list) | not of the list |  |  |  |"])

    def test_heading_is_missing(self) -> None:
        with self.assertRaisesRegex(SystemExit, "no heading for L1"):
            catalogue.findings("## W4: it warns\n", catalogue.issues(SOURCE))

    def test_all_of_the_list(self) -> None:
        source = catalogue.ISSUES.read_text()
        self.assertEqual(len(catalogue.issues(source)), source.count("\n\t{ \""))


if __name__ == "__main__":
    unittest.main()
