# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from testbed.errors import UsageError
from testbed.make import image
from testbed.tests.fake_kernel import VERSION, bzimage
from testbed.tests.support import FolderTest

CONFIG = "# Linux/x86 7.2.12 Kernel Configuration\nCONFIG_KVM=m\n"


def by_program(*command: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(command, input=data, capture_output=True, check=True).stdout


class ImageTest(FolderTest):
    def image(self, data: bytes, name: str = "vmlinuz") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def test_version(self) -> None:
        self.assertEqual(image.read(self.image(bzimage())).version, VERSION)

    def test_no_image(self) -> None:
        for content in (b"", b"\x7fELF" + bytes(0x300)):
            with self.assertRaisesRegex(UsageError, "neither a source tree nor a bzImage"):
                image.read(self.image(content))

    def test_embedded(self) -> None:
        compressors: dict[str, Callable[[bytes], bytes]] = {
            "gzip": gzip.compress, "bzip2": bz2.compress,
            "xz": lzma.compress, "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
            "zstd": by_program("zstd", "-qc"), "lz4": by_program("lz4", "-qcl"),
        }
        for name, compress in compressors.items():
            if name in ("zstd", "lz4") and shutil.which(name) is None:
                continue
            with self.subTest(name):
                found = image.read(self.image(bzimage(CONFIG, compress=compress)))
                self.assertEqual((found.config, found.config_from), (CONFIG, "in the image"))

    def test_compression_that_nobody_knows(self) -> None:
        found = image.read(self.image(bzimage(CONFIG, compress=lambda data: b"?" + data)))
        self.assertIsNone(found.config)

    def test_broken_payload(self) -> None:
        for compressed in (gzip.compress(b"kernel"), lzma.compress(b"kernel"), bz2.compress(b"kernel")):
            broken = compressed[:12] + b"xxxxxxxx"
            self.assertIsNone(image.read(self.image(bzimage(compress=lambda _: broken))).config)

    def test_config_beside(self) -> None:
        modules = self.folder / "modules"
        for where in (f"config-{VERSION}", "config", "modules/config", "modules/build/.config"):
            with self.subTest(where):
                path = self.folder / where
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(CONFIG)
                found = image.read(self.image(bzimage()), modules)
                self.assertEqual((found.config, found.config_from), (CONFIG, str(path)))
                path.unlink()

    def test_config_of_the_tree(self) -> None:
        (self.folder / ".config").write_text(CONFIG)
        found = image.read(self.image(bzimage(), "arch/x86/boot/bzImage"))
        self.assertEqual(found.config, CONFIG)

    def test_config_of_another_kernel(self) -> None:
        for other in (CONFIG.replace("7.2.12", "7.2.1"), "CONFIG_KVM=y\n", ""):
            (self.folder / "config").write_text(other)
            self.assertIsNone(image.read(self.image(bzimage())).config)
