# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from testbed.steps import CommandFailed, is_object, lines_of, telling


class StepsTest(unittest.TestCase):
    def test_steps(self) -> None:
        lines = ["  CC      lib/vm.o", "  CC [M]  kmod/x.o", "  LD      vmlinux", "  FAIL  a_test: case",
                 "lib/kvm/vm.c:3: error"]
        self.assertEqual([is_object(line) for line in lines], [True, True, False, False, False])
        self.assertEqual(telling(lines), lines[3:])

    def test_lines(self) -> None:
        self.assertEqual(list(lines_of(["sh", "-c", "echo a; echo b >&2"])), ["a", "b"])

    def test_failure(self) -> None:
        with self.assertRaises(CommandFailed) as caught:
            list(lines_of(["sh", "-c", "echo a; exit 7"]))
        self.assertEqual((caught.exception.status, caught.exception.lines), (7, ["a"]))

    def test_nobody_wants_more(self) -> None:
        """Without the signal this takes 1000 s."""
        for line in lines_of(["sh", "-c", "echo a; exec sleep 1000"]):
            self.assertEqual(line, "a")
            break
