# SPDX-License-Identifier: GPL-2.0-only
"""What tdx_host_check says a missing thing costs, and what the test programs declare.

It counts for itself, in C: a host may have no Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / os.environ.get("BUILD", "build") / "tests"


def told(*options: str) -> str:
    done = subprocess.run([PROGRAMS / "tdx_host_check", *options], text=True, capture_output=True,
                          check=False)
    assert done.returncode in (0, 4), done.stderr
    return done.stdout


class Costs(unittest.TestCase):
    cases: list[tuple[str, dict[str, Any]]]     # VM type, declaration
    costs: dict[str, dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.cases = []
        for program in sorted(PROGRAMS.glob("*_test")):
            output = subprocess.run([program, "--describe"], check=True, capture_output=True).stdout
            for case in json.loads(output)["cases"]:
                cls.cases += [(vm_type, case) for vm_type in case["vm_types"] or [""]]
        cls.costs = {one["name"]: one for one in json.loads(told("--json")) if "cases" in one}

    def needing(self, need: str) -> int:
        return sum(need in case["needs"] for _, case in self.cases)

    def test_every_case_is_counted(self) -> None:
        self.assertEqual({one["cases"] for one in self.costs.values()}, {len(self.cases)})

    def test_what_no_machine_of_the_developers_has(self) -> None:
        self.assertEqual(self.costs["the software TDX module"]["skipped"], self.needing("softtdx"))
        wide = sum(any(need.startswith("host-wide: ") for need in case["needs"])
                   for _, case in self.cases)
        self.assertEqual(self.costs["--allow-host-wide"]["skipped"], wide)

    def test_modules(self) -> None:
        view, hold = self.costs["kmod/tdx_view"], self.costs["kmod/kvm_hold"]
        if view["found"] != "loaded":
            self.assertEqual(view["skipped"], self.needing("Secure EPT"))
            self.assertEqual(view["weaker"], self.needing("Secure EPT if there"))
            self.assertGreater(view["weaker"], 0)
        if hold["found"] != "loaded":
            self.assertEqual(hold["skipped"], self.needing("hold by module"))
            self.assertIn(self.costs["holds by BPF or kmod/kvm_hold"]["skipped"], (0, self.needing("hold")))

    def test_vm_types(self) -> None:
        if self.costs["TDs"]["found"] != "there":
            self.assertEqual(self.costs["TDs"]["skipped"],
                             sum(vm_type == "tdx" for vm_type, _ in self.cases))

    def test_numbers(self) -> None:
        """Cases that want more than there are: the others run."""
        have = int(self.costs["free hugetlb pages of 2M"]["found"])
        more = sum(any(need.endswith(" hugetlb pages of 2M") and int(need.split()[0]) > have
                       for need in case["needs"]) for _, case in self.cases)
        self.assertEqual(self.costs["free hugetlb pages of 2M"]["skipped"], more)

    def test_words(self) -> None:
        softtdx = self.costs["the software TDX module"]
        self.assertIn(f"costs    the software TDX module: {softtdx['found']}; "
                      f"{softtdx['skipped']} of {softtdx['cases']} cases skip\n", told())


if __name__ == "__main__":
    unittest.main()
