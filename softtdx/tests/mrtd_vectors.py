#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The MRTD vectors of test_mr.c, computed from the specification's text alone."""

import hashlib
import pathlib
import struct
import sys


def add(gpa: int) -> bytes:
    return b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", gpa).ljust(112, b"\0")


def extend(gpa: int, data: bytes) -> bytes:
    return b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", gpa).ljust(112, b"\0") + data


def main() -> int:
    vectors = {
        "empty": b"",
        "two pages": add(0x40000000) + extend(0x40000000, b"\xa5" * 256) + add(0x40001000),
    }
    source = (pathlib.Path(__file__).parent / "test_mr.c").read_text()
    missing = 0
    for name, stream in vectors.items():
        digest = hashlib.sha384(stream).hexdigest()
        if digest not in source:
            print(f"not ok - MRTD vector {name}: {digest} is not in test_mr.c")
            missing += 1
        else:
            print(f"ok - MRTD vector {name}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
