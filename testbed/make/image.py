# SPDX-License-Identifier: GPL-2.0-only
"""A kernel image that somebody built: its version, and the configuration it was built with.

The layout of a bzImage is that of Linux's Documentation/arch/x86/boot.rst; an embedded
configuration is what kernel/configs.c has between its markers.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import UsageError

EMBEDDED = re.compile(rb"IKCFG_ST(.*?)IKCFG_ED", re.DOTALL)
# "Linux/x86 7.2.12 Kernel Configuration" or "Linux/x86_64 6.6.1-300.x86_64 ...".
HEADING = re.compile(r"^# Linux/\S+ (\d+\.\d+(?:\.\d+)?)", re.MULTILINE)


def filtered(*command: str) -> Callable[[bytes], bytes]:
    """Through a program; it complains of what follows, which is no matter."""
    def run(data: bytes) -> bytes:
        return subprocess.run(command, input=data, capture_output=True, check=False).stdout
    return run


# What a compressed kernel begins with, and what decompresses it.  The size of the kernel
# follows in four bytes.
DECOMPRESSORS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"]\0\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\x28\xb5\x2f\xfd", filtered("zstd", "-dcq")),
    (b"\x02\x21\x4c\x18", filtered("lz4", "-dcq")),
)


@dataclass(frozen=True)
class Image:
    path: Path
    version: str                    # as `uname -r` says it
    config: str | None              # None: not known
    config_from: str = ""           # where that was found


def read(path: Path, modules: Path | None = None) -> Image:
    """What the bzImage at `path` is, whose modules are in `modules`."""
    data = path.read_bytes()
    if data[0x202:0x206] != b"HdrS":
        raise UsageError(f"--kernel: {path} is neither a source tree nor a bzImage")
    version = version_of(data)
    embedded = embedded_config(data)
    if embedded is not None:
        return Image(path.resolve(), version, embedded, "in the image")
    for candidate in beside(path.resolve(), version, modules):
        text = candidate.read_text(errors="replace") if candidate.is_file() else ""
        if is_of(text, version):
            return Image(path.resolve(), version, text, str(candidate))
    return Image(path.resolve(), version, None)


def version_of(data: bytes) -> str:
    """The first word of the text that the header points at; "" without one."""
    (offset,) = struct.unpack_from("<H", data, 0x20e)
    if not offset:
        return ""
    text = data[0x200 + offset:0x200 + offset + 256].partition(b"\0")[0]
    return text.decode(errors="replace").partition(" ")[0]


def embedded_config(data: bytes) -> str | None:
    """CONFIG_IKCONFIG's, if the kernel in the image can be decompressed here."""
    start, length = struct.unpack_from("<II", data, 0x248)
    begin = (data[0x1f1] + 1) * 512 + start
    found = EMBEDDED.search(decompressed(data[begin:begin + length]))
    return gzip.decompress(found[1]).decode(errors="replace") if found else None


def decompressed(payload: bytes) -> bytes:
    """Nothing where it cannot be done: the program is missing, or the data are no kernel."""
    for mark, decompress in DECOMPRESSORS:
        if payload.startswith(mark):
            try:
                return decompress(payload)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return b""
    return b""


def beside(image: Path, version: str, modules: Path | None) -> Iterator[Path]:
    """Where distributions and kernel trees leave the configuration of this image."""
    yield image.with_name(f"config-{version}")
    yield image.with_name("config")
    if modules:
        yield modules / "config"
        yield modules / "build/.config"
    if image.parts[-4:-1] == ("arch", "x86", "boot"):
        yield image.parents[3] / ".config"


def is_of(config: str, version: str) -> bool:
    """Whether it may be this kernel's: its heading has the version without what was added."""
    heading = HEADING.search(config)
    return heading is not None and re.match(rf"{re.escape(heading[1])}(?!\d)", version) is not None
