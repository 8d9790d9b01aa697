# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from checks import suite
from checks.suite import Declared
from reports.model import Case, Run, Status, Test

DECLARED = [Declared("a_test", "one", xfail="W4"), Declared("a_test", "one_more"),
            Declared("b_test", "finalize_without_vcpu", expects_splat=True)]
INITIALIZED = "[ 1.0] virt/tdx: TDX-Module initialized\n"


class ComplaintsTest(unittest.TestCase):
    def complaints(self, *cases: Case, planned: tuple[str, ...] = ()) -> list[str]:
        run = Run(tests=[Test("a_test", cases=list(cases))])
        return list(suite.complaints(run, planned, DECLARED))

    def test_as_declared(self) -> None:
        self.assertEqual(self.complaints(
            Case("one.tdx", Status.XFAIL, "W4: it warns"), Case("one.default"), Case("one_more"),
            planned=("a_test:one.tdx", "a_test:one.default")), [])

    def test_an_issue_that_another_case_declares(self) -> None:
        self.assertEqual(self.complaints(Case("one_more", Status.XFAIL, "W4: it warns")),
                         ["a_test:one_more: xfail, not declared: W4: it warns"])

    def test_unexpected_pass(self) -> None:
        (complaint,) = self.complaints(Case("one.tdx", Status.PASS, "known issue W4 did not show"))
        self.assertIn("one.tdx: passed unexpectedly: known issue W4", complaint)

    def test_what_did_not_pass(self) -> None:
        self.assertEqual(self.complaints(
            Case("one.tdx", Status.SKIP, "no TDX"), Case("one_more", Status.FAIL, "x", expected="1", seen="2")),
            ["a_test:one.tdx: skip: no TDX", "a_test:one_more: fail: x: expected 1, got 2"])

    def test_what_did_not_run(self) -> None:
        self.assertEqual(self.complaints(Case("one_more"), planned=("a_test:one.tdx", "b_test:x")),
                         ["a_test:one.tdx: did not run", "b_test:x: did not run"])


class HostTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def complaints(self, **logs: str) -> list[str]:
        for name, text in logs.items():
            (self.folder / f"dmesg.{name}.txt").write_text(text)
        return list(suite.host_complaints(self.folder, DECLARED))

    def test_warnings(self) -> None:
        expected = "[ 2.0] WARNING: CPU: 0 PID: 7 Comm: finalize_withou\n"
        other = "[ 2.0] WARNING: CPU: 0 PID: 7 Comm: other\n"
        self.assertEqual(self.complaints(tdx=INITIALIZED + expected, tdx_errors=INITIALIZED + other), [])
        self.assertEqual(self.complaints(tdx=INITIALIZED + other), [f"dmesg.tdx.txt: {other.strip()}"])

    def test_no_module(self) -> None:
        self.assertEqual(self.complaints(), ["no TDX host was booted"])
        self.assertEqual(self.complaints(tdx="[ 1.0] Linux\n"),
                         ["dmesg.tdx.txt: no \"virt/tdx: TDX-Module initialized\""])


if __name__ == "__main__":
    unittest.main()
