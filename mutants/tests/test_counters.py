# SPDX-License-Identifier: GPL-2.0-only
"""What is made of gcov's counters, for a file of a few lines."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

from mutants import counters, executed, unreached
from mutants.unreached import Argument

FILE = "virt/kvm/guest_memfd.c"
TEXT = """\
#define WARN_ON(condition) (condition)
int kvm_gmem_first(int value)
{
	if (WARN_ON(value > 100))
		return 3;
	if (value > 1)
		return 2;
	return 1;
}
int kvm_gmem_second(int value) { return value; }
int main(int argc, char **argv) { return kvm_gmem_first(argc) == 3 || !argv; }
"""


class CountersTest(unittest.TestCase):
    """A program in place of the kernel: the same compiler, the same tools."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source, self.tree, self.work = (Path(folder.name, name) for name in ("s", "t", "w"))
        for path in ((self.source / FILE).parent, (self.tree / FILE).parent, self.work):
            path.mkdir(parents=True)
        (self.source / FILE).write_text(TEXT)
        made = (self.tree / FILE).with_suffix(".o")
        subprocess.run(["gcc", "--coverage", "-fno-early-inlining", "-c", self.source / FILE, "-o", made],
                       check=True)
        subprocess.run(["gcc", "--coverage", made, "-o", self.tree / "program"], check=True)

    def archive(self, *arguments: str) -> Path:
        """The counters of one run, as the first process of an emulated host packs them."""
        subprocess.run([self.tree / "program", *arguments], check=False)
        path = Path(tempfile.mkstemp(suffix=".tgz", dir=self.source)[1])
        subprocess.run(["tar", "-czf", path, "-C", "/",
                        str((self.tree / FILE).with_suffix(".gcda")).lstrip("/")], check=True)
        (self.tree / FILE).with_suffix(".gcda").unlink()
        return path

    def read(self, *archives: Path) -> dict[str, counters.Function]:
        with patch.object(counters, "SCOPE", {FILE: ".*"}):
            return {one.name: one for one in counters.read(archives, self.tree, self.source, self.work)
                    if one.name != "main"}

    def test_one_run(self) -> None:
        first = self.read(self.archive())["kvm_gmem_first"]
        self.assertEqual(first.lines, {2: 1, 4: 1, 5: 0, 6: 1, 7: 0, 8: 1})
        self.assertEqual(list(first.branches), [6])     # none of the assertion
        self.assertEqual(sorted(first.branches[6]), [0, 1])

    def test_runs_add(self) -> None:
        found = self.read(self.archive(), self.archive("more"), self.archive("even", "more"))
        self.assertEqual(found["kvm_gmem_first"].lines[7], 2)
        self.assertEqual(sorted(found["kvm_gmem_first"].branches[6]), [1, 2])
        self.assertEqual(found["kvm_gmem_second"].count, 0)

    def test_missed_and_argued(self) -> None:
        found = list(self.read(self.archive()).values())
        argument = Argument("kvm_gmem_second", "dead", "nothing calls it")
        text = [Argument("kvm_gmem_first", "to write", "a case", ("return 2;",))]
        lines = list(unreached.missed(found, self.source, [argument, *text]))
        self.assertEqual([(line.number, line.argument and line.argument.word) for line in lines],
                         [(5, None), (6, None), (7, "to write"), (10, "dead")])
        self.assertEqual((lines[1].executed, lines[1].missing), (True, 1))
        self.assertIn("lines 4 of 6", executed.reachable(found, lines))

    def test_what_only_others_execute(self) -> None:
        suite = list(self.read(self.archive()).values())
        self.work = self.source / "own"
        self.work.mkdir()
        own = list(self.read(self.archive("more")).values())
        lines = list(unreached.missed(suite, self.source, []))
        self.assertEqual(executed.only_own(own, lines),
                         [f"- {FILE}:7 kvm_gmem_first() `return 2;`"])

    def test_stale(self) -> None:
        found = list(self.read(self.archive()).values())
        gone = Argument("kvm_gmem_first", "dead", "", ("return 9;",))
        self.assertEqual(len(list(unreached.stale(found, list(
            unreached.missed(found, self.source, [gone])), [gone]))), 1)

    def test_tracefile(self) -> None:
        text = counters.tracefile(self.read(self.archive()).values(), self.source)
        for line in ("FNDA:1,kvm_gmem_first", "DA:7,0", "BRDA:6,0,0,0", "BRDA:6,0,1,1", f"SF:{self.source / FILE}"):
            self.assertIn(line + "\n", text)


class UnreachedTest(unittest.TestCase):
    def test_file_is_valid(self) -> None:
        for argument in unreached.load():
            self.assertTrue(argument.why, argument.function)


if __name__ == "__main__":
    unittest.main()
