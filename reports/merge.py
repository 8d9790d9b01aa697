# SPDX-License-Identifier: GPL-2.0-only
"""Merge the shards of a run into one run.

    python3 -m reports.merge RESULTS... --out FOLDER

RESULTS are folders written by `run_tests.sh --shard I/N`.  FOLDER must not exist; it
becomes an ordinary results folder.  A missing shard is a harness error.
Exit: as the merged run; 2 wrong usage, 3 also if RESULTS are not shards of one run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import summary
from .load import load_boots, write_plan
from .model import Boot, Exit, Json, Outcome
from .read import ResultsError
from .write import write

# Keys that are the same in all parts of one run.
ALIKE = ("suite", "kernel", "config_hash")


@dataclass(frozen=True)
class Part:
    folder: Path
    environment: Json
    boots: list[Boot]

    @property
    def shard(self) -> tuple[int, int] | None:
        text = str(self.environment.get("shard", ""))
        index, _, count = text.partition("/")
        return (int(index), int(count)) if index.isdigit() and count.isdigit() else None

    @property
    def name(self) -> str:
        return f"shard {self.environment['shard']}" if self.shard else self.folder.name


def read(folder: Path) -> Part:
    try:
        environment = json.loads((folder / "environment.json").read_bytes())
        return Part(folder, environment, load_boots(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{folder} is no results folder: {error!r}") from error


def merge(folders: Sequence[Path], out: Path) -> None:
    """Fill `out`; the reports are made from it as after any run."""
    parts = [read(folder.resolve()) for folder in folders]
    absent = missing(parts)
    check(parts)
    if out.exists():
        raise ResultsError(f"{out} exists")
    (out / "ktap").mkdir(parents=True)
    boots: list[Boot] = []
    for number, part in enumerate(parts, start=1):
        boots += copy(part, number, out)
    boots += [Boot(f"shard {index}/{count}", "nowhere", Outcome.ERROR, "it has no results")
              for index, count in absent]
    write_plan(out, boots)
    text = json.dumps(environment(parts), indent=1)
    (out / "environment.json").write_text(text + "\n")


def missing(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """The missing shards; duplicates and shards of different divisions are errors."""
    shards = [part.shard for part in parts if part.shard]
    if not shards:
        return []
    if len(shards) < len(parts) or len({count for _, count in shards}) > 1:
        raise ResultsError("these are not parts of one run: their --shard options differ in N")
    for shard in shards:
        if shards.count(shard) > 1:
            raise ResultsError(f"shard {shard[0]}/{shard[1]} is there twice")
    count = shards[0][1]
    return [(index, count) for index in range(1, count + 1) if (index, count) not in shards]


def check(parts: Sequence[Part]) -> None:
    for key in ALIKE:
        values = {str(part.environment[key]) for part in parts if key in part.environment}
        if len(values) > 1:
            raise ResultsError(f"these are not parts of one run: {key} is "
                               f"{' and '.join(sorted(values))}")
    seen: dict[tuple[str, str], str] = {}
    for part in parts:
        for test in tests(part):
            if test in seen:
                raise ResultsError(f"both {seen[test]} and {part.name} ran {'.'.join(test)}")
            seen[test] = part.name


def tests(part: Part) -> Iterator[tuple[str, str]]:
    """The tests that the part ran, each with its boot."""
    for boot in part.boots:
        for planned in boot.tests:
            yield planned.name, boot.key


def copy(part: Part, number: int, out: Path) -> Iterator[Boot]:
    """Copy the raw results; the part's number makes the names of consoles unique."""
    for path in sorted((part.folder / "ktap").glob("*.ktap")):
        shutil.copy(path, out / "ktap")
    for path in sorted(part.folder.glob("console.*")) + sorted(part.folder.glob("dmesg.*")):
        shutil.copy(path, out / numbered(path.name, number))
    for boot in part.boots:
        yield replace(boot, console=numbered(boot.console, number) if boot.console else "")


def numbered(name: str, number: int) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.part{number}.{suffix}"


def environment(parts: Sequence[Part]) -> Json:
    """Common values once, differing ones with the name of their part."""
    keys = dict.fromkeys(key for part in parts for key in part.environment if key != "shard")
    return {key: common([(part.name, part.environment[key]) for part in parts
                         if key in part.environment]) for key in keys}


def common(values: Sequence[tuple[str, Any]]) -> Any:
    first = values[0][1]
    if all(isinstance(value, dict) for _, value in values):
        return {key: entry for _, value in values for key, entry in value.items()}
    if all(value == first for _, value in values):
        return first
    return "; ".join(f"{name}: {value}" for name, value in values)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m reports.merge", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    try:
        merge(args.results, args.out)
    except ResultsError as error:
        print(f"merge: {error}", file=sys.stderr)
        return Exit.ERROR
    run = write(args.out)
    text = summary.render(run, summary.wants_colour(sys.stdout))
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main())
