# SPDX-License-Identifier: GPL-2.0-only
"""scripts/new-test: what it writes compiles, and CONTRIBUTING shows the same case."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = "tools/testing/selftests/kvm/x86_64/tdx"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


class NewTestTest(unittest.TestCase):
    def setUp(self) -> None:
        self.tree = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.tree / "scripts").mkdir()
        (self.tree / TESTS).mkdir(parents=True)
        for name in ("new-test", "new-test.c.in"):
            shutil.copy(ROOT / "scripts" / name, self.tree / "scripts")

    def new_test(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.tree / "scripts/new-test", *arguments], text=True,
                              capture_output=True, check=False)

    def test_compiles(self) -> None:
        done = self.new_test("map_hugetlb")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--tests 'map_hugetlb_test:*'", done.stdout)
        source = self.tree / TESTS / "map_hugetlb_test.c"
        self.assertNotIn("@", re.sub(r"/\*.*?\*/", "", source.read_text(), flags=re.DOTALL))
        subprocess.run(["gcc", *FLAGS, f"-I{ROOT / 'include'}", source], check=True)

    def test_nothing_is_overwritten(self) -> None:
        self.new_test("mine")
        source = self.tree / TESTS / "mine_test.c"
        source.write_text("mine\n")
        done = self.new_test("mine")
        self.assertEqual((done.returncode, source.read_text()), (1, "mine\n"))
        self.assertIn("there is a", done.stderr)

    def test_wrong_names(self) -> None:
        for arguments in ((), ("",), ("../x",), ("Map",), ("a", "b")):
            with self.subTest(arguments):
                done = self.new_test(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage:", done.stderr)
        self.assertEqual(list((self.tree / TESTS).iterdir()), [])

    def test_contributing(self) -> None:
        """CONTRIBUTING.md's example is the template's case without its comments."""
        def code(text: str) -> list[str]:
            text = re.sub(r"/\*.*?\*/", "", text)
            return [" ".join(line.split()) for line in text.splitlines() if line.strip()]

        shown = re.search(r"^    CASE\(dontneed.*?^    \}$", (ROOT / "CONTRIBUTING.md").read_text(),
                          re.DOTALL | re.MULTILINE)
        template = re.search(r"^CASE\(dontneed.*?^\}$", (ROOT / "scripts/new-test.c.in").read_text(),
                             re.DOTALL | re.MULTILINE)
        assert shown and template
        self.assertEqual(code(shown[0]), code(template[0]))


if __name__ == "__main__":
    unittest.main()
