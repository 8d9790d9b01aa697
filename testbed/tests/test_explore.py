# SPDX-License-Identifier: GPL-2.0-only
"""What --explore asks for."""

from __future__ import annotations

import shlex
import tempfile
import unittest
from pathlib import Path

from reports import again
from reports.model import Case, Run, Status, Test
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
        self.assertEqual(self.request("--explore", "--seed", "7"), "7 500 4 0")
        self.assertEqual(self.request("--explore", "30", "--seed", "7", "--points", "2", "--trace"),
                         "7 30 2 1")
        self.assertEqual(self.request("--explore", "5m", "--seed", "0", "--points", "fixed"),
                         "0 100 -1 0")

    def test_wrong(self) -> None:
        for amount in ("0", "10s", "x", "m", "-3"):
            with self.assertRaises(UsageError):
                explore.parse(amount, None, 0)
        with self.assertRaisesRegex(UsageError, "--no-fork"):
            options("--explore", "--no-fork")
        with self.assertRaises(UsageError):
            explore.parse("3", "some", 0)

    def test_the_machine_is_the_same_for_all_seeds(self) -> None:
        one, two = options("--explore", "--seed", "1"), options("--explore", "--seed", "2")
        self.assertEqual(one.seed, two.seed)
        self.assertEqual((one.on, one.fork), ("bochs", True))

    def test_rounds_continue_the_seeds(self) -> None:
        chosen = options("--explore", "10m", "--seed", "100").of_run(3)
        assert chosen.explore is not None
        self.assertEqual((chosen.explore.first, chosen.explore.minutes), (400, 10))
        self.assertEqual(options("--seed", "5").of_run(3).seed, 8)

    def test_seeds_continue_where_the_last_run_ended(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            firsts = []
            for _ in range(2):
                for number in range(2):
                    chosen = options("--explore", "1m", "--out", f"{name}/new").of_run(number)
                    assert chosen.explore is not None
                    firsts.append(chosen.explore.first)
            self.assertEqual(firsts, [1, 101, 201, 301])
            (Path(name) / "new" / explore.NEXT_SEED).write_text("many\n")
            with self.assertRaisesRegex(UsageError, "'many' is no seed"):
                options("--explore", "1m", "--out", f"{name}/new").of_run(0)

    def test_a_profile_explores_all_races(self) -> None:
        chosen = options("--tests", "a_test", "--seed", "7").for_races(5)
        self.assertEqual((chosen.on, chosen.seed, chosen.patterns),
                         ("bochs", explore.MACHINE_SEED, (Pattern("explore*_test", None),)))
        assert chosen.explore is not None
        self.assertEqual((chosen.explore.minutes, chosen.explore.continues), (5, True))

    def test_races(self) -> None:
        self.assertEqual(options("--explore").patterns, (Pattern("explore*_test", None),))
        self.assertEqual(options("--explore", "--race", "slot", "--race", "a_test:punch.tdx").patterns,
                         (Pattern("explore*_test", "slot*"), Pattern("a_test", "punch.tdx")))

    def test_a_race_is_called_alike_whatever_is_asked_for(self) -> None:
        ways = (["3", "--seed", "9"], ["500"], ["1", "--race", "b", "--points", "2", "--verbose",
                                                 "--trace", "--nightly"])
        called = {tuple(options("--explore", *way).race_arguments("tdx", "b.tdx")) for way in ways}
        self.assertEqual(called, {("--seed", "0x1", "--boot", "tdx", "--explore", "--case", "b.tdx")})

    def test_the_command_that_repeats_a_schedule(self) -> None:
        chosen = options("--explore", "--seed", "9", "--points", "2", "--kernel", "7.2")
        run = Run(environment={"again": chosen.again(), "seed": "0x1"})
        case = Case("b.tdx", Status.FAIL, measurements={"seed": 12})
        command = shlex.split(again.command(run, Test("explore_td_test"), case))
        self.assertEqual(command[0], "./run_tests.sh")
        repeated = options(*command[1:])
        assert repeated.explore is not None
        self.assertEqual(repeated.explore.request, "12 1 2 0")
        self.assertEqual(repeated.patterns, (Pattern("explore_td_test", "b.tdx"),))
        self.assertEqual(repeated.kernel, "7.2")

    def test_the_command_that_repeats_a_case(self) -> None:
        """The same plan for a fork of the machine."""
        for given in (["--nightly"], ["--tests", "a*:x*", "--tests", "a_test:y", "--tests", "b_test"],
                      ["--tests", "a_test", "--module", "2.0", "--fail-fast"]):
            chosen = cli.options(cli.parser().parse_args(["--repeat", "1", "--seed", "7", *given]))
            run = Run(environment={"again": chosen.again(), "seed": "0x7"})
            case = Case("x.tdx", Status.FAIL, boot="tdx")
            command = shlex.split(again.command(run, Test("a_test"), case))
            repeated = options(*command[1:])
            for boot in ("tdx", "tdx_ept4"):
                self.assertEqual(chosen.test_arguments("a_test", boot),
                                 repeated.test_arguments("a_test", boot))
            self.assertEqual((repeated.on, repeated.module), ("bochs", chosen.module))


if __name__ == "__main__":
    unittest.main()
