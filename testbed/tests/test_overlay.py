# SPDX-License-Identifier: GPL-2.0-only
"""softtdx on top of a kernel tree that is only read."""

from __future__ import annotations

import fcntl
import os

from testbed import overlay
from testbed.cache import Cache
from testbed.errors import BenchError
from testbed.source import Source
from testbed.tests.support import FolderTest

PLACE = overlay.PLACE


class OverlayTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.tree = self.folder / "linux"
        names = ("Makefile", "arch/x86/kvm/vmx/tdx.c", f"{PLACE}/tdx.c", f"{PLACE}/Makefile")
        for name in names:
            self.write(name, f"{name}\n")
        self.before = self.content()
        self.cache = Cache(self.folder / "cache")
        self.made = self.folder / "overlay"

    def write(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def content(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.tree.rglob("*") if path.is_file()}

    def make(self) -> None:
        overlay.make(self.tree, self.made)
        overlay.check(self.tree, self.made)

    def test_only_the_makefile_differs(self) -> None:
        self.make()
        makefile = (self.made / PLACE / "Makefile").read_text()
        self.assertEqual(makefile.splitlines(), [f"{PLACE}/Makefile", *overlay.LINES])
        self.assertTrue((self.made / PLACE / "softtdx/Kbuild").is_file())

    def test_softtdx_is_renewed_by_content(self) -> None:
        """Its files' times in another checkout say nothing; and only a build renews it."""
        self.make()
        source = Source(self.made, "linux 1", fixed=True, additions="some")
        kbuild, model = (self.made / PLACE / "softtdx" / name for name in ("Kbuild", "model/sept.c"))
        stamp = kbuild.stat().st_mtime_ns
        model.write_text("of another checkout\n")
        (model.parent / "gone.c").write_text("no longer there\n")
        self.make()
        self.assertEqual(model.read_text(), "of another checkout\n")
        lock_file = self.cache.folder / "locks" / f"overlays-{self.made.name}"
        with overlay.our_softtdx(self.cache, source), lock_file.open() as lock:
            with self.assertRaises(BlockingIOError):    # others wait until we have built
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual(kbuild.stat().st_mtime_ns, stamp)
        self.assertEqual(model.read_bytes(), (overlay.SOFTTDX / "model/sept.c").read_bytes())
        self.assertFalse((model.parent / "gone.c").exists())

    def test_the_tree_is_not_written_to(self) -> None:
        self.make()
        self.make()
        self.assertEqual(self.content(), self.before)

    def test_again_after_the_tree_changed(self) -> None:
        self.make()
        stamp = (self.made / PLACE / "Makefile").stat().st_mtime_ns
        (self.tree / PLACE / "tdx.c").write_text("other\n")
        (self.tree / "Makefile").unlink()
        self.write("new/file.c", "new\n")
        self.make()
        self.assertEqual((self.made / PLACE / "tdx.c").read_text(), "other\n")
        self.assertFalse((self.made / "Makefile").is_symlink())
        self.assertTrue((self.made / "new/file.c").is_file())
        self.assertEqual((self.made / PLACE / "Makefile").stat().st_mtime_ns, stamp)

    def test_a_change_is_noticed(self) -> None:
        self.make()
        path = self.made / PLACE / "tdx.c"
        path.unlink()
        path.write_text("changed\n")
        with self.assertRaisesRegex(BenchError, f"differs: {PLACE}/tdx.c"):
            overlay.check(self.tree, self.made)
        path.unlink()
        with self.assertRaisesRegex(BenchError, f"missing: {PLACE}/tdx.c"):
            overlay.check(self.tree, self.made)
        overlay.make(self.tree, self.made)
        (self.made / "arch/x86/extra.h").write_text("")
        with self.assertRaisesRegex(BenchError, "added: arch/x86/extra.h"):
            overlay.check(self.tree, self.made)

    def test_equal_content_is_no_difference(self) -> None:
        self.make()
        path = self.made / PLACE / "tdx.c"
        path.unlink()
        path.write_text(f"{PLACE}/tdx.c\n")
        overlay.check(self.tree, self.made)

    def test_source(self) -> None:
        source = overlay.with_softtdx(self.cache, Source(self.tree, "linux 1", fixed=True))
        self.assertEqual(source.identity, "linux 1 with softtdx")
        self.assertTrue(source.fixed)
        self.assertEqual(source.additions, overlay.content_of_softtdx())
        self.assertEqual(os.path.realpath(source.path / "Makefile"),
                         os.path.realpath(self.tree / "Makefile"))
        self.assertIn("obj-y += softtdx/", self.said.getvalue())

    def test_kernel_without_tdx(self) -> None:
        (self.tree / "arch/x86/kvm/vmx/tdx.c").unlink()
        tree = Source(self.tree, "linux 1", fixed=False)
        self.assertEqual(overlay.with_softtdx(self.cache, tree), tree)
        self.assertIn("without softtdx", self.said.getvalue())
