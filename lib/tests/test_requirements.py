# SPDX-License-Identifier: GPL-2.0-only
"""Requirements of a certificate against what the cases declare to need.

A requirement that no host of its place can show would make each certificate
INCOMPLETE, whatever the kernel does. Reads the programs of the folder BUILD.
"""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from reports import certify
from reports.places import Declared, Place, of_description, of_programs, place

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / os.environ.get("BUILD", "build") / "tests"
# These are not about the kernel.
HARNESS = ("harness_test", "neighbour_test", "private_memory_test")


def taken(requirement: certify.Requirement, declared: list[Declared]) -> list[Declared]:
    return [case for case in declared if requirement.names(case.full_name)]


class RequirementsTest(unittest.TestCase):
    declared: list[Declared]

    @classmethod
    def setUpClass(cls) -> None:
        cls.declared = of_programs(PROGRAMS)

    def wrong(self, requirement: certify.Requirement) -> list[str]:
        """Cases that cannot run where the requirement says."""
        allowed = certify.PLACES_OF[requirement.where]
        return [f"{requirement.id} ({requirement.where}): {case.full_name} runs {case.place.value}"
                for case in taken(requirement, self.declared) if case.place not in allowed]

    def test_each_can_be_shown_where_it_says(self) -> None:
        self.assertEqual([line for one in certify.requirements() for line in self.wrong(one)], [])

    def test_a_requirement_that_cannot_be_shown_is_found(self) -> None:
        for glob, where in (("td_error_test:*", "hardware"), ("prefault_args_test:legacy_*", "hardware"),
                            ("gmem_test:*.sw_protected", "hardware"), ("sept_state_test:tables.tdx", "hardware"),
                            ("td_run_test:cpu_goes_offline.tdx", "hardware"), ("td_error_test:*", "kmod")):
            with self.subTest(glob):
                one = certify.Requirement("Z1", "", where, (glob,))
                self.assertTrue(taken(one, self.declared))
                self.assertEqual(len(self.wrong(one)), len(taken(one, self.declared)))

    def test_each_glob_names_a_case(self) -> None:
        for one in certify.requirements():
            for glob in (*one.cases, *one.without):
                alone = certify.Requirement(one.id, "", one.where, (glob,))
                self.assertTrue(taken(alone, self.declared), f"{one.id}: {glob}")

    def test_each_case_is_in_one(self) -> None:
        every = certify.requirements()
        self.assertEqual([case.full_name for case in self.declared if case.test not in HARNESS
                          and not any(one.names(case.full_name) for one in every)], [])

    def test_tds_run_on_hardware(self) -> None:
        """A certificate of hardware is mainly about Trust Domains."""
        mandatory = [one for one in certify.requirements() if one.mandatory]
        shown = {case.full_name for one in mandatory for case in taken(one, self.declared)}
        for program in ("td_run_test", "td_accept_test", "td_measure_test", "td_conversion_run_test"):
            self.assertGreater(len([name for name in shown if name.startswith(program)]), 5, program)


class PlaceTest(unittest.TestCase):
    def test_the_strongest_need_decides(self) -> None:
        cases: tuple[tuple[list[str], str, Place], ...] = (
                ([], "tdx", Place.STOCK), (["2 CPUs", "userfaultfd"], "default", Place.STOCK),
                (["host tdx", "Secure EPT if there", "softtdx if there"], "tdx", Place.STOCK),
                (["2 hugetlb pages of 2M"], "default", Place.HUGETLB),
                (["host tdx", "Secure EPT"], "tdx", Place.VIEW),
                (["Secure EPT", "host-wide: takes CPU 1 offline"], "tdx", Place.HOST_WIDE),
                (["hold", "2 hugetlb pages of 2M"], "default", Place.BPF),
                (["Secure EPT", "hold"], "tdx", Place.VIEW),
                (["Secure EPT", "hold by module"], "tdx", Place.HOLD),
                (["hold"], "sw_protected", Place.OWN_KERNEL),
                (["fail-nth", "host-wide: allocations fail"], "default", Place.FAULTS),
                (["fail-nth"], "sw_protected", Place.OWN_KERNEL),
                (["host tdp_mmu_off"], "default", Place.OTHER_BOOT),
                (["host tdx_errors"], "tdx", Place.EMULATED),
                (["hold", "softtdx"], "tdx", Place.EMULATED))
        for needs, vm_type, expected in cases:
            with self.subTest(needs, vm_type=vm_type):
                self.assertIs(place(needs, vm_type), expected)

    def test_names_are_those_of_results(self) -> None:
        told = ('{"test": "a_test", "cases": [{"name": "x", "vm_types": ["default", "tdx"], "needs": []},'
                '{"name": "y", "vm_types": [], "needs": []}]}')
        self.assertEqual([(case.full_name, case.is_td) for case in of_description(told)],
                         [("a_test:x.default", False), ("a_test:x.tdx", True), ("a_test:y", False)])


if __name__ == "__main__":
    unittest.main()
