# SPDX-License-Identifier: GPL-2.0-only
"""The file system of the guest: busybox, the tests, what they link to, a plan.

Written as a cpio archive without compression: QEMU hands it over by DMA, so
unpacking it under emulation would cost more than it saves.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from testbed.errors import HarnessError

INIT = Path(__file__).parent / "init"
FOLDERS = ("bin", "dev", "mnt", "mnt/file", "proc", "run", "sys", "tests", "tmp")


class Archive:
    """A cpio archive in the format "newc", which the kernel unpacks."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._names: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes, device: tuple[int, int]) -> None:
        if name in self._names:
            return
        self._names.add(name)
        path = name.encode() + b"\0"
        fields = (len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self._data += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._pad()
        self._data += data
        self._pad()

    def _pad(self) -> None:
        self._data += bytes(-len(self._data) % 4)

    def folder(self, name: str) -> None:
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        self._entry(name, stat.S_IFDIR | 0o755, b"", (0, 0))

    def file(self, name: str, data: bytes, mode: int = 0o755) -> None:
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data, (0, 0))

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"", (0, 0))
        return bytes(self._data)


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
