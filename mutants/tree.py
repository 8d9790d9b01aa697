# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with a mutant in them: private sources, and a build tree that is kept.

The sources are links to a tree that is only read, but for the files that some
mutant changes, which are copies.  The kernel itself is built once; a mutant
costs what make finds out of date, and a link of KVM's modules.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from testbed.errors import KernelError
from testbed.make import kernel
from testbed.make.cache import Cache, digest
from testbed.make.kernel import Kernel
from testbed.make.source import Source

from mutants.mutant import Mutant

CONFIG = Path(__file__).parent / "modules.config"
# In the order of loading; the last two are for one vendor each, and one of them fails to load.
MODULES = tuple(Path(name) for name in (
    "virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko",
    "arch/x86/kvm/kvm-intel.ko", "arch/x86/kvm/kvm-amd.ko",
))


class BrokenBuild(Exception):
    """The mutant does not compile."""


class Tree:
    _build: kernel.Build    # after preparation
    _base: Kernel

    def __init__(self, cache: Cache, origin: Source, files: Iterable[Path]) -> None:
        self._origin = origin
        self._files = sorted(set(files))
        self._folder = cache.folder / "mutants" / "sources" / digest(str(origin.path))
        self._cache = cache
        self._threads = Lock()
        self._image = TemporaryDirectory(prefix="kts-mutants-")    # private to this run

    @property
    def key(self) -> str:
        """A key for the build without the mutant."""
        return self._build.key

    def prepare(self) -> Kernel:
        """The kernel without a mutant, built once."""
        with self._lock():
            lay(self._origin.path, self._folder, self._files)
            for file in self._files:
                self._put(file, self._original(file))
            identity = f"{self._origin.identity}, KVM as modules"
            tree = Source(self._folder, identity, fixed=False)
            self._build = kernel.Build(self._cache, tree, [kernel.BASE, CONFIG])
            self._base = self._build.again(Path(self._image.name))
        return self._base

    def kernel(self, mutant: Mutant | None, folder: Path) -> Kernel:
        """The kernel with this mutant, or with none, its modules in `folder`."""
        with self._lock():
            changed = mutant.apply(self._origin.path) if mutant else {}
            for file in self._files:
                self._put(file, changed.get(file) or self._original(file))
            try:
                modules = self._build.update(MODULES, folder)
            except KernelError as error:
                raise BrokenBuild(str(error)) from error
        return Kernel(self._base.image, self._base.origin, self._base.config_hash,
                      self._base.dropped, modules + self._base.modules)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Locks out the other threads of this run, and other runs."""
        with self._threads, self._cache.lock(f"mutants-{self._folder.name}", "building a mutant"):
            yield

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
            shutil.rmtree(path)     # left from another set of files
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
    path.unlink(missing_ok=True)
    path.symlink_to(target)
