# SPDX-License-Identifier: GPL-2.0-only
"""Commands in the documents: each program, option, make target and file is there."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Documents without commands: generated ones.
NO_COMMANDS = ("tests.md", "library.md")
WIDTH = 100
CODE = re.compile(r"^    (\S.*)$|`([^`]+)`", re.MULTILINE)
MODULE = re.compile(r"python3 -m ((?:checks|reports|testbed)[\w.]*)")
# The kernel's targets, and one of softtdx/Makefile.
OF_OTHERS = ("allnoconfig", "fuzz", "kselftest", "mrproper")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"^([\w-]+(?: [\w-]+)*):(?!=)", re.MULTILINE)


def documents() -> list[Path]:
    return [path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md",
                              *sorted((ROOT / "docs").glob("*.md"))) if path.name not in NO_COMMANDS]


def commands(text: str) -> Iterator[str]:
    for block, inline in CODE.findall(text):
        yield (block or inline).partition("  #")[0].strip()


def program(command: str) -> list[str] | None:
    """How to start the command's program, if it belongs to this project."""
    if match := MODULE.match(command):
        return [sys.executable, "-m", match[1]]
    word = command.split()[0] if command.split() else ""
    for prefix in ("./", "scripts/", "/path/to/kvm-tdx-selftests/scripts/", "mutants/"):
        path = ROOT / word.removeprefix("./").removeprefix("/path/to/kvm-tdx-selftests/")
        if word.startswith(prefix) and path.is_file() and path.stat().st_mode & 0o100:
            return [str(path)]
    return None


@functools.cache
def helped(start: tuple[str, ...]) -> str:
    done = subprocess.run([*start, "--help"], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout if done.returncode == 0 else ""


class DocumentsTest(unittest.TestCase):
    def test_options(self) -> None:
        """An option before "--" is in the program's own help."""
        seen = 0
        for path in documents():
            for command in commands(path.read_text()):
                if (start := program(command)) is None:
                    continue
                words = shlex.split(command, comments=True)
                own = words[:words.index("--")] if "--" in words else words
                for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(own)):
                    with self.subTest(f"{path.name}: {command}"):
                        self.assertIn(option, helped(tuple(start)))
                        seen += 1
        self.assertGreater(seen, 10)

    def test_make_targets(self) -> None:
        targets = {word for match in TARGET.findall((ROOT / "Makefile").read_text())
                   for word in match.split()}
        for path in documents():
            for command in commands(path.read_text()):
                match = re.match(r"make ([a-z][a-z-]*)(?= |$)", command)
                if match and match[1] not in OF_OTHERS:
                    with self.subTest(f"{path.name}: {command}"):
                        self.assertIn(match[1], targets)

    def test_links(self) -> None:
        for path in documents():
            for link in LINK.findall(path.read_text()):
                with self.subTest(f"{path.name}: {link}"):
                    self.assertTrue((path.parent / link).exists())

    def test_width(self) -> None:
        """The width of prose; tables, code and headings are exempt."""
        for path in documents():
            for line in path.read_text().splitlines():
                if not line.startswith(("|", "    ", "#")):
                    with self.subTest(f"{path.name}: {line}"):
                        self.assertLessEqual(len(line), WIDTH)

    def test_modules_of_the_testbed(self) -> None:
        """docs/testbed.md lists each."""
        text = (ROOT / "docs/testbed.md").read_text()
        for path in (ROOT / "testbed").rglob("*.py"):
            if not path.stem.startswith("_") and path.parent.name not in ("tests", "bochs_edits"):
                with self.subTest(str(path.relative_to(ROOT))):
                    self.assertIn(f"`{path.name}`", text)


if __name__ == "__main__":
    unittest.main()
