# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from checks import why

# Of two jobs one failed, and the other went on.
COMPILING = """\
make[1]: Entering directory '/x'
  CC      lib/a.o
lib/kvm/vm.c:290:1: error: expected declaration specifiers
  290 | int broken(
make[1]: *** [Makefile:64: build/gcc/lib/vm.o] Error 1
""" + "".join(f"  CC      lib/{number}.o\n" for number in range(100))


class WhyTest(unittest.TestCase):
    def test_compiler(self) -> None:
        self.assertEqual(why.lines(COMPILING), [
            "lib/kvm/vm.c:290:1: error: expected declaration specifiers", "  290 | int broken(",
            "make[1]: *** [Makefile:64: build/gcc/lib/vm.o] Error 1"])

    def test_cases_that_went_well(self) -> None:
        output = ("  ok    a_test: one\n  FAIL  a_test: two: expected 1, got 2\n"
                  + "  ok    a_test: more\n  xfail a_test: known\nok 7 more\n" * 50
                  + "test_x (tests.X.test_x) ... ok\n")
        self.assertEqual(why.lines(output), ["  FAIL  a_test: two: expected 1, got 2"])

    def test_trouble_far_above_the_end(self) -> None:
        output = "not ok 3 case\n" + "".join(f"line {number}\n" for number in range(100))
        self.assertEqual(why.lines(output)[:3], ["not ok 3 case", "...", "line 60"])

    def test_last_words(self) -> None:
        self.assertEqual(why.last_words("a\n needs root: sudo\n\n"), "needs root: sudo")
        self.assertEqual(why.last_words(""), "")


if __name__ == "__main__":
    unittest.main()
