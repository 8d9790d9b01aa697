# SPDX-License-Identifier: GPL-2.0-only
"""What a build prints: a line a step, as the kernel's make has it, and what says more."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What is made begins in the eleventh column: results of tests are not meant.
STEP = re.compile(r"  ([A-Z]\S*)(?: \[M\])? +(?<=^.{10})\S")
COMPILING = ("AS", "CC", "CXX")


def is_object(line: str) -> bool:
    """Whether it tells of an object that is compiled."""
    step = STEP.match(line)
    return step is not None and step[1] in COMPILING


def telling(lines: Iterable[str]) -> list[str]:
    """The lines that say more than what is being made."""
    return [line for line in lines if not STEP.match(line)]
