# SPDX-License-Identifier: GPL-2.0-only
"""Images and modules that are kernels as far as their headers go."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable

VERSION = "7.2.12-test"


def bzimage(config: str | None = None, version: str = VERSION,
            compress: Callable[[bytes], bytes] = gzip.compress) -> bytes:
    """With an embedded configuration, if there is one."""
    kernel = b"\x7fELF" + bytes(100)
    if config is not None:
        kernel += b"IKCFG_ST" + gzip.compress(config.encode()) + b"IKCFG_ED"
    payload = compress(kernel) + struct.pack("<I", len(kernel))
    image = bytearray(2 * 512)
    image[0x1f1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20e, 0x100)
    text = f"{version} (somebody@somewhere) #1 SMP".encode()
    image[0x300:0x300 + len(text)] = text
    struct.pack_into("<II", image, 0x248, 16, len(payload))
    return bytes(image) + bytes(16) + payload


def module(depends: str = "", version: str = VERSION) -> bytes:
    """An ELF file with the sections .modinfo and .shstrtab, and nothing else."""
    told = (b"license=GPL\0" + f"depends={depends}\0".encode() + b"parm=first\0parm=second\0"
            + f"vermagic={version} SMP preempt mod_unload \0".encode())
    names = b"\0.modinfo\0.shstrtab\0"
    at = 64 + len(told) + len(names)
    header = struct.pack("<6s10xHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 1, 62, 1, 0, 0, at, 0, 64, 0, 0,
                         64, 3, 2)
    sections = b"".join(
        struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, offset, size, 0, 0, 1, 0)
        for name, offset, size in ((0, 0, 0), (1, 64, len(told)), (10, 64 + len(told), len(names))))
    return header + told + names + sections
