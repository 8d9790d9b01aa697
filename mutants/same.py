# SPDX-License-Identifier: GPL-2.0-only
"""Copies of a function that gcc compiled to the same code: as the original, or as another mutant."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

SYMBOL = re.compile(r"^[0-9a-f]+ <([\w.]+)>:$")
TARGET = re.compile(r"\b[0-9a-f]+ <([\w.]+)((?:[-+]0x[0-9a-f]+)?)>")
RELOCATION = re.compile(r"^\t+[0-9a-f]+: (R_\w+)\t(\S+)$")
# Filling behind the last instruction.
FILLING = re.compile(r"(?:nop\w*|int3|xchg\s+%ax,%ax|(?:cs |data16 )+nop\w*|ret\s+int3)\b.*")
Code = tuple[str, ...]


def functions(disassembly: Iterable[str]) -> Iterator[tuple[str, Code]]:
    """Name and instructions, in which the function's own name and place do not appear."""
    name, code = "", list[str]()
    for line in disassembly:
        if symbol := SYMBOL.match(line):
            if name:
                yield name, trimmed(code)
            name, code = symbol[1], []
        elif relocation := RELOCATION.match(line):
            code.append(f"{relocation[1]} {own(name, relocation[2])}")
        elif name and line.startswith(" ") and "\t" in line:
            code.append(TARGET.sub(lambda match: own(name, match[1]) + match[2],
                                   line.split("\t", 1)[1].split("#")[0].strip()))
    if name:
        yield name, trimmed(code)


def own(name: str, text: str) -> str:
    return re.sub(rf"^{re.escape(name)}(?![\w.])", "self", text)


def trimmed(code: list[str]) -> Code:
    while code and FILLING.fullmatch(code[-1]):
        code.pop()
    return tuple(code)


def same(codes: Iterable[tuple[str, Code]], mutants: Iterable[str], original: str) -> dict[str, str]:
    """By mutant whose code is not its own: the other mutant, "" for the original function."""
    first: dict[tuple[str, Code], str] = {}
    twins: dict[str, str] = {}
    wanted = {*mutants, original}
    there = [(function, suffix, code) for name, code in codes
             for function, _, suffix in [name.rpartition("_")] if suffix in wanted and code]
    for function, suffix, code in sorted(there, key=lambda one: (one[1] != original, one[1])):
        known = first.setdefault((function, code), suffix)
        if known != suffix:
            twins[suffix] = "" if known == original else known
    return twins


def disassembly(path: Path) -> list[str]:
    return subprocess.run(["objdump", "-dr", "--no-show-raw-insn", "-j", ".text", path],
                          capture_output=True, text=True, check=True).stdout.splitlines()
