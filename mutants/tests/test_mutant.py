# SPDX-License-Identifier: GPL-2.0-only
"""Edits: where they apply, and that they fail loudly where they do not."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from testbed.errors import UsageError
from testbed.make import source
from testbed.make.cache import Cache

from mutants import cli, mutant
from mutants.mutant import BadMutant, DoesNotApply, Edit

SOURCE = """\
/* one() in a comment */
static int one(int a,
	       int b)
{
	if (a &&
	    b)
		return 1;

	return 0;
}

int two(void)
{
	return one(1, 2);
}
"""


def edit(find: str | tuple[str, ...], replace: str = "", function: str = "one") -> str:
    wanted = (find,) if isinstance(find, str) else find
    return Edit(Path("x.c"), function, wanted, replace).apply(SOURCE)


class EditTest(unittest.TestCase):
    def test_blanks_are_alike(self) -> None:
        self.assertIn("(0)\n\t\treturn 1;", edit("(a && b)", "(0)"))

    def test_only_in_its_function(self) -> None:
        self.assertIn("return 5;", edit("return one(1, 2);", "return 5;", "two"))
        with self.assertRaisesRegex(DoesNotApply, r"one\(\) has 'one\(1, 2\)' 0 times"):
            edit("one(1, 2)")

    def test_not_twice(self) -> None:
        with self.assertRaisesRegex(DoesNotApply, "2 times, not once"):
            edit("return")

    def test_alternatives(self) -> None:
        self.assertNotIn("return 0;", edit(("return 0UL;", "return 0;")))
        with self.assertRaises(DoesNotApply):
            edit(("return 0;", "return 1;"))

    def test_no_such_function(self) -> None:
        with self.assertRaisesRegex(DoesNotApply, r"three\(\) is defined 0 times"):
            edit("x", function="three")


class ParseTest(unittest.TestCase):
    def data(self, **changes: Any) -> dict[str, Any]:
        edits = [{"file": "x.c", "function": "one", "find": "a", "replace": "b"}]
        return {"title": "t", "symptom": "s", "vm": ["tdx"], "edit": edits} | changes

    def test_whole(self) -> None:
        self.assertEqual(mutant.parse("M1", self.data()).functions, ["one"])

    def test_bad(self) -> None:
        bad: tuple[dict[str, Any], ...] = (
            {"vm": ["arm"]}, {"vm": []}, {"status": "dead"}, {"colour": "red"},
            {"edit": [{"file": "x.c"}]}, {"status": "equivalent"}, {"argument": "a"},
            {"debug": "cache"},
        )
        for changes in bad:
            with self.subTest(changes), self.assertRaises(BadMutant):
                mutant.parse("M1", self.data(**changes))

    def test_kernels_that_check_themselves(self) -> None:
        known = [mutant.parse(name, self.data(debug=debug)) for name, debug in
                 (("any", ""), ("freed", "memory"), ("order", "locks"))]

        def seen(debug: str, named: bool = False) -> list[str]:
            return [each.id for each in cli.seen_on(debug, known, named)]

        self.assertEqual(seen(""), ["any"])
        self.assertEqual(seen("memory"), ["freed"])
        self.assertEqual(seen("memory", named=True), ["any", "freed"])
        with self.assertRaisesRegex(UsageError, "--debug-kernel"):
            seen("races")


class CatalogueTest(unittest.TestCase):
    mutants = mutant.load()

    def test_applies_to_the_default_source(self) -> None:
        tree = source.distribution_tree(Cache(), refresh=False).path
        for each in self.mutants:
            with self.subTest(each.id):
                changed = each.apply(tree)
                for file, text in changed.items():
                    self.assertNotEqual(text, (tree / file).read_text())

    def test_no_two_alike(self) -> None:
        for key in ("title", "edits"):
            values = [getattr(each, key) for each in self.mutants]
            twice = {str(value) for value in values if values.count(value) > 1}
            self.assertEqual(twice, set())
