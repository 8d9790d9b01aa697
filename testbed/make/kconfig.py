# SPDX-License-Identifier: GPL-2.0-only
"""Kernel configurations: what a .config or a fragment of one says."""

from __future__ import annotations

import re

ONE_OF = re.compile(r"^# one of: (.+)$", re.MULTILINE)
OPTION = re.compile(r"^(?:(CONFIG_\w+)=(.+)|# (CONFIG_\w+) is not set)$", re.MULTILINE)


def options(text: str) -> dict[str, str]:
    """Option -> value in a .config or a fragment; "n" for one that is not set."""
    return {match[1] or match[3]: match[2] or "n" for match in OPTION.finditer(text)}


def dropped(fragment: str, config: str) -> tuple[str, ...]:
    """What the fragment wants and the final configuration does not have."""
    final = options(config)
    groups = [match[1].split() for match in ONE_OF.finditer(fragment)]

    def replaced(name: str) -> bool:
        return any(name in group and any(final.get(other, "n") != "n" for other in group if other != name)
                   for group in groups)

    return tuple(f"{name}={value}" for name, value in options(fragment).items()
                 if final.get(name, "n") != value and not replaced(name))
