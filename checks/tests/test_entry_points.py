# SPDX-License-Identifier: GPL-2.0-only
"""What a user can start, on a machine that has Python and a shell, and nothing else.

Each either does its work or says in a sentence what to install, with exit status 3.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "reports/tests/sample/20260101T120000Z"
BASIC = ("cat", "dirname", "echo", "env", "id", "make", "mkdir", "printf", "python3", "readlink",
         "rm", "sed", "sh")
# sitecustomize.py, which Python imports before anything else.
ONLY_STANDARD = """\
import sys
sys.path[:] = [path for path in sys.path if not path.endswith(("dist-packages", "site-packages"))]
"""
MISSING = 3             # exit status, with an apt-get line
MAKE_FAILED = 2         # make's own


def modules() -> list[str]:
    """The modules that python3 -m can start."""
    found = []
    for package in ("checks", "mutants", "reports", "testbed"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if ('if __name__ == "__main__"' in path.read_text() and path.stem != "__main__"
                    and path.parent.name != "tests"):
                found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return ["reports", "testbed", *found]


def programs() -> list[Path]:
    """The executable files, by name."""
    found = [path for folder in ("scripts", "scripts/lava", "scripts/tests", "mutants", "checks")
             for path in sorted((ROOT / folder).iterdir())
             if path.is_file() and os.access(path, os.X_OK)]
    return [ROOT / "run_tests.sh", *found]


class EntryPointTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        tools = self.folder / "bin"
        tools.mkdir()
        for name in BASIC:
            found = shutil.which(name)
            assert found, f"this machine has no {name}"
            (tools / name).symlink_to(found)
        (tools / "dpkg-query").write_text("#!/bin/sh\nprintf 'ii  dpkg\\n'\n")
        (tools / "dpkg-query").chmod(0o755)
        (self.folder / "sitecustomize.py").write_text(ONLY_STANDARD)
        shutil.copytree(SAMPLE, self.folder / "results")
        self.environment = {"PATH": str(tools), "HOME": str(self.folder),
                            "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, command: Sequence[str | Path]) -> tuple[int, str]:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        self.assertNotIn("Traceback", done.stdout)
        return done.returncode, done.stdout

    def module(self, name: str, *arguments: str | Path) -> tuple[int, str]:
        return self.start([sys.executable, "-m", name, *arguments])

    def complains(self, ended: tuple[int, str]) -> None:
        self.assertEqual(ended[0], MISSING, ended[1])
        self.assertRegex(ended[1], "as root:\n  apt-get install --no-install-recommends -y ")

    def test_the_machine_is_bare(self) -> None:
        """The conditions that the other tests rely on."""
        code, text = self.start([sys.executable, "-c", "import sys; print(sys.path)"])
        self.assertEqual(code, 0)
        self.assertNotIn("dist-packages", text)
        self.assertNotIn("site-packages", text)
        code, _ = self.start(["/bin/sh", "-c", "command -v gcc || command -v git"])
        self.assertNotEqual(code, 0)

    def test_help(self) -> None:
        for name in modules():
            with self.subTest(name):
                if name == "testbed.make.packages":      # takes names of purposes, no options
                    continue
                code, text = self.module(name, "--help")
                self.assertEqual(code, 0, text)
        for path in programs():
            with self.subTest(path.name):
                code, text = self.start([path, "--help"])
                self.assertEqual(code, 0, text)

    def test_wrong_usage(self) -> None:
        for path in programs():
            with self.subTest(path.name):
                code, text = self.start([path, "--no-such-option"])
                self.assertEqual(code, 2, text)

    def test_run_tests(self) -> None:
        for options in (["--on", "auto"], ["--list"], ["--dry-run"], ["--on", "bochs"],
                        ["--profile", "kernels"]):
            with self.subTest(options):
                self.complains(self.start([ROOT / "run_tests.sh", *options]))

    def test_list_of_kernels(self) -> None:
        code, text = self.start([ROOT / "run_tests.sh", "--kernel", "list"])
        self.assertEqual((code, "apt-get is not installed" in text), (MISSING, True), text)

    def test_packages(self) -> None:
        for purpose in ("tests", "check", "certify", "fresh"):
            with self.subTest(purpose):
                self.complains(self.module("testbed.make.packages", purpose))

    def test_mutants(self) -> None:
        self.assertEqual(self.start([ROOT / "mutants/run", "--list"])[0], 0)
        self.complains(self.start([ROOT / "mutants/run"]))

    def test_reports(self) -> None:
        code, text = self.module("reports", self.folder / "results")
        self.assertEqual(code, 1, text)             # the sample's exit status
        self.assertIn("no report.html: Jinja2 is missing", text)
        for name in ("kcidb", "lava"):
            arguments = ["--origin", "x", "--commit", "x"] if name == "kcidb" else []
            with self.subTest(name):
                code, text = self.module(f"reports.{name}", self.folder / "results", *arguments)
                self.assertEqual(code, 0, text)
        code, text = self.module("reports.compare", self.folder / "results", SAMPLE)
        self.assertEqual(code, 0, text)

    def test_pages(self) -> None:
        """Only these modules need a package."""
        results, page = self.folder / "results", self.folder / "page.html"
        starts: dict[str, list[str | Path]] = {
            "history": [self.folder / "x.sqlite", "--add", results, "--html", page],
            "kernels": [results, "--html", page],
            "certify": [results, "--out", self.folder / "certificate"],
        }
        for name, arguments in starts.items():
            with self.subTest(name):
                self.complains(self.module(f"reports.{name}", *arguments))
                self.assertFalse(page.exists())

    def test_scripts(self) -> None:
        scripts = ROOT / "scripts"
        for command in (["efficacy"], ["check"], ["check", "gcc"],
                        ["tests/kselftest_end_to_end"], ["tests/bisect_end_to_end"]):
            with self.subTest(command):
                self.complains(self.start([scripts / command[0], *command[1:]]))
        self.complains(self.start([scripts / "lava/nightly", "emulated", "SUITE=x"]))
        self.complains(self.start([scripts / "lava/dut", "--out", self.folder / "dut"]))
        self.assertEqual(self.start([scripts / "check", "--list"])[0], 0)
        code, text = self.start([scripts / "install", self.folder])
        self.assertEqual((code, "is not a kernel tree" in text), (1, True), text)
        code, text = self.start([scripts / "bisect", "a", "b", "--", "--tests", "x:y"])
        self.assertEqual((code, "git" in text), (2, True), text)

    def test_make(self) -> None:
        for target in ("all", "docs", "unit", "check"):
            with self.subTest(target):
                code, text = self.start(["make", f"O={self.folder / 'build'}", target])
                self.assertEqual(code, MAKE_FAILED, text)
                self.assertIn(f"Error {MISSING}", text)
                self.assertIn("apt-get install --no-install-recommends -y ", text)
        code, text = self.start(["make", "install", f"KDIR={self.folder}"])
        self.assertEqual((code, "is not a kernel tree" in text), (MAKE_FAILED, True), text)


if __name__ == "__main__":
    unittest.main()
