# SPDX-License-Identifier: GPL-2.0-only
"""Kernels whose jobs must not pass: one with a bug that a case finds, one that panics."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.dut import Dut, Maker
from mutants import mutant
from mutants.mutant import Edit, Mutant
from mutants.tree import Tree
from testbed.make import source
from testbed.make.cache import Cache, digest
from testbed.make.kernel import Kernel
from testbed.make.source import Source

FAILING, FAILING_CASE = "N001", "unknown_flag"      # a prefault takes flags
PANIC = "a planted panic, of scripts/lava/local"
DYING = Mutant(
    "dying", "A prefault with flags is the kernel's end", "a panic", ("default",),
    (Edit(Path("virt/kvm/kvm_main.c"), "kvm_vcpu_pre_fault_memory",
          ("if (range->flags) return -EINVAL;",), f'if (range->flags) panic("{PANIC}");'),))


def make(cache: Cache, maker: Maker) -> tuple[Dut, Dut]:
    """The one with a bug, and the one that panics; built once."""
    planted = (next(one for one in mutant.load() if one.id == FAILING), DYING)
    origin = source.distribution_tree(cache, refresh=False)
    key = digest(tree(cache, origin, planted).key, *(str(edit.content) for one in planted for edit in one.edits))

    def build(folder: Path) -> None:
        """In a tree of their own: that of mutants/run changes with the checkout that uses it."""
        own = tree(Cache(folder / "build"), origin, planted)
        for one in planted:
            keep(own.kernel(one, empty(folder / "build" / one.id)), empty(folder / one.id))
        shutil.rmtree(folder / "build")

    folder = cache.entry("kernels", key, "building kernels with a bug", build)
    failing, dying = (maker.make(name, kept(folder / one.id, origin))
                      for name, one in zip(("failing", "dying"), planted))
    return failing, dying


def tree(cache: Cache, origin: Source, planted: tuple[Mutant, ...]) -> Tree:
    return Tree(cache, origin, {file for one in planted for file in one.files})


def empty(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def keep(built: Kernel, folder: Path) -> None:
    """Copy the files; the modules, in the order of loading, in numbered folders."""
    shutil.copy(built.image, folder / "bzImage")
    for number, module in enumerate(built.modules):
        shutil.copy(module, empty(folder / f"{number:02}") / module.name)


def kept(folder: Path, origin: Source) -> Kernel:
    return Kernel(folder / "bzImage", origin.identity, modules=tuple(sorted(folder.glob("*/*.ko"))))
