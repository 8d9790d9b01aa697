# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with mutants in them: private sources, and a build tree that is kept.

The sources are links to a tree that is only read, but for the files that some
mutant changes, which are copies.  The kernel itself is built once; a mutant
costs what make finds out of date, and a link of KVM's modules.  All that fit are
in one more kernel, which is kept (schemata.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from testbed.errors import KernelError
from testbed.make import kernel
from testbed.make.cache import Cache, digest
from testbed.make.kernel import Kernel
from testbed.make.source import Source
from testbed.progress import say

from mutants import frontend, same
from mutants.mutant import Mutant
from mutants.schemata import HOME, NOBODY, ORIGINAL, Combined, combine

CONFIG = Path(__file__).parent / "modules.config"
# In the order of loading; the last two are for one vendor each, and one of them fails to load.
MODULES = tuple(Path(name) for name in (
    "virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko",
    "arch/x86/kvm/kvm-intel.ko", "arch/x86/kvm/kvm-amd.ko",
))


class BrokenBuild(Exception):
    """The mutant does not compile."""


@dataclass(frozen=True)
class Many:
    """The kernel with many mutants."""

    kernel: Kernel
    key: str                            # differs where the kernel does
    numbers: dict[str, int]             # of the mutants in it
    executed: dict[str, frozenset[int]]     # by mutant, as in schemata.Combined
    differs: dict[str, frozenset[int]]
    same: dict[str, str]                # whose code is that of another, or, "", of the original


class Tree:
    def __init__(self, cache: Cache, origin: Source, files: Iterable[Path], debug: str = "") -> None:
        """`debug`: of the kernels that check themselves (kernel.DEBUG) which one, or none."""
        self._origin = origin
        self._files = sorted({*files, HOME})
        self._folder = cache.folder / "mutants" / "sources" / digest(str(origin.path))
        self._cache = cache
        self._threads = Lock()
        self._image = TemporaryDirectory(prefix="kts-mutants-")    # private to this run
        self._base: Kernel | None = None    # after preparation
        identity = f"{origin.identity}, KVM as modules"
        self._build = kernel.Build(cache, Source(self._folder, identity, fixed=False),
                                   [*kernel.fragments(debug), CONFIG])

    @property
    def key(self) -> str:
        """A key for the build without the mutant."""
        return self._build.key

    @property
    def built(self) -> Path:
        """The build tree."""
        return self._build.tree

    @property
    def sources(self) -> Path:
        """The private sources."""
        return self._folder

    def prepare(self) -> Kernel:
        """The kernel without a mutant, built once."""
        with self._lock():
            if self._base is None:
                self._lay_out({})
                self._base = self._build.again(Path(self._image.name))
            return self._base

    def many(self, mutants: Sequence[Mutant]) -> Many:
        """The kernel with all of these that fit and compile; from the cache, or built."""
        first = combine(mutants, self._origin.path)
        key = digest(self.key, *(text for _, text in sorted(first.texts.items())))
        folder = self._cache.entry("many", key, "building many mutants",
                                   lambda folder: self._make_many(mutants, first, folder))
        facts = json.loads((folder / "many.json").read_text())
        modules = tuple(folder / name for name in facts["modules"])
        built = Kernel(folder / "bzImage", f"{self._origin.identity}, {len(facts['numbers'])} mutants in it",
                       facts["config_hash"], modules=modules)
        executed, differs = ({name: frozenset(places) for name, places in facts[which].items()}
                             for which in ("executed", "differs"))
        return Many(built, key, facts["numbers"], executed, differs, facts["same"])

    def _make_many(self, mutants: Sequence[Mutant], combined: Combined, folder: Path) -> None:
        """Without the mutants that do not compile: they will be told so one by one."""
        without = NOBODY
        with self._lock():
            while True:
                self._lay_out(combined.texts)
                try:
                    base = self._build.again(folder)
                    modules = self._build.update(MODULES, folder)
                    break
                except KernelError:
                    wrong = combined.blamed(self._build.log)
                    if not wrong:
                        raise
                if wrong.mutants:
                    say(f"do not compile: {', '.join(sorted(wrong.mutants))}")
                without |= wrong
                combined = combine(mutants, self._origin.path, without)
            twins = self._twins(combined)
        (folder / "many.json").write_text(json.dumps({
            "numbers": combined.numbers,
            "executed": {name: sorted(places) for name, places in combined.executed.items()},
            "differs": {name: sorted(places) for name, places in combined.differs.items()},
            "same": twins,
            "modules": [path.name for path in (*modules, *base.modules)],
            "config_hash": base.config_hash,
        }))

    def _twins(self, combined: Combined) -> dict[str, str]:
        twins: dict[str, str] = {}
        for file in combined.texts:
            path = frontend.object_file(self._build.tree, file)
            if path.exists():
                codes = same.functions(same.disassembly(path))
                twins |= same.same(codes, combined.numbers, ORIGINAL)
        return twins

    def kernel(self, mutant: Mutant | None, folder: Path) -> Kernel:
        """The kernel with this mutant, or with none, its modules in `folder`."""
        base = self.prepare()
        return Kernel(base.image, base.origin, base.config_hash, base.dropped,
                      self.modules(mutant, folder) + base.modules)

    def modules(self, mutant: Mutant | None, folder: Path) -> tuple[Path, ...]:
        """KVM's modules with this mutant, or with none; somebody has prepared the tree."""
        with self._lock():
            self._lay_out(mutant.apply(self._origin.path) if mutant else {})
            try:
                return self._build.update(MODULES, folder)
            except KernelError as error:
                raise BrokenBuild(str(error)) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Locks out the other threads of this run, and other runs."""
        with self._threads, self._cache.lock(f"mutants-{self._folder.name}", "building a mutant"):
            yield

    def _lay_out(self, changed: Mapping[Path, str]) -> None:
        """Also what a run beside this one, whose mutants have other files, has left."""
        lay(self._origin.path, self._folder, self._files)
        for file in self._files:
            self._put(file, changed.get(file) or self._original(file))

    def _original(self, file: Path) -> str:
        return (self._origin.path / file).read_text()

    def _put(self, file: Path, text: str) -> None:
        """Write the files that differ, so that make recompiles them; restored ones, too."""
        path = self._folder / file
        if not path.exists() or path.read_text() != text:
            path.unlink(missing_ok=True)    # never through a link: another run may have created it
            path.write_text(text)


def lay(origin: Path, folder: Path, files: Iterable[Path]) -> None:
    """Link all of `origin` but `files`; the folders above these are real ones."""
    below: dict[str, list[Path]] = {}
    for file in files:
        below.setdefault(file.parts[0], []).append(Path(*file.parts[1:]))
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in below and not path.is_symlink() and path.is_dir():
            below[path.name] = []   # left from another set of files
    link_all(origin, folder, apart=below)
    for name, rest in below.items():
        if rest != [Path()]:
            lay(origin / name, folder / name, rest)


def link_all(origin: Path, folder: Path, apart: Iterable[str]) -> None:
    """Link the entries of `origin` here, but some names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in origin.iterdir()} - set(apart)
    for path in folder.iterdir():
        if path.is_symlink() and path.name not in names:
            path.unlink()
    for name in names:
        link(folder / name, origin / name)


def link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    # A file of another set: what was compiled from it would be newer than a link's target.
    if path.is_file() and not path.is_symlink():
        restore(path, target.read_text())
        return
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def restore(path: Path, text: str) -> None:
    """Write the file if it differs, so that make recompiles it."""
    if path.read_text() != text:
        path.write_text(text)
