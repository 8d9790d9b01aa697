# SPDX-License-Identifier: GPL-2.0-only
"""One change of one file of Bochs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Every one of the `count` places where `anchor` is becomes `replacement`.

    A blank in the anchor stands for any white space.
    """

    why: str
    file: str
    anchor: str
    replacement: str
    count: int = 1
    fixed_in: tuple[int, int] | None = None    # the Bochs that no longer needs it
