# SPDX-License-Identifier: GPL-2.0-only
"""The build of the kernel, with a script in the place of make."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

from testbed.errors import HarnessError, UsageError
from testbed.make import kernel, source
from testbed.make.cache import Cache
from testbed.make.source import Source
from testbed.tests.fake_kernel import bzimage
from testbed.tests.support import FolderTest

# A fake kbuild: O=tree allnoconfig, bzImage;
# M=sources modules.
MAKE = """
for word in "$@"; do case $word in O=*) tree=${word#O=} ;; M=*) module=${word#M=} ;;
KCONFIG_ALLCONFIG=*)
	grep -v LOST "${word#*=}" >"$tree/.config" ;; esac; done
case "$*" in *M=*)
	[ -e "$module/../include/uapi/kvm_hold.h" ] || exit 2
	names=kvm_hold
	! grep -q INTEL_TDX=y "$tree/.config" || names="$names tdx_view"
	for name in $names; do echo "$name" >"$module/$name.ko"; done
	for name in $names; do echo "$module/$name.o"; done >"$module/modules.order" ;;
*bzImage*)
	echo "$@" >>calls
	[ ! -e fail ] || { echo '  CC      x.o'; echo 'x.c:1: error: no such thing'; exit 2; }
	mkdir -p "$tree/arch/x86/boot"
	echo '  CC      init/main.o'
	echo image >"$tree/arch/x86/boot/bzImage"
	: >"$tree/vmlinux" ;;
esac
"""


class BuildTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.script("make", f"cd {self.folder}\n{MAKE}")
        self.fragment = self.folder / "fragment"
        self.fragment.write_text("CONFIG_A=y\n")
        self.work = self.folder / "work"
        self.work.mkdir()

    def build(self, identity: str = "linux 1", fixed: bool = True) -> kernel.Build:
        tree = Source(self.folder, identity, fixed)
        return kernel.Build(Cache(self.folder / "cache"), tree, [self.fragment])

    def calls(self) -> int:
        path = self.folder / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def test_key(self) -> None:
        key = self.build().key
        self.assertEqual(self.build().key, key)
        self.assertNotEqual(self.build("linux 2").key, key)
        self.fragment.write_text("CONFIG_A=n\n")
        self.assertNotEqual(self.build().key, key)

    def test_key_depends_on_the_compiler(self) -> None:
        key = self.build().key
        with mock.patch("testbed.make.kernel.compiler", return_value="gcc 99"):
            self.assertNotEqual(self.build().key, key)

    def test_fixed_source_is_built_once(self) -> None:
        for _ in range(2):
            image = self.build().once()
        self.assertEqual(self.calls(), 1)
        self.assertEqual(image.image.read_text(), "image\n")
        self.assertEqual(image.origin, "linux 1")

    def test_tree_that_may_change_is_made_again(self) -> None:
        for _ in range(2):
            image = self.build(fixed=False).again(self.work)
        self.assertEqual(self.calls(), 2)
        self.assertEqual(image.image, self.work / "bzImage")

    def test_dropped_option_is_reported(self) -> None:
        self.fragment.write_text("CONFIG_A=y\nCONFIG_LOST=y\n")
        self.assertEqual(self.build().once().dropped, ("CONFIG_LOST=y",))
        self.assertIn("Kconfig dropped CONFIG_LOST=y", self.said.getvalue())

    def test_modules_that_the_kernel_can_have(self) -> None:
        self.assertEqual(self.build().once().modules, ())
        tdx, both = "CONFIG_KVM_INTEL_TDX=y\n", ["kvm_hold\n", "tdx_view\n"]
        for more, wanted in (tdx, both), ("", both[:1]):    # earlier builds do not count
            self.fragment.write_text("CONFIG_KVM=y\n" + more)
            work = Path(tempfile.mkdtemp(dir=self.folder))
            for kernel_ in (self.build().once(), self.build(fixed=False).again(work)):
                self.assertEqual([path.read_text() for path in kernel_.modules], wanted)

    def test_failure(self) -> None:
        (self.folder / "fail").touch()
        with self.assertRaisesRegex(HarnessError, r"(?s)build.log.*x\.c:1: error") as caught:
            self.build().once()
        self.assertNotIn("CC ", str(caught.exception))
        (self.folder / "fail").unlink()
        self.build().once()


class WantedTest(FolderTest):
    def tree(self) -> Path:
        (self.folder / "arch/x86/kvm").mkdir(parents=True)
        (self.folder / "Kbuild").touch()
        return self.folder

    def test_image(self) -> None:
        image = self.folder / "bzImage"
        image.write_bytes(bzimage())
        provided = kernel.provide(Cache(self.folder), image, "", False, self.folder)
        self.assertEqual((provided.image, provided.cmdline), (image.resolve(), "nohibernate"))

    def test_guest_of_an_image(self) -> None:
        image = self.folder / "bzImage"
        image.write_bytes(bytes(0x202) + b"HdrS")
        self.assertIsNone(kernel.provide_guest(Cache(self.folder), image, self.folder))

    def test_tree(self) -> None:
        self.assertFalse(source.user_tree(self.tree()).fixed)

    def test_no_tree(self) -> None:
        with self.assertRaises(UsageError):
            source.user_tree(self.folder)

    def test_tree_built_in_place(self) -> None:
        (self.tree() / ".config").touch()
        with self.assertRaisesRegex(HarnessError, "mrproper"):
            source.user_tree(self.folder)
