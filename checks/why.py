# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a check's output that say why it failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from testbed.steps import telling

LAST = 40           # lines that are shown
EARLIER = 20        # lines before these, of those that sound like trouble
# What went well, and what make says of folders.
FINE = re.compile(r"\s*(?:# )*(?:ok|xfail|skip)\b|.* \.\.\. ok$|make(?:\[\d+\])?: (?:Enter|Leav)ing ")
LOUD = re.compile(r"(?i)\b(?:error|fail(?:ed|ure)?|not ok|broken|traceback|panic|hang|died)\b")


def lines(output: str) -> list[str]:
    """At most LAST + EARLIER + 1 of them."""
    said = [line.rstrip() for line in telling(output.splitlines()) if not FINE.match(line)]
    before, last = said[:-LAST], said[-LAST:]
    loud = [line for line in before if LOUD.search(line)][:EARLIER]
    return [*loud, *(["..."] if before else []), *last]


def text(output: str) -> str:
    return "\n".join(f"    {line}" for line in lines(output))


def last_words(output: str) -> str:
    """The last line that is not empty: why a check was skipped."""
    said: Sequence[str] = [line.strip() for line in output.splitlines() if line.strip()]
    return said[-1] if said else ""
