# SPDX-License-Identifier: GPL-2.0-only
"""What is said of kernels that somebody else built."""

from __future__ import annotations

import tempfile
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import given
from testbed.tests.fake_kernel import VERSION, bzimage, module
from testbed.tests.support import FolderTest

GOOD = {name: "y" for name in {**given.TO_BOOT, **given.TO_TEST, **given.TDX}}
BUILT_IN = GOOD | {"CONFIG_KVM_INTEL": "y", "CONFIG_KVM_AMD": "y"}
AS_MODULES = GOOD | {"CONFIG_KVM_INTEL": "m", "CONFIG_KVM_AMD": "m"}
BOTH = ("bochs", "qemu")


class GivenTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.modules = self.folder / "lib"
        self.modules.mkdir()

    def take(self, options: dict[str, str] | None, *emulators: str,
             modules: bool = False) -> list[str]:
        """The modules that are loaded."""
        config = None if options is None else "".join(
            f"{name}={value}\n" for name, value in options.items())
        image = self.folder / "bzImage"
        image.write_bytes(bzimage(config))
        work = Path(tempfile.mkdtemp(dir=self.folder))
        taken = given.take(image, self.modules if modules else None, emulators or BOTH, work)
        return [path.name for path in taken.modules]

    def add(self, name: str, depends: str = "", version: str = VERSION) -> None:
        (self.modules / f"{name}.ko").write_bytes(module(depends, version))

    def refused(self, options: dict[str, str] | None, *emulators: str, modules: bool = False) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.take(options, *emulators, modules=modules)
        return str(caught.exception)

    def test_built_in(self) -> None:
        self.assertEqual(self.take(BUILT_IN), [])
        self.assertEqual(self.said.getvalue(), "")

    def test_what_it_needs_to_boot(self) -> None:
        for name, why in given.TO_BOOT.items():
            for value in ("n", "m"):
                said = self.refused(BUILT_IN | {name: value})
                self.assertIn(f"it lacks {name}=y: {why}", said)
                self.assertEqual(len(said.splitlines()), 2)

    def test_what_cases_need(self) -> None:
        for name in {**given.TO_TEST, **given.TDX}:
            self.take(BUILT_IN | {name: "n"})
            self.assertIn(f"it lacks {name}: ", self.said.getvalue())

    def test_tdx_is_no_matter_to_qemu(self) -> None:
        self.take(BUILT_IN | dict.fromkeys(given.TDX, "n"), "qemu")
        self.assertEqual(self.said.getvalue(), "")

    def test_no_kvm(self) -> None:
        said = self.refused(GOOD)
        self.assertIn("it lacks CONFIG_KVM_INTEL, for the CPU of bochs", said)
        self.assertIn("it lacks CONFIG_KVM_AMD and CONFIG_KVM_INTEL, for the CPU of qemu", said)

    def test_kvm_as_module_without_modules(self) -> None:
        said = self.refused(AS_MODULES, "bochs")
        self.assertIn("its KVM is a module (CONFIG_KVM_INTEL=m): add --modules DIR, the "
                      f"lib/modules/{VERSION} of this kernel", said)

    def test_modules(self) -> None:
        self.add("kvm-intel", "kvm")
        self.add("kvm-amd", "kvm")
        self.add("kvm")
        self.add("zram")
        self.add("tdx_view", "kvm")
        for options in (AS_MODULES, None):
            self.assertEqual(self.take(options, "bochs", modules=True),
                             ["kvm.ko", "kvm_intel.ko", "zram.ko", "tdx_view.ko"])
        self.assertEqual(self.take(AS_MODULES, modules=True),
                         ["kvm.ko", "kvm_intel.ko", "kvm_amd.ko", "zram.ko", "tdx_view.ko"])

    def test_modules_without_kvm(self) -> None:
        self.add("zram")
        for options in (AS_MODULES, None):
            self.assertIn(f"{self.modules} has no kvm_intel.ko, for the CPU of bochs",
                          self.refused(options, "bochs", modules=True))
        self.assertEqual(self.take(BUILT_IN, "bochs", modules=True), ["zram.ko"])
        (self.modules / "modules.builtin").write_text("kernel/arch/x86/kvm/kvm-intel.ko\n")
        self.assertEqual(self.take(None, "bochs", modules=True), ["zram.ko"])
        # The image's own configuration knows better: these modules are another kernel's.
        self.assertIn("has no kvm_intel.ko", self.refused(AS_MODULES, "bochs", modules=True))

    def test_modules_of_another_kernel(self) -> None:
        self.add("kvm-intel", version="7.2.11")
        self.assertIn(f"is of kernel 7.2.11, the image is {VERSION}",
                      self.refused(AS_MODULES, "bochs", modules=True))

    def test_nothing_is_known(self) -> None:
        self.assertEqual(self.take(None), [])
        self.assertIn(f"no config-{VERSION} beside it", self.said.getvalue())
