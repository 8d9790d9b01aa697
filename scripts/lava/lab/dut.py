# SPDX-License-Identifier: GPL-2.0-only
"""What LAVA boots on a device of type qemu: a kernel, and a file system with the suite.

The file system is the testbed's; instead of tests its first process runs a shell on the
console, as LAVA expects it of a device.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import cli, exit_status
from testbed.boots import BOOTS, COMMON
from testbed.machine import initramfs
from testbed.make import kernel, kselftest, packages, source
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel
from testbed.progress import say

KSELFTEST = "/opt/kselftest"
SHELL = """#!/bin/sh
cd /
exec setsid sh -c 'exec sh <>/dev/ttyS0 >&0 2>&1'
"""


@dataclass(frozen=True)
class Dut:
    """A kernel, its modules, and the file system, in `folder`."""

    folder: Path
    name: str

    @property
    def kernel(self) -> Path:
        return self.folder / f"{self.name}.bzImage"

    @property
    def ramdisk(self) -> Path:
        return self.folder / f"{self.name}.cpio"

    @property
    def modules(self) -> Path:
        return self.folder / f"{self.name}.modules"

    def values(self, url: str) -> dict[str, str]:
        """Of the template kselftest, where `url` is the folder."""
        chosen = BOOTS["default"]
        base = url.rstrip("/")
        # Not quiet: LAVA waits for the kernel's first message.
        return {"KERNEL": f"{base}/{self.kernel.name}", "RAMDISK": f"{base}/{self.ramdisk.name}",
                "CMDLINE": f"console=ttyS0 panic=-1 {COMMON} numa=fake={chosen.nodes}",
                "KSELFTEST": KSELFTEST}


class Maker:
    """Packs the suite once, and puts it into file systems in `folder`."""

    def __init__(self, cache: Cache, folder: Path) -> None:
        self._cache = cache
        self._folder = folder
        self._work = tempfile.TemporaryDirectory(prefix="kts-dut-")
        work = Path(self._work.name)
        sources = source.distribution_tree(cache, refresh=False).path
        self._installed = kselftest.pack(sources, work)
        self._shell = work / "shell"
        self._shell.write_text(SHELL)
        self._shell.chmod(0o755)
        folder.mkdir(parents=True, exist_ok=True)

    def kernel(self, wanted: Path | str | None = None, modules: Path | None = None) -> Kernel:
        """The kernel of run_tests.sh --kernel."""
        return kernel.provide(self._cache, wanted, debug="", refresh=False, work=Path(self._work.name),
                              modules=modules, emulators=["qemu"])

    def make(self, name: str, tested: Kernel) -> Dut:
        made = Dut(self._folder, name)
        archive = initramfs.build(
            [self._shell], f"{self._shell.name}\n",
            modules=[path for path in tested.modules if path.name != "tdx_view.ko"],
            others=files_of(self._installed))
        shutil.copy(tested.image, made.kernel)
        made.ramdisk.write_bytes(archive)
        made.modules.mkdir(exist_ok=True)
        for module in tested.modules:
            shutil.copy(module, made.modules)
        return made


def files_of(installed: Path) -> dict[str, Path]:
    """The files of the installed collection, but its tar archive, by their path on the device."""
    archive = installed / kselftest.ARCHIVE
    return {f"{KSELFTEST}/{path.relative_to(installed)}": path
            for path in sorted(installed.rglob("*")) if path.is_file() and path != archive}


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="scripts/lava/dut",
        description="Write a kernel, and a file system with the suite as an installed collection "
        "of the kernel's selftests; print the values of the template kselftest for them.")
    new.add_argument("--kernel", metavar="DIR|bzImage|VERSION",
                     help="kernel under test, as run_tests.sh --kernel takes it")
    new.add_argument("--modules", type=Path, metavar="DIR", help="with --kernel bzImage: its modules")
    new.add_argument("--out", type=Path, required=True, metavar="DIR", help="write the files here")
    new.add_argument("--url", default="URL", help="where workers will find DIR")
    return new


def execute(words: Sequence[str]) -> int:
    arguments = parser().parse_args(words)
    wanted = cli.wanted_kernel(arguments.kernel)
    packages.require(["emulator", "kernel", "kselftest"], may_install=False)
    maker = Maker(Cache(), arguments.out)
    tested = maker.kernel(wanted, arguments.modules)
    made = maker.make("tested", tested)
    say(f"made of {tested.origin}:")
    say(" ".join(shlex.quote(f"{key}={value}") for key, value in made.values(arguments.url).items()))
    return 0


def main() -> int:
    return exit_status.of("scripts/lava/dut", lambda: execute(sys.argv[1:]))
