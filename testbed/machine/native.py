# SPDX-License-Identifier: GPL-2.0-only
"""Runs the tests on this host: nothing is installed, nothing is set up."""

from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from testbed import plan
from testbed.machine import host
from testbed.machine.stream import Begin, End, Event, File, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog
from testbed.make import programs
from testbed.options import Options
from testbed.plan import Case, PlannedBoot
from testbed.progress import say

LIMITS = Limits(case_factor=1.5)
TIME_TO_CLEAN_UP = 15    # grace period after SIGTERM, in seconds


class Witness(Protocol):
    """Receives the events of the run; a results.Recorder is one."""

    failed: bool

    def __call__(self, event: Event) -> None: ...


class ThisHost:
    """This host as it is: cases that need another boot skip themselves."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def environment(self) -> dict[str, Any]:
        return {"kernel": platform.release(), "cpu": host.cpu(), "kvm": host.kvm_parameters(),
                "virtual": host.virtual(), "warnings": host.warnings(self._options.allow_host_wide),
                **({"rehearsal": True} if host.REHEARSAL in os.environ else {}),
                "identity": host.identity(), **host.facts()}

    def boots(self, cases: Sequence[Case]) -> list[PlannedBoot]:
        return [PlannedBoot("default", "default", plan.by_test(cases))]

    def name(self, boot: str) -> str:
        return "native"

    def describe(self, boot: str) -> str:
        return f"this host as it is, Linux {platform.release()}"

    def run(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        uptime = host.uptime()
        watchdog = Watchdog(LIMITS, LIMITS.total(planned.tests), time.monotonic())
        try:
            return run_tests(planned.tests, lambda test: run_test(
                programs.FOLDER / test, self._options.test_arguments(test), watchdog, recorder),
                lambda: recorder.failed and self._options.fail_fast)
        finally:
            recorder(File("dmesg", host.kernel_log(since=uptime).encode()))
            recorder(File("environment", f"tainted={host.taint()}\n".encode()))

    def show_changes(self, tests: Iterable[str]) -> None:
        """Print the side effects that each test declares."""
        for test in tests:
            say(f"{test}:")
            command = [str(programs.FOLDER / test), *self._options.test_arguments(test), "--dry-run"]
            subprocess.run(command, check=False)


def run_tests(tests: Iterable[str], run: Callable[[str], Outcome],
              stop: Callable[[], bool]) -> Outcome:
    """Run the tests in sequence.  One hanging test does not end the run, two in a row do."""
    hangs: list[str] = []
    in_a_row = 0
    for test in tests:
        outcome = run(test)
        in_a_row = in_a_row + 1 if outcome.kind == "hang" else 0
        if outcome.kind == "hang":
            hangs.append(f"{test}: {outcome.detail}")
        elif outcome.kind != "ok":
            return outcome
        if in_a_row == 2 or stop():
            break
    return Outcome("hang", "; ".join(hangs)) if hangs else Outcome("ok")


def run_test(
    program: Path, arguments: Sequence[str], watchdog: Watchdog,
    on_event: Callable[[Event], None],
) -> Outcome:
    def see(event: Event) -> None:
        watchdog.see(event, time.monotonic())
        on_event(event)

    see(Begin(program.name))
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", str(program), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )
    try:
        complaint = _follow(process, watchdog, see)
    finally:
        _end(process)
        assert process.stdout is not None
        process.stdout.close()
    if complaint:
        return Outcome("hang", complaint)
    see(End(program.name, _status(process)))
    return Outcome("ok")


def _follow(
    process: subprocess.Popen[bytes], watchdog: Watchdog, see: Callable[[Event], None]
) -> str | None:
    """Pass on the output line by line; why the watchdog gave up, or None."""
    assert process.stdout is not None
    partial = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], watchdog.left(time.monotonic()))
        if not ready:
            return watchdog.complaint(time.monotonic())
        data = os.read(process.stdout.fileno(), 1 << 16)
        *lines, partial = (partial + data).split(b"\n")
        for line in lines:
            see(Output(line + b"\n"))
        if not data:
            break
    if partial:
        see(Output(partial))
    try:
        process.wait(TIME_TO_CLEAN_UP)
    except subprocess.TimeoutExpired:
        return "the test closed its output and did not end"
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a test that still runs; on SIGTERM it restores the host."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(TIME_TO_CLEAN_UP)
            return
        except subprocess.TimeoutExpired:
            continue    # even SIGKILL may take long: the test is stuck in the kernel


def _status(process: subprocess.Popen[bytes]) -> int:
    """The exit status as in a shell: 128 + N after signal N."""
    code = process.returncode
    return 128 - code if code < 0 else code
