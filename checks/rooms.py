# SPDX-License-Identifier: GPL-2.0-only
"""Whether each file is short enough, and imports and includes only what is below it.

    python3 -m checks.rooms

A room is a folder, or some modules of one. The tables list the rooms from the top
down: a file may use its own room and those below. Neither modules nor C files with their
headers form a circle.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LONGEST = 500           # lines a file may have
SOURCES = (".c", ".cc", ".h", ".S", ".py")

# Python rooms: a package, or modules of one. The longest match counts.
PYTHON: tuple[tuple[str, ...], ...] = (
    ("tests",),         # folders with this name, at any depth
    ("scripts", "lab"),
    ("checks", "mutants"),
    ("testbed",),
    ("testbed.machine",),
    ("testbed.make",),
    ("testbed.plan", "testbed.options", "testbed.explore", "testbed.boots", "testbed.exit_status",
     "testbed.errors", "testbed.progress", "testbed.steps"),
    ("reports",),
)

# Rooms of lib/: its folders. A header of include/ belongs to the folder with the C file of its
# name; for the others HEADERS says which, else it is in the lowest.
LIB = ("runner", "guest", "model", "fixture", "observe", "tdx", "race", "kvm", "base")
HEADERS: dict[str, str] = {}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)

Arrows = Mapping[str, Iterable[str]]


def upward(arrows: Arrows, floor: Callable[[str], int], name: Callable[[int], str]) -> Iterator[str]:
    """Describe each arrow that leads up."""
    for source, targets in arrows.items():
        for target in targets:
            if floor(target) < floor(source):
                yield (f"{source} uses {target}, which is above it "
                       f"({name(floor(source))} must not use {name(floor(target))})")


def circle(arrows: Arrows) -> Iterator[str]:
    """The first circle, if there is one."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        yield f"circle: {' <- '.join(error.args[1])}"


def files(root: Path) -> list[Path]:
    """All but what .gitignore names and what is hidden, seen from `root`. git itself need not
    trust the folder: root's does not when it is another user's."""
    ignore = root / ".gitignore"
    ignored = set(ignore.read_text().split()) if ignore.exists() else set()
    found = []
    for folder, inner, names in os.walk(root):
        here = Path(folder).relative_to(root)
        inner[:] = sorted(name for name in inner if not name.startswith(".")
                          and not {f"{name}/", f"{here / name}/"} & ignored)
        found += [here / name for name in sorted(names)]
    return sorted(found)


def is_python(path: Path) -> bool:
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as file:
        return file.readline().startswith(b"#!/usr/bin/python3")


def too_long(root: Path, paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        if path.suffix not in SOURCES and not is_python(root / path):
            continue
        lines = len((root / path).read_text(errors="replace").splitlines())
        if lines > LONGEST:
            yield f"{path} has {lines} lines; {LONGEST} are the most"


def module_name(path: Path) -> str:
    """The module's import name: testbed.cli, lab.jobs (scripts/lava/lab/jobs.py)."""
    parts = path.with_suffix("").parts
    if "lab" in parts:
        parts = parts[parts.index("lab"):]
    return ".".join(part for part in parts if part != "__init__")


def imports(text: str, module: str, known: Iterable[str]) -> set[str]:
    """The modules in `known` that this one imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*module.split(".")[:-node.level], *filter(None, [node.module])] if node.level \
                else [node.module or ""]
            names = [".".join([*base, alias.name]) for alias in node.names]
            found.update(name if name in known else ".".join(base) for name in names)
    return found.intersection(known) - {module}


def python_arrows(root: Path, paths: Iterable[Path]) -> dict[str, set[str]]:
    modules = {module_name(path): path for path in paths if is_python(root / path)}
    return {name: imports((root / path).read_text(), name, modules)
            for name, path in modules.items()}


def python_floor(module: str, table: Sequence[Sequence[str]] = PYTHON) -> int:
    """The index of the module's room in the table."""
    if "tests" in module.split("."):
        return 0
    fitting = [(len(room), index) for index, rooms in enumerate(table) for room in rooms
               if f"{module}.".startswith(f"{room}.")]
    return max(fitting, default=(0, 0))[1]


def c_rooms(paths: Iterable[Path]) -> dict[str, str]:
    """Unit -> room: a unit is a C file and the header of its name."""
    units = {path.stem: path.parts[1] for path in paths
             if path.parts[0] == "lib" and len(path.parts) > 2 and path.suffix in SOURCES
             and path.parts[1] != "tests"}
    headers = {path.stem: LIB[-1] for path in paths
               if path.parts[0] == "include" and path.suffix == ".h"}
    return {**headers, **units, **{Path(name).stem: room for name, room in HEADERS.items()}}


def c_arrows(root: Path, paths: Iterable[Path], rooms: Iterable[str]) -> dict[str, set[str]]:
    """Unit -> the units whose headers it includes."""
    arrows: dict[str, set[str]] = {unit: set() for unit in rooms}
    for path in paths:
        if path.parts[0] in ("lib", "include") and path.stem in arrows and "tests" not in path.parts:
            named = {Path(name).stem for name in INCLUDE.findall((root / path).read_text())}
            arrows[path.stem] |= named.intersection(arrows) - {path.stem}
    return arrows


def complaints(root: Path) -> list[str]:
    paths = files(root)
    arrows = python_arrows(root, paths)
    found = [*too_long(root, paths), *circle(arrows),
             *upward(arrows, python_floor, lambda index: PYTHON[index][0])]
    rooms = c_rooms(paths)
    if unknown := sorted(set(rooms.values()) - set(LIB)):
        found.append(f"lib/{', lib/'.join(unknown)}: not in the table of checks/rooms.py")
    elif any(path.parts[0] == "lib" and path.parts[1] in LIB for path in paths):
        units = c_arrows(root, paths, rooms)
        found += [*circle(units), *upward(units, lambda unit: LIB.index(rooms[unit]),
                                          lambda index: f"lib/{LIB[index]}")]
    return found


def main() -> int:
    argparse.ArgumentParser(prog="python3 -m checks.rooms",
                            description=(__doc__ or "").split("\n", maxsplit=1)[0]).parse_args()
    found = complaints(ROOT)
    print("\n".join(found) or "no file is too long, nothing uses what is above it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
