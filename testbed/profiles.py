# SPDX-License-Identifier: GPL-2.0-only
"""--profile: what is run how often, a file each in profiles/.

A profile only says what the command line could say, too; what the command line says
wins.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from testbed.errors import UsageError
from testbed.make.kernel import DEBUG

FOLDER = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Profile:
    summary: str
    tests: tuple[str, ...] = ()     # as --tests; empty: all
    nightly: bool = False
    repeat: int = 1
    seed: int | None = None         # None: a random one
    rehearsal: bool = False         # --on native in an emulated host (testbed/rehearsal.py)
    minutes: int | None = None      # no further run starts after this time
    # Minutes more for races, with seeds of their own each night; and as many on the debug kernel
    # that looks for races, if it is among `debug_kernels`.
    explore: int = 0
    # Names in kernel.DEBUG: afterwards each case runs once on each.
    debug_kernels: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()   # run in this order; empty: that of --kernel
    # Known issues that reports.certify does not count, and why.
    waive: dict[str, str] = field(default_factory=dict)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    path = FOLDER / f"{name}.toml"
    if "/" in name or not path.is_file():
        raise UsageError(f"--profile {name}: no such profile; there are {', '.join(names())}")
    return parse(path.name, path.read_text())


def parse(name: str, text: str) -> Profile:
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"profile {name}: {error}") from error
    known = {one.name for one in fields(Profile)}
    if unknown := values.keys() - known:
        raise UsageError(f"profile {name}: unknown: {', '.join(sorted(unknown))}; "
                         f"known: {', '.join(sorted(known))}")
    if not isinstance(values.get("summary"), str):
        raise UsageError(f"profile {name}: has no summary")
    for key in ("tests", "kernels", "debug_kernels"):
        values[key] = tuple(values.get(key, ()))
    if wrong := set(values["debug_kernels"]) - set(DEBUG):
        raise UsageError(f"profile {name}: no such debug kernel: {', '.join(sorted(wrong))}; "
                         f"known: {', '.join(DEBUG)}")
    return Profile(**values)
