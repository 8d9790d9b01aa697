# SPDX-License-Identifier: GPL-2.0-only
"""The suite as the kernel's own kselftest collection, built from the testbed's kernel sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make.programs import ROOT

SELFTESTS = "tools/testing/selftests"
COLLECTION = "kvm/x86/tdx"
ARCHIVE = "kselftest-packages/kselftest.tar.gz"     # in the folder that `pack` returns


def make(*arguments: str | Path) -> None:
    done = subprocess.run(["make", "-s", *arguments], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise HarnessError(f"make {' '.join(map(str, arguments))}:\n{done.stdout}")


def pack(sources: Path, work: Path) -> Path:
    """The folder of the installed collection, with its tar archive.

    Works on a copy of the selftests of `sources`, which is only read.
    """
    tree, installed = work / "linux", work / "installed"
    (tree / "scripts").mkdir(parents=True)
    shutil.copy(sources / "Makefile", tree)
    shutil.copy(sources / "scripts/subarch.include", tree / "scripts")
    shutil.copytree(sources / SELFTESTS, tree / SELFTESTS, symlinks=True)
    makefile = tree / SELFTESTS / "Makefile"
    before = makefile.read_text()
    make("-C", ROOT, "install", f"KDIR={tree}")
    make("-C", tree / SELFTESTS, "-j2", f"TARGETS={COLLECTION}", "FORCE_TARGETS=1",
         f"INSTALL_PATH={installed}", "gen_tar")
    make("-C", tree / SELFTESTS, f"TARGETS={COLLECTION}", "clean")
    make("-C", ROOT, "uninstall", f"KDIR={tree}")
    if (tree / SELFTESTS / COLLECTION).exists() or makefile.read_text() != before:
        raise HarnessError("make uninstall left something behind")
    return installed
