# SPDX-License-Identifier: GPL-2.0-only
"""The command line of run_tests.sh."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reports import repeated
from reports.model import Run, cases_of
from testbed import backports, exit_status, explore, kernels, plan, profiles, rehearsal, runner
from testbed.errors import UsageError
from testbed.machine import host
from testbed.machine.emulated import EmulatedHost
from testbed.machine.native import ThisHost
from testbed.make import packages, programs, versions
from testbed.make.cache import Cache
from testbed.make.kernel import DEBUG, RACES
from testbed.options import MODULES, Options
from testbed.plan import Case, Pattern
from testbed.profiles import Profile
from testbed.progress import say
from testbed.rehearsal import scenes

# KiB that an emulated host may come to need.
MEMORY_A_HOST = 1 << 20

EPILOG = """\
exit status:
  0 all passed (skips and known issues allowed)   3 harness error
  1 a case failed or the kernel crashed           4 everything was skipped
  2 wrong usage                                   5 the kernel does not build
"""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="run_tests.sh", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Test the TDX and TDP mapping paths of Linux KVM, on this host or an emulated one.",
    )
    add = new.add_argument
    add("--on", choices=("auto", "native", "qemu", "bochs"), default="auto",
        help="where to run: this host, an emulated host with an AMD (qemu) or Intel CPU (bochs), or "
             "(auto) this host if its KVM can create TDs, else TD cases in bochs and others in qemu")
    add("--tests", metavar="GLOB[:CASE]", action="append", default=[],
        help="run only these tests, or only these of their cases; may be repeated")
    add("--list", action="store_true", help="list the cases and exit")
    add("--dry-run", action="store_true", help="show what a run would change and exit")
    add("--seed", type=lambda text: int(text, 0), metavar="N",
        help="seed for everything random (default: random, printed)")
    add("--out", type=Path, default=programs.ROOT / "results", metavar="DIR",
        help="write results here, one folder per run (default: results/ in the suite)")
    add("--kernel", metavar="DIR|bzImage|VERSION|list",
        help="kernel under test: a source tree (only read, built incrementally), an image, a "
             "version in Debian (6.18: the newest 6.18.x; 6.18.15), or list: show these versions "
             "(default: the newest kernel source in Debian testing)")
    add("--modules", type=Path, metavar="DIR",
        help="with --kernel bzImage: the lib/modules/VERSION of that kernel, or any folder with "
             "its .ko files; KVM is loaded from there, and kmod/'s modules if they are there")
    add("--bochs", type=Path, metavar="PROGRAM",
        help="use this Bochs (untested) instead of building one")
    add("--refresh-kernel", action="store_true",
        help="look up the newest kernel source in Debian again")
    add("--debug-kernel", default="", choices=tuple(DEBUG),
        help="build a kernel that checks itself, several times slower: memory (KASAN, UBSAN, "
             "lists, slab objects, free pages), locks (lockdep, RCU, sleep, objects in use), "
             "races (KCSAN); or one that counts what it executes: coverage (for mutants/coverage)")
    add("--profile", default="quick", metavar="NAME",
        help="what to run and how often; command-line options override the profile: " + "; ".join(
            f"{name}: {profiles.load(name).summary}" for name in profiles.names()))
    add("--shard", metavar="I/N",
        help="run only part I of N, to spread a run over N machines")
    add("--nightly", action="store_true", help="include long cases")
    add("--explore", nargs="?", const="500", metavar="N|MINUTESm",
        help="run short races in Bochs under N schedules each (default: 500), or as many as fit "
             "into so many minutes (10m); --seed is the first")
    add("--race", action="append", default=[], metavar="NAME",
        help="explore only races whose name begins so, or the race PROGRAM:NAME; may be repeated")
    add("--trace", action="store_true",
        help="with --explore: show all conflicting accesses of a schedule that fails")
    add("--points", metavar="N|fixed",
        help=f"switches between CPUs in a schedule (default: {explore.POINTS}); fixed: the emulator's own order")
    add("--repeat", type=int, metavar="N",
        help="run N times, with consecutive seeds from --seed, and report cases whose results differ")
    add("--jobs", type=int, metavar="N",
        help="run up to N emulated hosts in parallel (default: the number of CPUs, fewer where "
             "memory is short; 1 with --fail-fast or --verbose)")
    add("--no-fork", action="store_true",
        help="boot Bochs for each group of tests, in place of one boot that is forked for each test")
    add("--fail-fast", action="store_true", help="stop after the first failure")
    add("--allow-host-wide", action="store_true",
        help="on this host, include cases whose side effects other users can see")
    add("--module", default=MODULES[0], choices=MODULES,
        help="TDX module of emulated hosts, by what it announces (docs/softtdx.md; "
             f"default: {MODULES[0]})")
    add("--rehearsal", action="store_true",
        help="hide the testing interface of the emulated TDX module, as on hardware: skip cases "
             "that need to inspect the module or to make it fail")
    add("--neighbours", type=int, default=0, metavar="N",
        help="with --profile rehearsal: N other VMs, every other one a TD, fault all the time beside it")
    add("--scene", action="append", default=[], choices=tuple(scenes.SCENES),
        help="with --profile rehearsal: play only this scene; may be repeated")
    add("--no-install", action="store_true",
        help="never install packages; report which are missing")
    add("--events", action="store_true",
        help="draw what the threads of each case did, in order of time, in the report; cases "
             "that fail have it by themselves")
    add("--verbose", action="store_true", help="show the output of the tests")
    return new


def apply(profile: Profile, arguments: argparse.Namespace) -> None:
    """Take from the profile what the command line does not set."""
    arguments.tests = arguments.tests or list(profile.tests)
    arguments.nightly = arguments.nightly or profile.nightly
    arguments.repeat = profile.repeat if arguments.repeat is None else arguments.repeat
    arguments.seed = profile.seed if arguments.seed is None else arguments.seed
    if arguments.repeat < 1:
        raise UsageError("--repeat: must be at least 1")


def options(arguments: argparse.Namespace) -> Options:
    on = arguments.on
    if on == "auto":
        on = "native" if host.can_create_tds() else "emulated"
    if arguments.kernel is not None and on == "native":
        raise UsageError("--kernel: this host runs its own kernel; add --on qemu or --on bochs")
    if arguments.modules is not None and not (arguments.kernel and Path(arguments.kernel).is_file()):
        raise UsageError("--modules: only the modules of an image are taken from a folder; "
                         "add --kernel bzImage")
    if arguments.debug_kernel and (on == "native" or is_image(wanted_kernel(arguments.kernel))):
        raise UsageError("--debug-kernel: only a kernel that is built here can check itself, "
                         "not that of --on native or --kernel bzImage")
    if arguments.rehearsal and on not in ("bochs", "emulated"):
        raise UsageError("--rehearsal: only an emulated TDX module can hide its testing interface; "
                         "add --on bochs")
    if arguments.module != MODULES[0] and on not in ("bochs", "emulated"):
        raise UsageError("--module: only an emulated host has a choice of TDX modules; "
                         "add --on bochs")
    if arguments.bochs is not None and (
        on not in ("bochs", "emulated") or not os.access(arguments.bochs, os.X_OK)
    ):
        raise UsageError("--bochs: not an executable file, or --on is neither bochs nor auto")
    seed = arguments.seed if arguments.seed is not None else int.from_bytes(os.urandom(4))
    patterns = [Pattern.parse(text) for text in arguments.tests]
    exploration = None
    if arguments.explore:
        if arguments.bochs is not None or arguments.no_fork:
            raise UsageError("--explore: needs the forks of the project's own Bochs, "
                             "not --bochs or --no-fork")
        exploration = explore.parse(arguments.explore, arguments.points, arguments.seed,
                                    arguments.trace)
        on, seed = "bochs", explore.MACHINE_SEED
        patterns = patterns or explore.races(arguments.race)
    return Options(
        on=on, patterns=tuple(patterns), seed=seed, explore=exploration,
        out=arguments.out, kernel=wanted_kernel(arguments.kernel), bochs=arguments.bochs,
        debug_kernel=arguments.debug_kernel, refresh_kernel=arguments.refresh_kernel,
        nightly=arguments.nightly, jobs=jobs(arguments, on), fail_fast=arguments.fail_fast,
        verbose=arguments.verbose, events=arguments.events, may_install=on != "native" and not arguments.no_install,
        allow_host_wide=arguments.allow_host_wide,
        shard=plan.parse_shard(arguments.shard) if arguments.shard else None,
        module=arguments.module, modules=arguments.modules, rehearsal=arguments.rehearsal,
        neighbours=arguments.neighbours, scenes=tuple(arguments.scene), fork=not arguments.no_fork, backports=backports.settings(),
    )


def wanted_kernel(text: str | None) -> Path | str | None:
    if text is None:
        return None
    if Path(text).exists():
        return Path(text)
    if versions.is_version(text):
        return text
    raise UsageError(f"--kernel: {text}: no such file, and not a version such as 6.18 or 6.18.15")


def jobs(arguments: argparse.Namespace, on: str) -> int:
    """The number of concurrent boots; their output mixes, and a failure ends its own only."""
    if arguments.jobs is not None and arguments.jobs < 1:
        raise UsageError("--jobs: must be at least 1")
    if on == "native":
        return 1
    if arguments.jobs is not None:
        return int(arguments.jobs)
    if arguments.fail_fast or arguments.verbose:
        return 1
    fitting = host.available_memory() // MEMORY_A_HOST
    return max(1, min(len(os.sched_getaffinity(0)), fitting))


def tell_native(asked: str) -> None:
    """Without --on native, do not run on this host: that changes it."""
    if asked == "auto":
        say("this host can run TDs, so the tests run here: as root, with temporary probes on KVM "
            "functions; --on bochs and --on qemu do not touch this host, "
            "--dry-run shows each change")


def execute(arguments: argparse.Namespace) -> int:
    if arguments.kernel == "list":
        say(versions.listing())
        return 0
    profile = profiles.load(arguments.profile)
    apply(profile, arguments)
    chosen = options(arguments)
    cache = Cache()
    runs = not (arguments.list or arguments.dry_run)
    rehearses = profile.rehearsal and runs and chosen.on != "native"
    packages.require([*purposes(chosen, runs), *(rehearsal.PURPOSES if rehearses else ())], chosen.may_install)
    if (chosen.neighbours or chosen.scenes) and not profile.rehearsal:
        raise UsageError("--neighbours, --scene: only for --profile rehearsal")
    cases = runner.prepare_tests(chosen, cache)
    if rehearses:
        return rehearsal.run(chosen, cache, arguments.repeat)
    if chosen.shard:
        cases = plan.shard(cases, *chosen.shard)
    if arguments.list:
        runner.show_list(cases)
        return 0
    if arguments.dry_run:
        dry_run(chosen, cache, cases)
        return 0
    if chosen.on == "native":
        tell_native(arguments.on)
    if profile.kernels and chosen.kernel is None and chosen.on != "native":
        return kernels.run(
            profile.kernels, lambda kernel: run_once(replace(chosen, kernel=kernel), cache, cases),
            chosen.out)
    if chosen.explore:
        return int(repeated.worst(explored(chosen, cache, cases)))
    done = run(chosen, cache, cases, arguments.repeat, profile.minutes)
    checked = on_debug_kernels(profile, chosen)
    for again in checked:
        done += run(again, cache, cases, 1, None)
    if profile.explore and chosen.on == "emulated" and not chosen.patterns:
        for one in (chosen, *(again for again in checked if again.debug_kernel == RACES)):
            races = one.for_races(profile.explore)
            done += explored(races, cache, plan.select(cases, races.patterns))
    return int(repeated.worst(done))


def on_debug_kernels(profile: Profile, chosen: Options) -> list[Options]:
    """For the profile's runs on kernels that check themselves: none where --kernel is an image, or
    such a kernel was asked for."""
    if chosen.on == "native" or chosen.debug_kernel or is_image(chosen.kernel):
        return []
    return [replace(chosen, debug_kernel=name) for name in profile.debug_kernels]


def is_image(kernel: Path | str | None) -> bool:
    return isinstance(kernel, Path) and kernel.is_file()


def explored(chosen: Options, cache: Cache, cases: Sequence[Case]) -> list[Run]:
    assert chosen.explore is not None
    minutes = chosen.explore.minutes
    return run(chosen, cache, cases, sys.maxsize if minutes else 1, minutes)


def run(chosen: Options, cache: Cache, cases: Sequence[Case], times: int,
        minutes: int | None) -> list[Run]:
    """Run --repeat times, each with its own seed and results."""
    runs: list[Run] = []
    start = time.monotonic()
    try:
        for number in range(times):
            if minutes and time.monotonic() - start > 60 * minutes:
                say(f"{number} runs done, the limit of {minutes} minutes is reached")
                break
            runs.append(run_once(chosen.of_run(number), cache, cases))
    finally:
        if times > 1:
            say("\n" + repeated.render(runs))
    return runs


def run_once(chosen: Options, cache: Cache, cases: Sequence[Case]) -> Run:
    if chosen.on == "native":
        return runner.run(chosen, ThisHost(chosen), cases)
    with tempfile.TemporaryDirectory(prefix="kts-run-") as work:
        machine = EmulatedHost(chosen, cache, Path(work), cases)
        with contextlib.closing(machine):
            return runner.run(chosen, machine, cases)


def purposes(chosen: Options, runs: bool) -> list[str]:
    """The purposes whose packages the run needs."""
    if chosen.on == "native":
        return [] if programs.present() else ["tests"]
    if not runs:
        return ["tests"]
    ready_made = is_image(chosen.kernel)
    emulators = {"qemu": ["emulator"], "bochs": ["bochs"], "emulated": ["emulator", "bochs"]}
    return ["tests", *emulators[chosen.on], "reports", "image" if ready_made else "kernel"]


def dry_run(chosen: Options, cache: Cache, cases: Sequence[Case]) -> None:
    if chosen.on == "native":
        ThisHost(chosen).show_changes(plan.by_test(cases))
        return
    say(f"on this host, only {cache.folder} and {chosen.out} change")
    for boot in plan.planned(cases, chosen.forks):
        count = sum(len(cases) for cases in boot.tests.values())
        what = "fork" if boot.forked else "boot"
        say(f"{what} {boot.name}: {cases_of(count)} of {', '.join(boot.tests)}")


def main() -> int:
    return exit_status.of("run_tests.sh", lambda: execute(parser().parse_args()))
