# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules (.ko files) of a kernel that somebody built: which, in which order.

A module tells in its section .modinfo which others it needs, and of which kernel it is.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError, UsageError

SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def zstd(data: bytes) -> bytes:
    try:
        return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise OSError(error.stderr.decode(errors="replace").strip()) from error


DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".ko": bytes, ".gz": gzip.decompress, ".xz": lzma.decompress, ".zst": zstd,
}


@dataclass(frozen=True)
class Module:
    name: str                   # as the kernel has it: kvm_intel
    data: bytes                 # not compressed
    depends: tuple[str, ...]
    version: str                # of its kernel, as `uname -r` says it


def name_of(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def read(path: Path) -> Module:
    try:
        data = DECOMPRESS[path.suffix](path.read_bytes())
        told = modinfo(data)
    except (OSError, EOFError, lzma.LZMAError, struct.error, IndexError, ValueError) as error:
        raise HarnessError(f"--modules: {path} is no kernel module: {error}") from error
    depends = told.get("depends", "").replace("-", "_").split(",")
    return Module(name_of(path), data, tuple(filter(None, depends)),
                  told.get("vermagic", "").partition(" ")[0])


def modinfo(data: bytes) -> dict[str, str]:
    """The "key=value" texts of an ELF file's .modinfo; of a key that comes again, the first."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not an ELF file of 64 bits")
    headers, size, count, names = (struct.unpack_from("<Q", data, 0x28)[0],
                                   *struct.unpack_from("<HHH", data, 0x3a))
    sections = [struct.unpack_from("<IIQQQQ", data, headers + size * n) for n in range(count)]
    text = sections[names][4]
    for name, _, _, _, offset, length in sections:
        if data[text + name:].startswith(b".modinfo\0"):
            told: dict[str, str] = {}
            for entry in data[offset:offset + length].split(b"\0"):
                key, equals, value = entry.decode(errors="replace").partition("=")
                if equals:
                    told.setdefault(key, value)
            return told
    raise ValueError("no section .modinfo")


class Folder:
    """The modules below a folder."""

    def __init__(self, folder: Path, version: str) -> None:
        """`folder` is the kernel's lib/modules/VERSION, or what that is in, or any folder
        with .ko files."""
        self.path = next((path for path in (folder / "lib/modules" / version, folder / version)
                          if version and path.is_dir()), folder)
        if not self.path.is_dir():
            raise UsageError(f"--modules: {folder} is no folder")
        # Of one that is there twice, what was added to the kernel's own (updates/) counts.
        self._paths: dict[str, Path] = {}
        for path in sorted(self.path.rglob("*.ko*"), key=lambda path: (
                path.relative_to(self.path).parts[0] == "kernel", path)):
            if path.name.endswith(SUFFIXES):
                self._paths.setdefault(name_of(path), path)
        builtin = self.path / "modules.builtin"
        lines = builtin.read_text().splitlines() if builtin.is_file() else []
        self.builtin = {name_of(Path(line)) for line in lines}

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def needed(self, wanted: Iterable[str]) -> list[Module]:
        """Those of `wanted` that are there, each behind what it depends on."""
        found: dict[str, Module] = {}
        for name in wanted:
            if name in self:
                self._add(name, found, ())
        return list(found.values())

    def _add(self, name: str, found: dict[str, Module], of: tuple[str, ...]) -> None:
        if name in found or name in self.builtin:
            return
        if name not in self._paths:
            raise HarnessError(f"--modules: {self.path} has no {name}.ko, "
                               f"which {of[-1]} depends on")
        if name in of:
            raise HarnessError(f"--modules: {name} depends on itself")
        module = read(self._paths[name])
        for other in module.depends:
            self._add(other, found, (*of, name))
        found[name] = module
