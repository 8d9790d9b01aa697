# SPDX-License-Identifier: GPL-2.0-only
"""Each package that is listed is needed by a part of the checks that is known."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "package_lists"
loader = importlib.machinery.SourceFileLoader("package_lists", str(SCRIPT))
spec = importlib.util.spec_from_loader("package_lists", loader)
assert spec
package_lists = importlib.util.module_from_spec(spec)
sys.modules["package_lists"] = package_lists
loader.exec_module(package_lists)


class PackageListsTest(unittest.TestCase):
    def test_each_has_a_part(self) -> None:
        for purpose in package_lists.PURPOSES.split():
            for entry in package_lists.packages.PURPOSES[purpose]:
                with self.subTest(entry):
                    name, script = package_lists.part(entry.split("|")[0])
                    self.assertIn(name, script)

    def test_none_of_a_package_that_nobody_lists(self) -> None:
        with self.assertRaisesRegex(package_lists.Unable, "no part .* is known to need emacs"):
            package_lists.part("emacs")

    def test_why(self) -> None:
        self.assertEqual(package_lists.why(
            ["  CC      td_error_test", "clang -c x.c", "make: clang: No such file or directory",
             "make: *** Error 127"]), "make: clang: No such file or directory")
        self.assertEqual(package_lists.why(["something else"]), "something else")

    def test_no_part_is_left_over(self) -> None:
        listed = {name for entries in package_lists.packages.PURPOSES.values()
                  for entry in entries for name in entry.split("|")}
        self.assertEqual(set(package_lists.PARTS) - listed - set(package_lists.packages.PURPOSES),
                         set())


if __name__ == "__main__":
    unittest.main()
