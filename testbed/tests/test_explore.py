# SPDX-License-Identifier: GPL-2.0-only
"""What --explore asks for."""

from __future__ import annotations

import unittest

from testbed import cli, explore
from testbed.errors import UsageError
from testbed.options import Options
from testbed.plan import Pattern


def options(*arguments: str) -> Options:
    return cli.options(cli.parser().parse_args(["--on", "bochs", "--repeat", "1", *arguments]))


class ExploreTest(unittest.TestCase):
    def request(self, *arguments: str) -> str:
        chosen = options(*arguments)
        assert chosen.explore is not None
        return chosen.explore.request

    def test_requests(self) -> None:
        self.assertEqual(self.request("--explore", "--seed", "7"), "7:500:4")
        self.assertEqual(self.request("--explore", "30", "--seed", "7", "--points", "2"), "7:30:2")
        self.assertEqual(self.request("--explore", "5m", "--seed", "0", "--points", "fixed"),
                         "0:200:0:fixed")

    def test_wrong(self) -> None:
        for amount in ("0", "10s", "x", "m", "-3"):
            with self.assertRaises(UsageError):
                explore.parse(amount, None, 0)
        with self.assertRaises(UsageError):
            explore.parse("3", "some", 0)

    def test_the_machine_is_the_same_for_all_seeds(self) -> None:
        one, two = options("--explore", "--seed", "1"), options("--explore", "--seed", "2")
        self.assertEqual(one.seed, two.seed)
        self.assertEqual((one.on, one.fork), ("bochs", True))

    def test_rounds_continue_the_seeds(self) -> None:
        chosen = options("--explore", "10m", "--seed", "100").of_run(3)
        assert chosen.explore is not None
        self.assertEqual((chosen.explore.first, chosen.explore.minutes), (700, 10))
        self.assertEqual(options("--seed", "5").of_run(3).seed, 8)

    def test_races(self) -> None:
        self.assertEqual(options("--explore").patterns, (Pattern("explore*_test", None),))
        self.assertEqual(options("--explore", "--race", "slot", "--race", "punch.tdx").patterns,
                         (Pattern("explore*_test", "slot*"), Pattern("explore*_test", "punch.tdx*")))

    def test_tests_are_told(self) -> None:
        arguments = options("--explore", "3", "--seed", "9").test_arguments("explore_test", "default")
        self.assertEqual(arguments[-2:], ["--explore", "9:3:4"])


if __name__ == "__main__":
    unittest.main()
