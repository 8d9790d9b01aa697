# SPDX-License-Identifier: GPL-2.0-only
"""One run: the tests are built, each boot is recorded, the reports are written."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from reports import model, summary, write
from testbed import host, plan, programs
from testbed.cache import Cache
from testbed.options import Options
from testbed.plan import Case
from testbed.progress import say
from testbed.results import Recorder, Results, new_folder
from testbed.watchdog import Outcome

Tests = Mapping[str, Sequence[Case]]    # test -> its cases in one boot


class Machine(Protocol):
    """Where tests run: this host, or an emulated one."""

    def environment(self) -> dict[str, Any]: ...

    def boots(self, cases: Sequence[Case]) -> Mapping[str, Tests]:
        """Boot variant -> the tests that run in it."""

    def describe(self, variant: str) -> str: ...

    def run(self, variant: str, tests: Tests, recorder: Recorder) -> Outcome: ...


def prepare_tests(options: Options, cache: Cache) -> list[Case]:
    """Builds the tests; the cases that the options select."""
    if not (options.on == "native" and programs.present()):
        programs.build(cache)
    return plan.select(programs.cases(options.nightly), options.patterns)


def show_list(cases: Sequence[Case]) -> None:
    for case in cases:
        boot = "" if case.variant == "default" else f" [boot {case.variant}]"
        flags = "" if case.flags == "-" else f" [{case.flags}]"
        say(f"{case.test}:{case.name}{boot}{flags}: {case.summary}")


def run(options: Options, machine: Machine, cases: Sequence[Case]) -> int:
    """Runs the cases; the exit status."""
    results = Results(new_folder(options.out), {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "on": options.on, "seed": f"{options.seed:#x}", "suite": host.suite_commit(),
        **host.describe(), **machine.environment(),
    })
    say(f"seed {options.seed:#x}, results in {results.folder}")
    try:
        for variant, tests in machine.boots(cases).items():
            say(f"boot {variant}: {machine.describe(variant)}")
            if _boot(options, machine, results, variant, tests) and options.fail_fast:
                break
    finally:
        status = _report(results.folder)
    return status


def _boot(
    options: Options, machine: Machine, results: Results, variant: str, tests: Tests
) -> bool:
    """One boot, in plan.json from before its start; whether anything failed."""
    boot = model.Boot(variant, options.on, tests=[
        model.Planned(test, [case.name for case in cases]) for test, cases in tests.items()
    ])
    recorder = Recorder(results, boot, options.verbose)
    start = time.monotonic()
    outcome = Outcome("running", "interrupted")
    results.boots.append(boot)
    results.write_plan()
    try:
        outcome = machine.run(variant, tests, recorder)
    finally:
        boot.outcome = model.Outcome(outcome.kind)
        boot.detail = outcome.detail
        boot.seconds = round(time.monotonic() - start, 3)
        if options.fail_fast and recorder.failed:
            boot.tests = [test for test in boot.tests if test.name in recorder.begun]
        results.write_plan()
    if outcome.kind != "ok":
        say(f"  {outcome.kind.upper()} in boot {variant}: {outcome.detail}")
    return recorder.failed or outcome.kind != "ok"


def _report(folder: Path) -> int:
    run_ = write.write(folder)
    say("\n" + summary.render(run_, summary.wants_colour(sys.stdout)))
    say(f"results: {folder}")
    return int(run_.exit_code)
