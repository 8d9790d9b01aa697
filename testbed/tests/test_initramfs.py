# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import shutil
import subprocess
import unittest
from pathlib import Path

from testbed import initramfs
from testbed.errors import BenchError
from testbed.tests.support import FolderTest


def listing(archive: bytes) -> dict[str, str]:
    """Name -> ls -l line, as cpio(1) or busybox reads the archive."""
    tool = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    done = subprocess.run([*tool, "-itv"], input=archive, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    return {line.split(" -> ")[0].split()[-1]: line for line in lines}


class ArchiveTest(unittest.TestCase):
    def test_kinds(self) -> None:
        archive = initramfs.Archive()
        archive.file("a/b/file", b"12345", 0o644)
        archive.link("link", "a/b/file")
        archive.device("dev/console", 5, 1)
        names = listing(archive.finish())
        self.assertRegex(names["a/b"], "^drwxr-xr-x")
        self.assertRegex(names["a/b/file"], "^-rw-r--r--.* 5 ")
        self.assertTrue(names["link"].endswith("-> a/b/file"))
        self.assertRegex(names["dev/console"], r"^crw-------.* 5, *1 ")

    def test_each_name_once(self) -> None:
        archive = initramfs.Archive()
        archive.file("a", b"first")
        size = len(archive._data)
        archive.file("a", b"second")
        self.assertEqual(len(archive._data), size)


class BuildTest(FolderTest):
    def test_guest_kernel(self) -> None:
        image = self.script("bzImage-of-a-run", "")
        names = listing(initramfs.build([Path("/usr/bin/env")], "env\n", guest=image))
        self.assertIn("guest/bzImage", names)

    def test_program_and_its_libraries(self) -> None:
        program = Path("/usr/bin/env")
        names = listing(initramfs.build([program], "env\n", modules=[self.script("x.ko", "")]))
        self.assertIn("modules/x.ko", names)
        self.assertIn("tests/env", names)
        self.assertIn("init", names)
        self.assertTrue(any("libc.so" in name for name in names))
        self.assertTrue(any("ld-linux" in name for name in names))
        self.assertTrue(names["bin/sh"].endswith("-> busybox"))

    def test_missing_library(self) -> None:
        self.script("ldd", "echo '\tlibx.so.1 => not found'")
        self.use_scripts()
        with self.assertRaisesRegex(BenchError, r"libx\.so\.1"):
            initramfs.libraries([Path("/usr/bin/env")])

    def test_script_has_none(self) -> None:
        self.assertEqual(initramfs.libraries([self.script("x", "exit 0")]), set())
