# SPDX-License-Identifier: GPL-2.0-only
"""What compilers make of guest functions: code that needs only what a guest has.

A guest has no %fs (where stack protectors keep their canary), no library and no
read-only data: only the sections guest_text and guest_data are loaded. Each
source is built with the flags that distributions build into their compilers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = [ROOT / "lib/guest/guest_code.c", ROOT / "lib/guest/guest_boot.S"]
PROGRAMS = ROOT / "tools/testing/selftests/kvm/x86_64/tdx"
# Ubuntu's defaults, and more of the same kind.
HARDENED = ("-O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection "
            "-fcf-protection -fPIE").split()
STRICTEST = [*HARDENED, "-fstack-protector-all", "-ftrivial-auto-var-init=zero"]
# The Makefile's flags, without those that override a compiler's defaults.
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-fno-jump-tables", "-Iinclude", "-Ilib",
         "-I/usr/include/tracefs", "-I/usr/include/traceevent"]
SYMBOL = re.compile(r"^[0-9a-f]+ .{7} (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$")
RELOCATION = re.compile(r"^[0-9a-f]+ R_\S+\s+(\S+?)([-+]0x[0-9a-f]+)?$")


def sources() -> list[Path]:
    return [LIBRARY[0], *(path for path in sorted(PROGRAMS.glob("*_test.c"))
                       if re.search(r"^(static )?GUEST\b", path.read_text(), re.MULTILINE))]


def objdump(*arguments: str | Path) -> list[str]:
    return subprocess.run(["objdump", *arguments], check=True, capture_output=True,
                          text=True).stdout.splitlines()


def sections_of(obj: Path) -> dict[str, str]:
    """Symbol (of a section, too) to the section it is in, "*UND*" if in none."""
    return {match[2]: match[1] for line in objdump("-t", obj) if (match := SYMBOL.match(line))}


class GuestCodeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="guest-code-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def build(self, compiler: str, source: Path, flags: list[str]) -> Path:
        obj = self.folder / f"{source.stem}.o"
        subprocess.run([compiler, *FLAGS, *flags, "-c", "-o", obj, source], cwd=ROOT, check=True)
        return obj

    def library(self, compiler: str, flags: list[str]) -> dict[str, str]:
        """The symbols that guest functions may use, and their sections."""
        found: dict[str, str] = {}
        for source in LIBRARY:
            symbols = sections_of(self.build(compiler, source, flags))
            found |= {name: section for name, section in symbols.items() if section != "*UND*"}
        return found

    def expect_self_contained(self, obj: Path, library: dict[str, str]) -> None:
        code = objdump("-d", "-j", "guest_text", obj)
        self.assertTrue(any(":\t" in line for line in code), "guest_text has code")
        self.assertEqual([line for line in code if "%fs:" in line], [])
        here = sections_of(obj)
        for line in objdump("-r", "-j", "guest_text", obj):
            if match := RELOCATION.match(line):
                section = here.get(match[1], match[1])
                if section == "*UND*":
                    section = library.get(match[1], f"the library ({match[1]})")
                self.assertTrue(section.startswith("guest_"), f"{line}: {section}")

    def check(self, compiler: str, flags: list[str]) -> None:
        if not shutil.which(compiler):
            self.skipTest(f"no {compiler}")
        library = self.library(compiler, flags)
        for source in sources():
            with self.subTest(source=source.name, compiler=compiler):
                self.expect_self_contained(self.build(compiler, source, flags), library)

    def test_gcc(self) -> None:
        self.check("gcc", STRICTEST)

    def test_clang(self) -> None:
        self.check("clang", HARDENED)

    def test_make_takes_flags_of_packagers(self) -> None:
        obj = self.folder / "lib/guest/guest_code.o"
        subprocess.run(["make", "-s", f"O={self.folder}", f"CFLAGS={' '.join(HARDENED)}", obj],
                       cwd=ROOT, check=True)
        self.expect_self_contained(obj, self.library("gcc", HARDENED))


if __name__ == "__main__":
    unittest.main()
