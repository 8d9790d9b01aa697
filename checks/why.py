# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a check's output that say why it failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from testbed.steps import telling

LAST = 40           # lines that are shown
EARLIER = 20        # earlier lines that look like errors
# Passed tests, and make's lines about folders.
FINE = re.compile(r"\s*(?:# )*(?:ok|xfail|skip)\b|.* \.\.\. ok$|make(?:\[\d+\])?: (?:Enter|Leav)ing ")
LOUD = re.compile(r"(?i)\b(?:error|fail(?:ed|ure)?|not ok|broken|traceback|panic|hang|died)\b")


def lines(output: str) -> list[str]:
    """The lines that explain the failure: at most LAST + EARLIER + 1."""
    said = [line.rstrip() for line in telling(output.splitlines()) if not FINE.match(line)]
    before, last = said[:-LAST], said[-LAST:]
    loud = [line for line in before if LOUD.search(line)][:EARLIER]
    return [*loud, *(["..."] if before else []), *last]


def text(output: str) -> str:
    return "\n".join(f"    {line}" for line in lines(output))


def last_words(output: str) -> str:
    """The last non-empty line: why a check was skipped."""
    said: Sequence[str] = [line.strip() for line in output.splitlines() if line.strip()]
    return said[-1] if said else ""
