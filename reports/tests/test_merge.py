# SPDX-License-Identifier: GPL-2.0-only
"""Parts of a run from several machines, made one."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from reports import merge
from reports.load import load, write_plan
from reports.model import Boot, Exit, Outcome, Planned, Run, Status
from reports.read import ResultsError


class MergeTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.base = Path(temporary.name)

    def part(self, name: str, test: str, result: str = "ok 1 a", outcome: Outcome = Outcome.OK,
             **environment: str) -> Path:
        folder = self.base / name
        (folder / "ktap").mkdir(parents=True)
        (folder / "ktap" / f"{test}.tdx.ktap").write_text(f"KTAP version 1\n1..1\n# run a\n{result}\n")
        (folder / "console.tdx.log").write_text(name)
        (folder / "dmesg.tdx.txt").write_text(name)
        status = 0 if result.startswith("ok") else 1
        write_plan(folder, [Boot("tdx", "bochs", outcome, "said so", 1.5, "console.tdx.log",
                                 [Planned(test, ["a"], status)])])
        values = {"suite": "abc", "kernel": "7.2", "seed": "0x1"} | environment
        (folder / "environment.json").write_text(json.dumps(values))
        return folder

    def merged(self, *parts: Path) -> Run:
        merge.merge(parts, self.base / "out")
        return load(self.base / "out")

    def test_whole(self) -> None:
        run = self.merged(self.part("1", "one_test", shard="1/2"),
                          self.part("2", "two_test", "not ok 1 a", shard="2/2", seed="0x2"))
        self.assertEqual([(test.name, case.label, case.status) for test, case in run.cases()],
                         [("one_test", "a [tdx]", Status.PASS), ("two_test", "a [tdx]", Status.FAIL)])
        self.assertEqual((run.problems, run.exit_code), ([], Exit.FAILED))
        self.assertEqual(run.environment, {"suite": "abc", "kernel": "7.2",
                                           "seed": "shard 1/2: 0x1; shard 2/2: 0x2"})

    def test_consoles_of_one_name(self) -> None:
        run = self.merged(self.part("1", "one_test"), self.part("2", "two_test"))
        self.assertEqual([(self.base / "out" / boot.console).read_text() for boot in run.boots],
                         ["1", "2"])
        self.assertEqual((self.base / "out/dmesg.tdx.part2.txt").read_text(), "2")

    def test_cases_that_ran_apart(self) -> None:
        """The same program in both parts, for other cases."""
        folders = []
        for name in ("a", "b"):
            folder = self.part(name, "one_test", f"ok 1 {name}")
            old = folder / "ktap/one_test.tdx.ktap"
            old.rename(folder / f"ktap/one_test.tdx.{name}.ktap")
            write_plan(folder, [Boot("tdx", "bochs", Outcome.OK, part=name,
                                     tests=[Planned("one_test", [name], 0)])])
            folders.append(folder)
        run = self.merged(*folders)
        self.assertEqual([case.label for _, case in run.cases()], ["a [tdx]", "b [tdx]"])
        self.assertEqual(run.problems, [])

    def test_a_shard_is_missing(self) -> None:
        run = self.merged(self.part("1", "one_test", shard="1/3"), self.part("3", "two_test", shard="3/3"))
        self.assertEqual(run.problems, ["boot shard 2/3: could not be booted: it has no results"])
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_a_part_whose_kernel_died(self) -> None:
        run = self.merged(self.part("1", "one_test", shard="1/2"),
                          self.part("2", "two_test", outcome=Outcome.PANIC, shard="2/2"))
        self.assertEqual(len(run.deaths), 1)

    def refuse(self, why: str, *parts: Path) -> None:
        with self.assertRaisesRegex(ResultsError, why):
            self.merged(*parts)
        self.assertFalse((self.base / "out").exists())

    def test_no_parts_of_one_run(self) -> None:
        self.refuse("both 1 and 2 ran one_test.tdx", self.part("1", "one_test"), self.part("2", "one_test"))
        self.refuse("kernel is 7.2 and 7.3", self.part("3", "one_test"), self.part("4", "two_test", kernel="7.3"))
        self.refuse("shard 1/2 is there twice", self.part("5", "one_test", shard="1/2"),
                    self.part("6", "two_test", shard="1/2"))
        self.refuse("differ in N", self.part("7", "one_test", shard="1/2"),
                    self.part("8", "two_test", shard="2/3"))
        self.refuse("no results folder", self.base)

    def test_what_exists_is_not_overwritten(self) -> None:
        (self.base / "out").mkdir()
        with self.assertRaisesRegex(ResultsError, "exists"):
            self.merged(self.part("1", "one_test"))


if __name__ == "__main__":
    unittest.main()
