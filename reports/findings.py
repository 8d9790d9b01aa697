# SPDX-License-Identifier: GPL-2.0-only
"""What docs/findings.md says of each defect of the kernel, for whoever reads a certificate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/findings.md"
# "## L1: title", and its first paragraph: affected kernels, the fix, the cases that show it.
STORY = re.compile(r"^## ([A-Z]\d+): (.+)\n\n((?:.+\n)+)", re.MULTILINE)
CASES = re.compile(r"\s+Cases? `.*", re.DOTALL)


@dataclass(frozen=True)
class Story:
    title: str
    kernels: str        # "Kernels 6.11 to 7.3; fixed in ... by ..."


def stories(path: Path = DOCUMENT) -> dict[str, Story]:
    """The findings by id."""
    return {name: Story(title, " ".join(CASES.sub("", first).split()))
            for name, title, first in STORY.findall(path.read_text())}
