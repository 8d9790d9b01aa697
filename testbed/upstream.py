# SPDX-License-Identifier: GPL-2.0-only
"""Run the kernel's own KVM selftests in the emulated host, for comparison.

    python3 -m testbed.upstream [TREE]    on the kernel of TREE, or Debian's newest
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.model import Exit
from testbed import exit_status
from testbed.boots import BOOTS, COMMON
from testbed.errors import HarnessError
from testbed.machine import accel, initramfs
from testbed.machine.emulator import Boot, Emulator, run_boot
from testbed.machine.stream import Begin, Booted, End, Event, File, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog
from testbed.make import kernel, packages, source
from testbed.make.cache import Cache, digest
from testbed.make.source import Source
from testbed.progress import say
from testbed.results import COUNTERS, keep_counters

SELFTESTS = "tools/testing/selftests/kvm"
KILLED = 128 + 9
FINE = ("pass", "skip", "not run")
TROUBLE = re.compile(r"WARNING: |BUG: |Oops: |INFO: task |list_add corruption|rcu: INFO: .* stall")


@dataclass(frozen=True)
class Program:
    path: str                # under SELFTESTS
    arguments: str = ""
    vm: tuple[str, ...] = ("default", "sw_protected")    # the VMs that it makes
    limit: int = 60          # seconds: many times its duration under TCG
    settings: tuple[str, ...] = ()   # lines of the plan before it: a path, and what to write there

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def command(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()


# The selftests that use the code under test.
PROGRAMS = (
    Program("pre_fault_memory_test"),
    Program("guest_memfd_test"),
    Program("x86/private_mem_conversions_test", vm=("sw_protected",)),
    Program("x86/private_mem_kvm_exits_test", vm=("sw_protected",)),
    # 10 rounds, its default, are mostly the same again: 20 s more.
    Program("set_memory_region_test", "2", limit=400),
    # The default of 128 GiB takes too long under emulation; this is the minimum.
    Program("mmu_stress_test", "-m 1 -s 1", vm=("default",), limit=600),
    # Memory and rounds: by default gigabytes, and dozens.
    Program("dirty_log_test", "-i 3 -I 10", vm=("default",), limit=600),
    Program("x86/dirty_log_page_splitting_test", "-b 32M -s anonymous_hugetlb_2mb", vm=("default",), limit=200),
    Program("access_tracking_perf_test", "-v 1 -b 32M", vm=("default",), limit=200),
    Program("memslot_modification_stress_test", "-v 1 -b 32M -i 20", vm=("default",), limit=200),
    Program("demand_paging_test", "-u MINOR -s shmem -v 1 -b 32M", vm=("default",), limit=200),
    # As nx_huge_pages_test.sh calls it.
    Program("x86/nx_huge_pages_test", "-t 887563923 -p 100 -r", vm=("default",), limit=200, settings=(
        "/sys/module/kvm/parameters/nx_huge_pages force",
        "/sys/module/kvm/parameters/nx_huge_pages_recovery_ratio 1",
        "/sys/module/kvm/parameters/nx_huge_pages_recovery_period_ms 100")),
)


@dataclass
class Result:
    program: str
    status: str = "not run"      # pass, fail, skip, hang, panic, died or not run
    seconds: float = 0.0
    output: str = ""


@dataclass
class Report:
    results: list[Result]
    outcome: Outcome             # of the boot
    messages: list[str]          # WARNINGs and the like in the kernel's log

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results
                if result.status not in FINE]


def last_words(result: Result) -> list[str]:
    """The failure of a program."""
    failed = result.status not in FINE
    return [f"{result.program}: {line}" for line in result.output.splitlines()[-15:] if failed]


def provide(cache: Cache, tree: Source) -> Path:
    """The folder of the programs; a fixed source is built once."""
    key = digest(tree.identity, kernel.compiler(), *(program.path for program in PROGRAMS))
    return cache.entry("upstream", key, "building the kernel's own selftests",
                       lambda folder: build(tree.path, folder))


def build(tree: Path, folder: Path) -> None:
    """Compile the programs; the tree is only read."""
    with tempfile.TemporaryDirectory(prefix="kts-upstream-") as name:
        work = Path(name)
        (work / "kernel").mkdir()
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        make("-C", str(tree), f"O={work / 'kernel'}", jobs, "headers")
        made = [work / "out" / program.path for program in PROGRAMS]
        make("-C", str(tree / SELFTESTS), f"OUTPUT={work / 'out'}", jobs,
             f"KHDR_INCLUDES=-isystem {work / 'kernel/usr/include'}", *map(str, made))
        for program in made:
            subprocess.run(["strip", "-o", folder / program.name, program], check=True)


def make(*arguments: str) -> None:
    done = subprocess.run(["make", "-s", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode:
        raise HarnessError("building the kernel's own selftests failed:\n"
                         + "\n".join(done.stdout.splitlines()[-20:]))


# Runs a program with a time limit that it announces to the watchdog.
LIMITED = """\
#!/bin/sh
limit=$1
shift
echo "# run $1 (limit $limit s)"
exec timeout -s KILL "$limit" "/tests/$@" 2>&1
"""


class Noticed(Exception):
    """Ends a boot at the first failure."""


class Observer:
    """Receives the events of the boot."""

    def __init__(self, programs: Sequence[Program], *, first: bool = False,
                 counters: Path | None = None) -> None:
        """`counters`: the folder for those of a kernel with gcov."""
        self.results = [Result(program.name) for program in programs]
        self._counters = counters
        self._first = first      # the first failure ends it
        self.messages: list[str] = []
        self.booted = False
        self._left = list(self.results)
        self._running: Result | None = None
        self._start = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Booted():
                self.booted = True
            case Begin():
                self._running, self._start = self._left.pop(0), time.monotonic()
            case Output(data) if self._running:
                self._running.output += data.decode(errors="replace")
            case End(_, status):
                self._end({0: "pass", Exit.SKIPPED: "skip", KILLED: "hang"}.get(status, "fail"))
            case File(name, data) if self._counters and name == COUNTERS:
                keep_counters(self._counters, "own", data)
            case File("dmesg", data):
                lines = data.decode(errors="replace").splitlines()
                self.messages = [line for line in lines if TROUBLE.search(line)]

    def _end(self, status: str) -> None:
        if self._running:
            self._running.status = status
            self._running.seconds = round(time.monotonic() - self._start, 2)
        self._running = None
        if self._first and status not in FINE:
            raise Noticed

    def finish(self, outcome: Outcome) -> Report:
        """Attribute the end of a crashed boot to the program that was running."""
        self._first = False
        if outcome.kind != "ok":
            self._end(outcome.kind)
        return Report(self.results, outcome, self.messages)


def run(emulator: Emulator, image: Path, folder: Path, work: Path, *,
        modules: Sequence[Path] = (), programs: Sequence[Program] = PROGRAMS,
        wrapper: str = LIMITED, first: bool = False, parameters: str = "",
        counters: Path | None = None) -> Report:
    """Boots `image` and runs the programs of `folder`, each by `wrapper`, with `first` up to
    the first that fails; `work` is a folder for what that needs, `parameters` are for the
    command line."""
    limited = work / "limited"
    limited.write_text(wrapper)
    limited.chmod(0o755)
    plan = "".join("".join(f"{line}\n" for line in program.settings)
                   + f"limited {program.limit} {program.command}\n" for program in programs)
    archive = work / "upstream.cpio"
    archive.write_bytes(initramfs.build(
        [limited, *(folder / program.name for program in programs)], plan, modules))
    config = BOOTS["default"]
    cmdline = f"console=ttyS0 panic=-1 quiet {COMMON} numa=fake={config.nodes} {parameters}"
    boot = Boot(image, archive, config.cpus, cmdline)
    limits = Limits()
    total = limits.boot + sum(limits.case(program.limit) + 2 * limits.step
                              for program in programs)
    observer = Observer(programs, first=first, counters=counters)
    try:
        outcome = run_boot(emulator, boot, Watchdog(limits, total, time.monotonic()), observer,
                           work / "upstream.console.log")
    except Noticed:
        outcome = Outcome("ok")
    if not observer.booted and outcome.kind != "panic":
        raise HarnessError(f"the host of the kernel's own selftests: {outcome.detail}")
    return observer.finish(outcome)


def execute() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m testbed.upstream",
                                     description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=Path, nargs="?", metavar="TREE",
                        help="sources of the kernel under test (default: the newest of Debian)")
    parser.add_argument("--counters", type=Path, metavar="DIR",
                        help="run on a kernel with gcov, and leave its counters in DIR")
    arguments = parser.parse_args()
    wanted: Path | None = arguments.tree
    packages.require(["emulator", "kernel"], may_install=False)
    cache = Cache()
    tree = source.user_tree(wanted) if wanted else source.distribution_tree(cache, refresh=False)
    with tempfile.TemporaryDirectory(prefix="kts-upstream-") as name:
        work = Path(name)
        image = kernel.provide(cache, wanted, "coverage" if arguments.counters else "",
                               refresh=False, work=work).image
        if tree.fixed:
            folder = provide(cache, tree)
        else:
            folder = work / "programs"
            folder.mkdir()
            build(tree.path, folder)
        report = run(accel.choose(cache, image, work), image, folder, work, counters=arguments.counters)
    for result in report.results:
        say(f"{result.status:<8} {result.program} ({result.seconds:.1f} s)")
        for line in last_words(result):
            say(f"    {line}")
    say("\n".join(f"kernel: {line}" for line in report.messages) or "kernel: no warnings")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(exit_status.of("upstream", execute))
