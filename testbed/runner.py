# SPDX-License-Identifier: GPL-2.0-only
"""One run: the tests are built, each boot is recorded, the reports are written."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from reports import model, summary, write
from testbed import plan
from testbed.machine import host
from testbed.machine.watchdog import Outcome
from testbed.make import programs
from testbed.make.cache import Cache
from testbed.options import Options
from testbed.plan import Case, PlannedBoot
from testbed.progress import say
from testbed.results import Recorder, Results, new_folder


class Machine(Protocol):
    """Where tests run: this host, or an emulated one."""

    def environment(self) -> dict[str, Any]: ...

    def boots(self, cases: Sequence[Case]) -> Sequence[PlannedBoot]: ...

    def name(self, boot: str) -> str:
        """native, or the emulator of a boot."""

    def describe(self, boot: str) -> str: ...

    def run(self, planned: PlannedBoot, recorder: Recorder) -> Outcome: ...


def prepare_tests(options: Options, cache: Cache) -> list[Case]:
    """Build the tests if this host can; the selected cases."""
    if options.on != "native" or not programs.present() or programs.can_build():
        programs.build(cache)
    elif (commit := host.suite_commit()) != (built := programs.built_from()):
        say(f"the tests in {programs.FOLDER} were built from {built}, this checkout is {commit}: "
            f"this host cannot build them and runs them as they are")
    return plan.select(plan.parse_list(programs.listing(options.nightly)), options.patterns)


def show_list(cases: Sequence[Case]) -> None:
    for case in cases:
        boot = "" if case.boot == "default" else f" [boot {case.boot}]"
        flags = "" if case.flags == "-" else f" [{case.flags}]"
        say(f"{case.test}:{case.name}{boot}{flags}: {case.summary}")


def run(options: Options, machine: Machine, cases: Sequence[Case]) -> model.Run:
    """Run the cases and report."""
    results = Results(new_folder(options.out), {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "on": options.on, "seed": f"{options.seed:#x}", "suite": programs.built_from(),
        "binaries": programs.hashes(plan.by_test(cases)), **host.describe(), **machine.environment(),
        "again": options.again(),
        **({"backports": told} if (told := options.backports) else {}),
        **({"shard": "{}/{}".format(*options.shard)} if options.shard else {}),
    })
    say(f"seed {options.seed:#x}, results in {results.folder}")
    try:
        Boots(options, machine, results, machine.boots(cases)).run()
    finally:
        run_ = _report(results.folder)
    return run_


class Boots:
    """The boots of a run, several at once."""

    def __init__(self, options: Options, machine: Machine, results: Results,
                 planned: Sequence[PlannedBoot]) -> None:
        self._options = options
        self._machine = machine
        self._results = results
        self._waiting = deque(planned)
        self._announced: set[str] = set()
        self._errors: list[BaseException] = []

    def run(self) -> None:
        # Daemons: an interrupted run ends without them, and emulators die with
        # the thread that started them.
        threads = [Thread(target=self._work, daemon=True) for _ in range(self._options.jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self._waiting.clear()
        if self._errors:
            raise self._errors[0]

    def _work(self) -> None:
        try:
            while self._waiting and not self._errors:
                if self._boot(self._waiting.popleft()) and self._options.fail_fast:
                    self._waiting.clear()
        except BaseException as error:      # for the main thread, which raises it
            self._errors.append(error)

    def _announce(self, planned: PlannedBoot) -> None:
        """Forks are many: their boot is told once."""
        name = planned.boot if planned.forked else planned.name
        forked = ", forked for each test" if planned.forked else ""
        if name not in self._announced:
            say(f"boot {name}: {self._machine.describe(planned.boot)}{forked}")
        self._announced.add(name)

    def _boot(self, planned: PlannedBoot) -> bool:
        """Run a boot, recorded in plan.json before its start; whether anything failed."""
        self._announce(planned)
        boot = model.Boot(planned.boot, self._machine.name(planned.boot), part=planned.part, tests=[
            model.Planned(test, [case.name for case in cases])
            for test, cases in planned.tests.items()
        ])
        recorder = Recorder(self._results, boot, planned.name, self._options.verbose)
        start = time.monotonic()
        outcome = Outcome("running", "interrupted")
        self._results.add(boot)
        try:
            outcome = self._machine.run(planned, recorder)
        finally:
            boot.outcome = model.Outcome(outcome.kind)
            boot.detail = outcome.detail
            boot.seconds = recorder.seconds or round(time.monotonic() - start, 3)
            if self._options.fail_fast and recorder.failed:
                boot.tests = [test for test in boot.tests if test.name in recorder.begun]
            self._results.write_plan()
        if outcome.kind != "ok":
            say(f"  {outcome.kind.upper()} in boot {planned.name}: {outcome.detail}")
        return recorder.failed or outcome.kind != "ok"


def _report(folder: Path) -> model.Run:
    run_ = write.write(folder)
    say("\n" + summary.render(run_, summary.wants_colour(sys.stdout)))
    say(f"results: {folder}")
    return run_
