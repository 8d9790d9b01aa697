# SPDX-License-Identifier: GPL-2.0-only
"""What cases were called before: results of earlier versions of the suite stay comparable.

renames.toml has a line for each case that moved or was renamed, the oldest first:
"old_test:old_case" = "new_test:new_case", without the VM type.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).resolve().parent / "renames.toml"


@functools.cache
def renames() -> Mapping[str, str]:
    return {str(old): str(new) for old, new in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def current(test: str, case: str) -> tuple[str, str]:
    """The current test and name of a case; a VM type stays."""
    name, dot, vm_type = case.partition(".")
    key = f"{test}:{name}"
    seen = set()
    while key in renames() and key not in seen:
        seen.add(key)
        key = renames()[key]
    test, _, name = key.partition(":")
    return test, name + dot + vm_type
