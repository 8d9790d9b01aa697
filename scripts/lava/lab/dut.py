# SPDX-License-Identifier: GPL-2.0-only
"""What LAVA boots on a device of type qemu: a kernel, and a file system with the suite.

The file system is the testbed's; instead of tests its first process runs a shell on the
console, as LAVA expects it of a device.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mutants import mutant
from mutants.mutant import Edit, Mutant
from mutants.tree import Tree
from testbed.boots import BOOTS, COMMON
from testbed.machine import initramfs
from testbed.make import kernel, kselftest, source
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel

KSELFTEST = "/opt/kselftest"
SHELL = f"""#!/bin/sh
mkdir -p {KSELFTEST} && tar xzf /tests/kselftest.tar.gz -C {KSELFTEST}
cd /
exec setsid sh -c 'exec sh <>/dev/ttyS0 >&0 2>&1'
"""
# Kernels that differ for LAVA; mutants/run tries all mutants.
FAILING, FAILING_CASE = "N001", "unknown_flag"      # a prefault takes flags
DYING = Mutant(
    "dying", "A prefault with flags is the kernel's end", "a panic", ("default",),
    (Edit(Path("virt/kvm/kvm_main.c"), "kvm_vcpu_pre_fault_memory",
          ("if (range->flags) return -EINVAL;",),
          'if (range->flags) panic("a planted panic, of scripts/lava/local");'),))


@dataclass(frozen=True)
class Dut:
    """File names in a folder, and the kernel's command line."""

    kernel: str
    ramdisk: str

    @property
    def cmdline(self) -> str:
        chosen = BOOTS["default"]
        # Not quiet: LAVA waits for the kernel's first message.
        return f"console=ttyS0 panic=-1 {COMMON} numa=fake={chosen.nodes}"


class Duts:
    """Kernels and file systems in `folder`, named after the kernel's bug."""

    def __init__(self, cache: Cache, folder: Path) -> None:
        self._cache = cache
        self._folder = folder
        self._source = source.distribution_tree(cache, refresh=False)
        self._work = tempfile.TemporaryDirectory(prefix="kts-dut-")
        work = Path(self._work.name)
        self._installed = kselftest.pack(self._source.path, work)
        self._shell = work / "shell"
        self._shell.write_text(SHELL)
        self._shell.chmod(0o755)
        folder.mkdir(parents=True, exist_ok=True)
        self._mutants: dict[str, Dut] = {}
        tested = kernel.provide(cache, None, debug="", refresh=False, work=work)
        self.good = self._put("good", tested)

    def mutants(self) -> dict[str, Dut]:
        """A kernel with a failing case, and one that crashes; built on first use."""
        if self._mutants:
            return self._mutants
        catalogue = mutant.load()
        tree = Tree(self._cache, self._source, {file for one in catalogue for file in one.files})
        tree.prepare()
        failing = next(one for one in catalogue if one.id == FAILING)
        for name, planted in (("failing", failing), ("dying", DYING)):
            with tempfile.TemporaryDirectory() as work:
                self._mutants[name] = self._put(name, tree.kernel(planted, Path(work)))
        return self._mutants

    def _put(self, name: str, tested: Kernel) -> Dut:
        programs = sorted((self._installed / kselftest.COLLECTION).glob("*_test"))
        # The archive has the programs; the initramfs adds their libraries.
        archive = initramfs.build([self._shell, self._installed / kselftest.ARCHIVE, *programs],
                                  f"{self._shell.name}\n", modules=[
                                      path for path in tested.modules if path.name != "tdx_view.ko"])
        made = Dut(f"{name}.bzImage", f"{name}.cpio")
        shutil.copy(tested.image, self._folder / made.kernel)
        (self._folder / made.ramdisk).write_bytes(archive)
        return made
