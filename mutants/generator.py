# SPDX-License-Identifier: GPL-2.0-only
"""The command line of mutants/generate."""

from __future__ import annotations

import argparse
import difflib
from collections import Counter
from pathlib import Path

from testbed import exit_status
from testbed.errors import UsageError
from testbed.make import packages
from testbed.make.cache import Cache
from testbed.progress import say

from mutants import population
from mutants.cli import origin
from mutants.generated import SCOPE, Generated
from mutants.tree import Tree


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="mutants/generate",
        description="List the mutants that operators make of the kernel's source, or show some.")
    new.add_argument("--show", metavar="GLOB", action="append", default=[],
                     help="show as a patch those of this id, function or file; may be repeated")
    new.add_argument("--kernel", type=Path, metavar="DIR",
                     help="kernel source tree (default: the newest in Debian)")
    return new


def patch(mutant: Generated, tree: Path) -> str:
    lines = [f"{mutant.id} {mutant.operator}: {mutant.title}\n"]
    for file, text in mutant.apply(tree).items():
        lines += difflib.unified_diff((tree / file).read_text().splitlines(keepends=True),
                                      text.splitlines(keepends=True), str(file), str(file))
    return "".join(lines)


def execute(arguments: argparse.Namespace) -> int:
    packages.require(["kernel", "generate"], may_install=False)
    cache = Cache()
    source = origin(arguments.kernel, cache)
    made = population.provide(cache, source, Tree(cache, source, [Path(file) for file in SCOPE]))
    chosen = {one.id for one in population.built_in(made)}
    if arguments.show:
        shown = [one for one in made if any(one.matches(glob) for glob in arguments.show)]
        if not shown:
            raise UsageError(f"--show {', '.join(arguments.show)}: no such mutant")
        for one in shown:
            print(patch(one, source.path))
        return 0
    for one in made:
        print(f"{one.id}{'*' if one.id in chosen else ' '} {one.place} {one.operator}: {one.title}")
    for name, count in Counter(one.operator for one in made).most_common():
        say(f"{count:5} {name}")
    say(f"{len(made)} mutants in {population.functions(made)} functions; "
        f"{len(chosen)} are in the kernel with many (*)")
    return 0


def main() -> int:
    return exit_status.of("mutants/generate", lambda: execute(parser().parse_args()))
