# SPDX-License-Identifier: GPL-2.0-only
"""A file system as a cpio archive, which Linux unpacks as it boots."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path


class Archive:
    """A cpio archive in the format "newc", which the kernel unpacks."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._names: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0),
               owner: tuple[int, int] = (0, 0)) -> None:
        if name in self._names:
            return
        self._names.add(name)
        path = name.encode() + b"\0"
        fields = (len(self._names), mode, *owner, 1, 0, len(data), 0, 0, *device, len(path), 0)
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
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, mode: int = 0o755) -> None:
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def tar(self, path: Path) -> None:
        """All that is in the tar archive, with owners and modes, but device files."""
        with tarfile.open(path) as tar:
            for member in tar:
                self._member(tar, member, os.path.normpath(member.name).lstrip("/"))

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        owner = member.uid, member.gid
        if name == ".":
            return
        if member.isdir():
            self._entry(name, stat.S_IFDIR | member.mode, b"", owner=owner)
        elif member.issym():
            self._entry(name, stat.S_IFLNK | 0o777, member.linkname.encode(), owner=owner)
        elif content := tar.extractfile(member):        # of a hard link, too
            self._entry(name, stat.S_IFREG | member.mode, content.read(), owner=owner)

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return bytes(self._data)
