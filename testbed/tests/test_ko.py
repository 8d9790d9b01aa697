# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess

from testbed.errors import HarnessError, UsageError
from testbed.make import ko
from testbed.tests.fake_kernel import VERSION, module
from testbed.tests.support import FolderTest


class ModulesTest(FolderTest):
    def add(self, path: str, depends: str = "") -> None:
        data = module(depends)
        if path.endswith(".xz"):
            data = lzma.compress(data)
        elif path.endswith(".gz"):
            data = gzip.compress(data)
        elif path.endswith(".zst"):
            data = subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def needed(self, *wanted: str) -> list[str]:
        return [module.name for module in ko.Folder(self.folder, VERSION).needed(wanted)]

    def add_kvm(self, folder: str = "", suffix: str = "") -> None:
        self.add(f"{folder}kernel/arch/x86/kvm/kvm-intel.ko{suffix}", "kvm,irq-bypass")
        self.add(f"{folder}kernel/arch/x86/kvm/kvm.ko{suffix}", "irq-bypass")
        self.add(f"{folder}kernel/virt/lib/irq-bypass.ko{suffix}")

    def test_order(self) -> None:
        self.add_kvm()
        self.assertEqual(self.needed("kvm_intel", "zram"), ["irq_bypass", "kvm", "kvm_intel"])

    def test_compressed(self) -> None:
        for suffix in (".gz", ".xz", ".zst"):
            if suffix == ".zst" and shutil.which("zstd") is None:
                continue
            with self.subTest(suffix):
                self.add_kvm(suffix=suffix)
                loaded = ko.Folder(self.folder, VERSION).needed(["kvm"])[-1]
                self.assertEqual((loaded.name, loaded.version), ("kvm", VERSION))
                self.assertEqual(loaded.data, module("irq-bypass"))
                shutil.rmtree(self.folder / "kernel")

    def test_folders(self) -> None:
        for folder in ("", f"{VERSION}/", f"lib/modules/{VERSION}/"):
            with self.subTest(folder):
                self.add_kvm(folder)
                if folder:      # of another kernel, beside it
                    self.add(f"{folder}../7.2.11/kernel/kvm-intel.ko")
                self.assertEqual(self.needed("kvm_intel"), ["irq_bypass", "kvm", "kvm_intel"])
                self.assertEqual(ko.Folder(self.folder, VERSION).path, (self.folder / folder))
                shutil.rmtree(self.folder)
                self.folder.mkdir()

    def test_added_modules_come_first(self) -> None:
        for folder in ("extra", "updates"):
            self.add("kernel/a/x.ko", "old")
            self.add(f"{folder}/z/x.ko", "")
            self.assertEqual(self.needed("x"), ["x"])

    def test_builtin(self) -> None:
        self.add("kernel/kvm.ko", "irqbypass")
        (self.folder / "modules.builtin").write_text("kernel/virt/lib/irqbypass.ko\n")
        self.assertEqual(self.needed("kvm", "irqbypass"), ["kvm"])

    def test_dependency_that_is_not_there(self) -> None:
        self.add("kvm.ko", "irqbypass")
        with self.assertRaisesRegex(HarnessError, r"has no irqbypass\.ko, which kvm depends on"):
            self.needed("kvm")

    def test_circle(self) -> None:
        self.add("a.ko", "b")
        self.add("b.ko", "a")
        with self.assertRaisesRegex(HarnessError, "depends on itself"):
            self.needed("a")

    def test_no_module(self) -> None:
        for name, data in (("x.ko", b"text"), ("x.ko.xz", b"text"), ("x.ko", module()[:200]),
                           ("x.ko", b"\x7fELF\x02\x01" + bytes(100))):
            (self.folder / name).write_bytes(data)
            with self.assertRaisesRegex(HarnessError, "is no kernel module"):
                self.needed("x")
            (self.folder / name).unlink()

    def test_no_folder(self) -> None:
        with self.assertRaisesRegex(UsageError, "is no folder"):
            ko.Folder(self.folder / "none", VERSION)
