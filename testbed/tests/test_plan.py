# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
import unittest

from testbed.boots import BOOTS
from testbed.errors import HarnessError, UsageError
from testbed.make.programs import ROOT
from testbed.plan import (
    Case, Pattern, boots, case_globs, forks_apart, parse_list, parse_shard, planned, select,
)

LIST = """\
map_level_test:anon_4k.default\tdefault\t-\t20\t4K pages
map_level_test:legacy\ttdp_mmu_off\t-\t20\tthe legacy MMU
map_level_test:nx\tdefault\thost-wide\t30\tsplit for NX\twith a tab
map_pfn_test:anon\tdefault\t-\t20.5\tpfn
"""


def patterns(*texts: str) -> list[Pattern]:
    return [Pattern.parse(text) for text in texts]


class PlanTest(unittest.TestCase):
    def setUp(self) -> None:
        self.cases = parse_list(LIST)

    def names(self, *texts: str) -> list[str]:
        return [case.name for case in select(self.cases, patterns(*texts))]

    def test_list(self) -> None:
        case = self.cases[2]
        self.assertEqual((case.test, case.name, case.boot), ("map_level_test", "nx", "default"))
        self.assertEqual((case.flags, case.limit), ("host-wide", 30))
        self.assertEqual(case.summary, "split for NX\twith a tab")

    def test_bad_list(self) -> None:
        for line in ("Segmentation fault", "t:c\tdefault\t-\tlong\tx", "t\tdefault\t-\t1\tx"):
            with self.assertRaises(HarnessError):
                parse_list(line)

    def test_unknown_boot(self) -> None:
        with self.assertRaisesRegex(HarnessError, "cpus3"):
            parse_list("t:c\tcpus3\t-\t1\tx")

    def test_boots_are_those_of_the_tests(self) -> None:
        names = {name for path in (ROOT / "lib").rglob("*.c")
                 for name in re.findall(r'\[BOOT_\w+\]\s*=\s*"(\w+)"', path.read_text())}
        self.assertEqual(names, set(BOOTS))

    def test_a_fork_for_each_case(self) -> None:
        found = forks_apart(self.cases[:2])
        self.assertEqual([(one.name, one.boot, one.part, one.forked) for one in found], [
            ("default.map_level_test.anon_4k.default", "default", "anon_4k.default", True),
            ("tdp_mmu_off.map_level_test.legacy", "tdp_mmu_off", "legacy", True)])
        self.assertEqual([one.tests for one in found],
                         [{"map_level_test": [case]} for case in self.cases[:2]])

    def test_shard(self) -> None:
        self.assertEqual(parse_shard("2/3"), (2, 3))
        for text in ("0/2", "3/2", "1", "a/b"):
            with self.assertRaises(UsageError):
                parse_shard(text)

    def test_select(self) -> None:
        self.assertEqual(len(self.names()), 4)
        self.assertEqual(self.names("map_pfn_test"), ["anon"])
        self.assertEqual(self.names("*:anon*"), ["anon_4k.default", "anon"])
        self.assertEqual(self.names("map_pfn_test", "*:nx"), ["nx", "anon"])

    def test_select_nothing(self) -> None:
        for text in ("nope", "map_pfn_test:nx"):
            with self.assertRaisesRegex(UsageError, text):
                self.names("*", text)

    def test_what_was_meant(self) -> None:
        """A program that exists is not left for another one's case."""
        for text, told in (("map_pfn_test:anom", "nearest: map_pfn_test:anon$"),
                           ("map_pfn_tests", "nearest: map_pfn_test"),
                           ("map_pfn:anon", "nearest: map_pfn_test:anon"),
                           ("qqq", r"there is\)$")):
            with self.assertRaisesRegex(UsageError, told):
                self.names("*", text)

    def test_bad_pattern(self) -> None:
        for text in ("", "a b"):
            with self.assertRaises(UsageError):
                Pattern.parse(text)

    def test_case_globs(self) -> None:
        self.assertEqual(case_globs("a", patterns("a:x*", "b:y", "*:z")), ["x*", "z"])
        self.assertEqual(case_globs("a", patterns("a:x", "a")), [])
        self.assertEqual(case_globs("a", []), [])

    def test_only_the_boots_that_are_asked_for(self) -> None:
        default, legacy = boots(self.cases)
        self.assertEqual((default.name, default.boot), ("default", "default"))
        self.assertEqual(sorted(default.tests), ["map_level_test", "map_pfn_test"])
        self.assertEqual([case.name for case in legacy.tests["map_level_test"]], ["legacy"])
        [only] = boots(select(self.cases, patterns("*:legacy")))
        self.assertEqual(only.boot, "tdp_mmu_off")

    def test_forks(self) -> None:
        """One for each test in each boot, many cases first, behind the boots."""
        cases = [*self.cases, *(Case("td_test", str(n), "tdx", "-", 10, "") for n in range(2)),
                 *(Case("td_other_test", str(n), "tdx", "-", 10, "") for n in range(3)),
                 Case("td_test", "x", "tdx_errors", "-", 10, "")]
        found = planned(cases, lambda boot: boot.startswith("tdx"))
        self.assertEqual([boot.name for boot in found if not boot.forked],
                         [boot.name for boot in boots(self.cases)])
        self.assertEqual([boot.name for boot in found][-3:],
                         ["tdx.td_other_test", "tdx.td_test", "tdx_errors.td_test"])
        self.assertEqual([list(boot.tests) for boot in found[-3:]],
                         [["td_other_test"], ["td_test"], ["td_test"]])

    def test_many_cases_are_split(self) -> None:
        cases = [Case(f"{test}_test", str(number), "default", "-", 10, "")
                 for test, count in (("a", 50), ("b", 30), ("c", 25)) for number in range(count)]
        one, two = boots(cases, most=2)
        self.assertEqual((one.name, two.name), ("default", "default-2"))
        self.assertEqual((list(one.tests), list(two.tests)), (["a_test"], ["b_test", "c_test"]))
        self.assertEqual(two.boot, "default")

    def test_few_cases_are_not_split(self) -> None:
        self.assertEqual(len(boots(self.cases, most=4)), len(boots(self.cases)))
