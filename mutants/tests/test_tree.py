# SPDX-License-Identifier: GPL-2.0-only
"""Private sources, with a build that only notes what it would compile."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from mutants import tree
from mutants.mutant import DoesNotApply, Edit, Mutant
from mutants.schemata import HOME
from mutants.tree import BrokenBuild, Tree
from testbed.errors import KernelError
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel
from testbed.make.source import Source
from testbed.tests.support import FolderTest

FILES = (Path("a/b/one.c"), Path("two.c"))


def edit(file: Path, find: str, name: str = "M1") -> Mutant:
    return Mutant(name, "", "", ("default",), (Edit(file, "f", (find,), "return 2;"),))


class TreeTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.origin = self.folder / "origin"
        for file in (*FILES, HOME, Path("a/c/other.c"), Path("a/b/beside.c")):
            (self.origin / file).parent.mkdir(parents=True, exist_ok=True)
            (self.origin / file).write_text("int f(void)\n{\n\treturn 1;\n}\nEXPORT_SYMBOL_GPL(f);\n")
        patch = mock.patch("mutants.tree.kernel.Build", self.build)
        patch.start()
        self.addCleanup(patch.stop)
        self.compiled: list[str] = []
        self.log = ""
        self.tree = self.prepared()
        self.private = next((self.folder / "cache/mutants/sources").glob("[0-9a-f]" * 16))

    def prepared(self) -> Tree:
        tree = Tree(Cache(self.folder / "cache"), Source(self.origin, "linux 1", fixed=True), FILES)
        tree.prepare()
        return tree

    def build(self, cache: Cache, source: Source, fragments: list[Path]) -> mock.Mock:
        fake = mock.Mock()
        fake.key = "key"
        fake.tree = self.folder / "build"
        type(fake).log = mock.PropertyMock(side_effect=lambda: self.log)
        fake.again.side_effect = lambda folder: Kernel(
            folder / "bzImage", "linux 1", "hash", modules=(folder / "tdx_view.ko",))
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
        self.assertEqual(made.modules[-1].name, "tdx_view.ko")
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
        self.prepared()
        self.assertIn("return 1", (self.private / FILES[0]).read_text())

    def test_does_not_apply(self) -> None:
        with self.assertRaises(DoesNotApply):
            self.tree.kernel(edit(FILES[0], "return 3;"), self.folder)

    def test_broken_build(self) -> None:
        with mock.patch.object(self, "update", side_effect=KernelError("x.c:1: error")):
            broken = self.prepared()
            with self.assertRaisesRegex(BrokenBuild, "x.c:1: error"):
                broken.kernel(edit(FILES[0], "return 1;"), self.folder)

    def test_many(self) -> None:
        first, wrong = edit(FILES[0], "return 1;"), edit(FILES[1], "return 1;", "M2")
        absent = edit(FILES[0], "return 7;", "M3")
        compile_ = self.update

        def update(modules: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
            lines = (self.private / FILES[1]).read_text().splitlines()
            if "/* mutant M2 */" in lines:
                self.log = f"  two.c:{lines.index('/* mutant M2 */') + 2}:1: error: what"
                raise KernelError("two.c does not compile")
            return compile_(modules, folder)

        with mock.patch.object(self, "update", side_effect=update), mock.patch("mutants.tree.say"):
            many = self.prepared().many([first, wrong, absent])
        self.assertEqual((many.numbers, many.executed, many.differs),
                         ({"M1": 1}, {"M1": frozenset([0])}, {"M1": frozenset([0])}))
        self.assertEqual([("return 2" in text) for text in self.compiled], [True, False])
        self.assertEqual([path.name for path in many.kernel.modules][-2:], ["kvm-amd.ko", "tdx_view.ko"])
        self.assertEqual(self.prepared().many([first, wrong, absent]), many)     # no more to build

    def test_nobody_to_blame(self) -> None:
        with mock.patch.object(self, "update", side_effect=KernelError("no space")), \
                self.assertRaisesRegex(KernelError, "no space"):
            self.prepared().many([edit(FILES[0], "return 1;")])

    def test_another_set_of_files(self) -> None:
        tree.lay(self.origin, self.private, [Path("a/c/other.c")])
        self.assertFalse((self.private / "a/c").is_symlink())
        self.assertTrue((self.private / "a/b/beside.c").is_symlink())
        self.assertIn("return 1", (self.private / FILES[0]).read_text())

    def test_a_run_beside_it_with_other_files(self) -> None:
        """Each finds the other's mutant, and compiles without it."""
        beside = Tree(Cache(self.folder / "cache"), Source(self.origin, "linux 1", fixed=True),
                      [Path("a/c/other.c")])
        self.tree.kernel(edit(FILES[0], "return 1;"), self.folder)
        beside.modules(edit(Path("a/c/other.c"), "return 1;"), self.folder)
        self.assertIn("return 1", self.compiled[0])
        self.tree.modules(None, self.folder)
        self.assertIn("return 1", (self.private / "a/c/other.c").read_text())

    def test_a_file_of_another_set_is_compiled_again(self) -> None:
        """A link would bring back the time of the original: older than the mutant's object."""
        for file in FILES:
            (self.private / file).write_text("mutant of another run")
            os.utime(self.origin / file, (0, 0))
        before = {file: (self.private / file).stat().st_mtime_ns for file in FILES}
        tree.lay(self.origin, self.private, [Path("a/c/other.c")])
        for file in FILES:
            self.assertIn("return 1", (self.private / file).read_text())
            self.assertGreaterEqual((self.private / file).stat().st_mtime_ns, before[file])
