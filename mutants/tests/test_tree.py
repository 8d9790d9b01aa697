# SPDX-License-Identifier: GPL-2.0-only
"""Private sources, with a build that only notes what it would compile."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from mutants import tree
from mutants.mutant import DoesNotApply, Edit, Mutant
from mutants.tree import BrokenBuild, Tree
from testbed.errors import KernelError
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel
from testbed.make.source import Source
from testbed.tests.support import FolderTest

FILES = (Path("a/b/one.c"), Path("two.c"))


def edit(file: Path, find: str) -> Mutant:
    return Mutant("M1", "", "", ("default",), (Edit(file, "f", (find,), "return 2;"),))


class TreeTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.origin = self.folder / "origin"
        for file in (*FILES, Path("a/c/other.c"), Path("a/b/beside.c")):
            (self.origin / file).parent.mkdir(parents=True, exist_ok=True)
            (self.origin / file).write_text("int f(void)\n{\n\treturn 1;\n}\n")
        patch = mock.patch("mutants.tree.kernel.Build", self.build)
        patch.start()
        self.addCleanup(patch.stop)
        self.compiled: list[str] = []
        self.tree = Tree(Cache(self.folder / "cache"),
                         Source(self.origin, "linux 1", fixed=True), FILES)
        self.tree.prepare()
        self.private = next((self.folder / "cache/mutants/sources").glob("[0-9a-f]" * 16))

    def build(self, cache: Cache, source: Source, fragments: list[Path]) -> mock.Mock:
        fake = mock.Mock()
        fake.key = "key"
        fake.again.return_value = Kernel(Path("bzImage"), "linux 1", modules=(Path("tdx_view.ko"),))
        fake.update.side_effect = self.update
        return fake

    def update(self, modules: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
        self.compiled = [(self.private / file).read_text() for file in FILES]
        return tuple(folder / path.name for path in modules)

    def test_links_but_for_the_files(self) -> None:
        self.assertTrue((self.private / "a/c").is_symlink())
        self.assertTrue((self.private / "a/b/beside.c").is_symlink())
        for file in FILES:
            self.assertFalse((self.private / file).is_symlink())
        self.assertFalse((self.private / "a/b").is_symlink())

    def test_mutant_and_back(self) -> None:
        made = self.tree.kernel(edit(FILES[0], "return 1;"), self.folder)
        self.assertEqual([("return 2" in text) for text in self.compiled], [True, False])
        self.assertEqual(made.modules[-1], Path("tdx_view.ko"))
        self.tree.kernel(edit(FILES[1], "return 1;"), self.folder)
        self.assertEqual([("return 2" in text) for text in self.compiled], [False, True])
        self.tree.kernel(None, self.folder)
        self.assertEqual([("return 2" in text) for text in self.compiled], [False, False])
        self.assertIn("return 1", (self.origin / FILES[0]).read_text())

    def test_what_does_not_change_is_not_written(self) -> None:
        before = (self.private / FILES[0]).stat().st_mtime_ns
        self.tree.kernel(None, self.folder)
        self.assertEqual((self.private / FILES[0]).stat().st_mtime_ns, before)

    def test_interrupted_run(self) -> None:
        (self.private / FILES[0]).write_text("mutant of an earlier run")
        self.tree.prepare()
        self.assertIn("return 1", (self.private / FILES[0]).read_text())

    def test_does_not_apply(self) -> None:
        with self.assertRaises(DoesNotApply):
            self.tree.kernel(edit(FILES[0], "return 3;"), self.folder)

    def test_broken_build(self) -> None:
        with mock.patch.object(self, "update", side_effect=KernelError("x.c:1: error")):
            self.tree.prepare()
            with self.assertRaisesRegex(BrokenBuild, "x.c:1: error"):
                self.tree.kernel(edit(FILES[0], "return 1;"), self.folder)

    def test_another_set_of_files(self) -> None:
        tree.lay(self.origin, self.private, [Path("a/c/other.c")])
        self.assertFalse((self.private / "a/c").is_symlink())
        self.assertTrue((self.private / "a/b").is_symlink())
        self.assertIn("return 1", (self.private / FILES[0]).read_text())
