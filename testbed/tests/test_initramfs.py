# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import stat
import unittest
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.machine import initramfs
from testbed.make import cpio
from testbed.tests.support import FolderTest


@dataclass(frozen=True)
class Entry:
    """A file as the kernel's documentation of the format has it (buffer-format.rst)."""

    mode: int
    data: bytes
    device: tuple[int, int]
    owner: tuple[int, int] = (0, 0)


def entries(archive: bytes) -> dict[str, Entry]:
    """Name -> content; parsed here, since the listings of cpio(1)s differ."""
    found: dict[str, Entry] = {}
    at = 0
    while True:
        fields = [int(archive[at + 6 + 8 * n:at + 14 + 8 * n], 16) for n in range(13)]
        assert archive[at:at + 6] == b"070701", f"no header at {at}"
        mode, uid, gid, size, major, minor, name_size = (fields[n] for n in (1, 2, 3, 6, 9, 10, 11))
        name = archive[at + 110:at + 110 + name_size].rstrip(b"\0").decode()
        at = -(-(at + 110 + name_size) // 4) * 4
        if name == "TRAILER!!!":
            return found
        assert name not in found, f"{name} is there twice"
        found[name] = Entry(mode, archive[at:at + size], (major, minor), (uid, gid))
        at = -(-(at + size) // 4) * 4


class ArchiveTest(unittest.TestCase):
    def test_kinds(self) -> None:
        archive = cpio.Archive()
        archive.file("a/b/file", b"12345", 0o644)
        archive.link("link", "a/b/file")
        archive.device("dev/console", 5, 1)
        self.assertEqual(entries(archive.finish()), {
            "a": Entry(stat.S_IFDIR | 0o755, b"", (0, 0)),
            "a/b": Entry(stat.S_IFDIR | 0o755, b"", (0, 0)),
            "a/b/file": Entry(stat.S_IFREG | 0o644, b"12345", (0, 0)),
            "link": Entry(stat.S_IFLNK | 0o777, b"a/b/file", (0, 0)),
            "dev/console": Entry(stat.S_IFCHR | 0o600, b"", (5, 1)),
        })

    def test_each_name_once(self) -> None:
        archive = cpio.Archive()
        archive.file("a", b"first")
        size = len(archive._data)
        archive.file("a", b"second")
        self.assertEqual(len(archive._data), size)


class BuildTest(FolderTest):
    def test_guest_kernel(self) -> None:
        image = self.script("bzImage-of-a-run", "")
        names = entries(initramfs.build([Path("/usr/bin/env")], "env\n", guest=image))
        self.assertIn("guest/bzImage", names)

    def test_program_and_its_libraries(self) -> None:
        program = Path("/usr/bin/env")
        names = entries(initramfs.build([program], "env\n", modules=[self.script("x.ko", "")]))
        self.assertIn("modules/x.ko", names)
        self.assertIn("tests/env", names)
        self.assertIn("init", names)
        self.assertTrue(any("libc.so" in name for name in names))
        self.assertTrue(any("ld-linux" in name for name in names))
        self.assertEqual(names["bin/sh"].data, b"busybox")

    def test_missing_library(self) -> None:
        self.script("ldd", "echo '\tlibx.so.1 => not found'")
        self.use_scripts()
        with self.assertRaisesRegex(HarnessError, r"libx\.so\.1"):
            initramfs.libraries([Path("/usr/bin/env")])

    def test_script_has_none(self) -> None:
        self.assertEqual(initramfs.libraries([self.script("x", "exit 0")]), set())
