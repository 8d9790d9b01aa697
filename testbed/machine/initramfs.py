# SPDX-License-Identifier: GPL-2.0-only
"""The file system of the guest: busybox, the tests, what they link to, a plan.

Written as a cpio archive without compression: QEMU hands it over by DMA, so
unpacking it under emulation would cost more than it saves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make.cpio import Archive

INIT = Path(__file__).parent / "init"
FOLDERS = ("bin", "dev", "mnt", "mnt/file", "proc", "run", "sys", "tests", "tmp")


def libraries(programs: Iterable[Path]) -> set[str]:
    """The shared libraries of the programs, and their loader."""
    found: set[str] = set()
    for program in programs:
        ldd = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        if missing := re.findall(r"(\S+) => not found", ldd.stdout):
            raise HarnessError(f"{program} needs {', '.join(missing)}, which is not installed")
        found.update(re.findall(r"(?:^|=>)\s*(/\S+) \(0x", ldd.stdout, re.MULTILINE))
    return found


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def busybox() -> Path:
    path = shutil.which("busybox")
    if path is None:
        raise HarnessError("busybox is not installed")
    return Path(path)


def build(tests: Sequence[Path], plan: str, modules: Sequence[Path] = (),
          guest: Path | None = None, others: Mapping[str, Path] | None = None) -> bytes:
    """The archive that loads `modules`, in their order, and runs `plan` on `tests`.

    `guest` is a kernel that tests boot in a TD; `others` are more files, by their path there.
    """
    shell = busybox()
    applets = subprocess.run([shell, "--list"], capture_output=True, text=True, check=True)
    archive = Archive()
    for folder in FOLDERS:
        archive.folder(folder)
    archive.device("dev/console", 5, 1)
    archive.file("init", INIT.read_bytes())
    archive.file("bin/busybox", shell.read_bytes())
    for applet in applets.stdout.split():
        archive.link(f"bin/{applet}", "busybox")
    for path in tests:
        archive.file(f"tests/{path.name}", path.read_bytes())
    for path in modules:
        archive.file(f"modules/{path.name}", path.read_bytes(), 0o644)
    if guest:
        archive.file("guest/bzImage", guest.read_bytes(), 0o644)
    for name, path in (others or {}).items():
        archive.file(name.lstrip("/"), path.read_bytes(), path.stat().st_mode & 0o777)
    linked = [path for path in (others or {}).values() if is_elf(path)]
    for library in sorted(libraries([shell, *tests, *linked])):
        archive.file(library.lstrip("/"), Path(library).read_bytes())
    lines = "".join(f"/modules/{path.name} {path.stem.replace('-', '_')}\n" for path in modules)
    archive.file("run/modules", lines.encode(), 0o644)
    archive.file("run/plan", plan.encode(), 0o644)
    return archive.finish()
