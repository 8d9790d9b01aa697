# SPDX-License-Identifier: GPL-2.0-only
"""The suite as the kernel's own kselftest collection, built from the testbed's kernel sources."""

from __future__ import annotations

import shutil
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make.programs import ROOT
from testbed.progress import Progress
from testbed.steps import CommandFailed, lines_of

SELFTESTS = "tools/testing/selftests"
COLLECTION = "kvm/x86/tdx"
ARCHIVE = "kselftest-packages/kselftest.tar.gz"     # in the folder that `pack` returns


def make(progress: Progress, *arguments: str | Path) -> None:
    try:
        for line in lines_of(["make", "-s", *map(str, arguments)]):
            progress.update(line.strip())
    except CommandFailed as error:
        raise HarnessError(f"make {' '.join(map(str, arguments))}:\n{error}") from error


def pack(sources: Path, work: Path) -> Path:
    """The folder of the installed collection, with its tar archive.

    Works on a copy of the selftests of `sources`, which is only read.
    """
    progress = Progress("packing the suite as a collection of the kernel's selftests")
    tree, installed = work / "linux", work / "installed"
    (tree / "scripts").mkdir(parents=True)
    shutil.copy(sources / "Makefile", tree)
    shutil.copy(sources / "scripts/subarch.include", tree / "scripts")
    shutil.copytree(sources / SELFTESTS, tree / SELFTESTS, symlinks=True)
    makefile = tree / SELFTESTS / "Makefile"
    before = makefile.read_text()
    make(progress, "-C", ROOT, "install", f"KDIR={tree}")
    make(progress, "-C", tree / SELFTESTS, "-j2", f"TARGETS={COLLECTION}",
         "FORCE_TARGETS=1", f"INSTALL_PATH={installed}", "gen_tar")
    make(progress, "-C", tree / SELFTESTS, f"TARGETS={COLLECTION}", "clean")
    make(progress, "-C", ROOT, "uninstall", f"KDIR={tree}")
    if (tree / SELFTESTS / COLLECTION).exists() or makefile.read_text() != before:
        raise HarnessError("make uninstall left something behind")
    progress.done()
    return installed
