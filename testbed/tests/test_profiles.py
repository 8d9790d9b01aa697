# SPDX-License-Identifier: GPL-2.0-only
"""Profiles, shards, and runs on several kernels."""

from __future__ import annotations

import unittest
from dataclasses import replace

from reports.model import Exit, Run
from reports.tests.runs import run
from testbed import cli, kernels, plan, profiles
from testbed.errors import KernelError, UsageError
from testbed.plan import Case
from testbed.tests.support import FolderTest


class ProfilesTest(unittest.TestCase):
    def test_those_that_there_are(self) -> None:
        self.assertEqual(profiles.names(), ["certify", "full", "kernels", "nightly", "quick", "rehearsal"])
        for name in profiles.names():
            self.assertTrue(profiles.load(name).summary)
        self.assertTrue(profiles.load("nightly").nightly)
        self.assertFalse(profiles.load("quick").nightly)

    def test_bad_ones(self) -> None:
        for name in ("nothing", "../profiles/quick"):
            with self.assertRaisesRegex(UsageError, "there are certify, full"):
                profiles.load(name)
        for text, why in (("x = ", "Invalid value"), ("summary = 'x'\nreapeat = 2", "unknown: reapeat"),
                          ("repeat = 2", "has no summary"),
                          ("summary = 'x'\ndebug_kernels = ['cache']", "no such debug kernel: cache")):
            with self.assertRaisesRegex(UsageError, why):
                profiles.parse("x.toml", text)

    def test_the_command_line_wins(self) -> None:
        profile = profiles.parse("x.toml", "summary = 'x'\nrepeat = 3\nseed = 7\ntests = ['a_*']")
        arguments = cli.parser().parse_args([])
        cli.apply(profile, arguments)
        self.assertEqual((arguments.repeat, arguments.seed, arguments.tests), (3, 7, ["a_*"]))
        arguments = cli.parser().parse_args(["--repeat", "1", "--seed", "2", "--tests", "b"])
        cli.apply(profile, arguments)
        self.assertEqual((arguments.repeat, arguments.seed, arguments.tests), (1, 2, ["b"]))


    def test_debug_kernels(self) -> None:
        """Each once, but for what is not built here."""
        profile = replace(profiles.load("nightly"), debug_kernels=("memory", "locks", "races"))

        def names(*given: str) -> list[str]:
            chosen = cli.options(cli.parser().parse_args(["--on", "bochs", *given]))
            return [one.debug_kernel for one in cli.on_debug_kernels(profile, chosen)]

        self.assertEqual(names(), ["memory", "locks", "races"])
        self.assertEqual(names("--kernel", "6.18"), ["memory", "locks", "races"])
        self.assertEqual(names("--kernel", __file__), [])
        self.assertEqual(names("--debug-kernel", "locks"), [])
        for given in (["--on", "native"], ["--on", "bochs", "--kernel", __file__]):
            with self.assertRaisesRegex(UsageError, "that is built here"):
                cli.options(cli.parser().parse_args([*given, "--debug-kernel", "locks"]))


class ShardTest(unittest.TestCase):
    def test_all_of_it_once(self) -> None:
        cases = [Case(f"{test}_test", f"case{number}", boot, "-", 5, "")
                 for test in "abcde" for boot in ("default", "tdx") for number in range(ord(test) % 7)]
        parts = [plan.shard(cases, *plan.parse_shard(f"{index}/3")) for index in (1, 2, 3)]
        self.assertEqual(sorted((case for part in parts for case in part), key=cases.index), cases)
        self.assertLess(max(map(len, parts)) - min(map(len, parts)), 7)


class MatrixTest(FolderTest):
    def test_columns(self) -> None:
        def run_one(kernel: str) -> Run:
            if kernel == "6.16":
                raise KernelError("does not build\nbecause")
            one = run(kernel, a="fail" if kernel == "6.17" else "pass")
            one.environment = {"kernel": f"{kernel}.9"}
            return one

        code = kernels.run(["6.16", "6.17", "6.18"], run_one, self.folder)
        page = (self.folder / "kernels.html").read_text()
        self.assertIs(code, Exit.FAILED)
        self.assertIn("6.18.9", page)
        self.assertIn("not run: does not build", page)


if __name__ == "__main__":
    unittest.main()
