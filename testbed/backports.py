# SPDX-License-Identifier: GPL-2.0-only
"""What the user says of a distribution's kernel, whose number does not tell what its KVM is.

The tests read it from their environment (lib/kernel.c, lib/known_issues.c), and results
and certificates say that they were judged so.
"""

from __future__ import annotations

import os
import re

from testbed.errors import UsageError

SETTINGS = ("KTS_KVM_VERSION", "KTS_FIXED")
WRONG = re.compile(r"[^\w.,+-]")


def settings() -> str:
    """For the kernel's command line: "KTS_KVM_VERSION=6.17 KTS_FIXED=E1,S1", or empty."""
    told = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    for name, value in told.items():
        if WRONG.search(value):
            raise UsageError(f"{name}={value}: letters, digits, dots and commas only")
    return " ".join(f"{name}={value}" for name, value in told.items())
