# SPDX-License-Identifier: GPL-2.0-only
"""How soon an explored race notices a mutant (docs/explore.md).

    python3 -m mutants.explored --only M51 --only M54 [--explore N] [--points N|fixed]

Each race is explored up to its first failure, in the kernel with the mutant.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import resource
import sys
import tempfile
from pathlib import Path

from reports.model import Case, Run, Status
from testbed import explore, exit_status, plan, runner
from testbed.machine.emulated import EmulatedHost
from testbed.make import programs
from testbed.make.cache import Cache
from testbed.make.kernel import Kernel
from testbed.options import Options
from testbed.progress import say

from mutants import mutant as catalogue
from mutants.cli import origin
from mutants.mutant import Mutant
from mutants.tree import Tree


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(prog="mutants.explored", description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    add = new.add_argument
    add("--only", metavar="GLOB", action="append", required=True, help="only these mutants")
    add("--explore", default="500", metavar="N",
        help="schedules of each race, at most (default: 500)")
    add("--trace", action="store_true", help="as for run_tests.sh")
    add("--points", metavar="N|fixed", help="as for run_tests.sh")
    add("--race", action="append", default=[], metavar="NAME", help="only these races")
    add("--seed", type=int, default=1, metavar="N", help="the first (default: 1)")
    add("--kernel", type=Path, metavar="DIR", help="kernel source tree")
    add("--out", type=Path, default=programs.ROOT / "results" / "explored", metavar="DIR",
        help="a folder of results for each mutant")
    return new


def options(arguments: argparse.Namespace, name: str, out: Path) -> Options:
    return Options(
        on="bochs", patterns=tuple(explore.races(arguments.race)), seed=explore.MACHINE_SEED,
        out=out, kernel=None, bochs=None, debug_kernel="", refresh_kernel=False, nightly=False,
        jobs=1, fail_fast=False, verbose=False, may_install=False, allow_host_wide=False, fork=True,
        explore=explore.parse(arguments.explore, arguments.points, arguments.seed, arguments.trace),
        command=("python3", "-m", "mutants.explored", "--only", name),
    )


def cpu_seconds() -> float:
    """Of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def explored(kernel: Kernel, chosen: Options, cache: Cache, work: Path) -> Run:
    cases = plan.select(plan.parse_list(programs.listing(nightly=False)), chosen.patterns)
    machine = EmulatedHost(chosen, cache, work, cases, kernel)
    with contextlib.closing(machine):
        return runner.run(chosen, machine, cases)


def line(test: str, case: Case) -> str:
    tried = int(case.measurements.get("schedules", 0))
    verdict = f"fails in schedule {tried}" if case.status is Status.FAIL else \
        f"{case.status.value} in {tried} schedules"
    return f"  {test}:{case.name}: {verdict}, {case.measurements.get('orders', 0):.0f} orders"


def judge(mutant: Mutant | None, tree: Tree, arguments: argparse.Namespace, cache: Cache) -> None:
    name = mutant.id if mutant else "none"
    with tempfile.TemporaryDirectory(prefix="kts-explored-") as work:
        kernel = tree.kernel(mutant, Path(work))
        before = cpu_seconds()
        run = explored(kernel, options(arguments, name, arguments.out / name), cache, Path(work))
        say(f"{name}: {cpu_seconds() - before:.1f} CPU seconds")
    for test, case in run.cases():
        say(line(test.name, case))


def execute(arguments: argparse.Namespace) -> int:
    cache = Cache()
    programs.build(cache)
    mutants = catalogue.load()
    tree = Tree(cache, origin(arguments.kernel, cache),
                {file for mutant in mutants for file in mutant.files})
    tree.prepare()
    if "none" in arguments.only:
        judge(None, tree, arguments, cache)
    for mutant in mutants:
        if any(fnmatch.fnmatchcase(mutant.id, glob) for glob in arguments.only):
            judge(mutant, tree, arguments, cache)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status.of("mutants.explored", lambda: execute(parser().parse_args())))
