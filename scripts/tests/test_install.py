# SPDX-License-Identifier: GPL-2.0-only
"""The suite in a kernel tree, and out of it again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

INSTALL = Path(__file__).parent.parent / "install"
TARGETS = "TARGETS += ipc\nTARGETS += kvm\nTARGETS += lib\n"


class InstallTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        self.selftests = self.tree / "tools/testing/selftests"
        (self.selftests / "kvm/x86").mkdir(parents=True)
        (self.selftests / "lib.mk").touch()
        (self.selftests / "Makefile").write_text(TARGETS)
        self.version(7, 2)

    def version(self, version: int, patchlevel: int) -> None:
        (self.tree / "Makefile").write_text(f"VERSION = {version}\nPATCHLEVEL = {patchlevel}\n")

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, INSTALL, *arguments, self.tree],
                              capture_output=True, text=True, check=False)

    def complaint(self) -> str:
        done = self.install()
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_in_and_out(self) -> None:
        self.assertEqual(self.install().returncode, 0)
        ours = self.selftests / "kvm/x86/tdx"
        self.assertTrue((ours / "map_retry_test.c").is_file())
        self.assertTrue((ours / "include/testcase.h").is_file())
        self.assertFalse((ours / "lib/tests").exists())
        text = (self.selftests / "Makefile").read_text()
        self.assertIn("TARGETS += kvm\nTARGETS += kvm/x86/tdx\n", text)

        self.assertEqual(self.install().returncode, 0)      # again: an update
        self.assertEqual((self.selftests / "Makefile").read_text(), text)

        self.assertEqual(self.install("--uninstall").returncode, 0)
        self.assertEqual((self.selftests / "Makefile").read_text(), TARGETS)
        self.assertFalse(ours.exists())

    def test_older_tree(self) -> None:
        (self.selftests / "kvm/x86").rename(self.selftests / "kvm/x86_64")
        self.assertEqual(self.install().returncode, 0)
        self.assertTrue((self.selftests / "kvm/x86_64/tdx/config").is_file())

    def test_files_that_the_tree_lets_pass(self) -> None:
        """tools/testing/selftests/kvm/.gitignore knows these kinds only."""
        self.install()
        for path in (self.selftests / "kvm/x86/tdx").rglob("*"):
            if path.is_file():
                self.assertTrue(path.suffix in (".c", ".h", ".S", ".sh")
                                or path.name in ("config", "settings", "Makefile"), path)

    def test_too_old(self) -> None:
        self.version(6, 12)
        self.assertIn("6.12", self.complaint())

    def test_no_tree(self) -> None:
        (self.tree / "Makefile").unlink()
        self.assertIn("is not a kernel tree", self.complaint())

    def test_a_folder_of_somebody_else(self) -> None:
        (self.selftests / "kvm/x86/tdx").mkdir()
        self.assertIn("not of this suite", self.complaint())


if __name__ == "__main__":
    unittest.main()
