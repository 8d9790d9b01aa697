# SPDX-License-Identifier: GPL-2.0-only
"""When to stop waiting for a kernel under test, and what to call its end."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reports import ktap
from testbed.machine.stream import Begin, Booted, Done, End, Event, Output
from testbed.plan import Case

PANIC = re.compile(
    r"Kernel panic - not syncing.*|PANIC: double fault.*|BUG: kernel stack overflow.*"
)

# How others end an emulator, the kernel's OOM killer among them; itself it dies of other signals.
BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

SLOW_BOOT = 240.0    # of Limits.boot, for a distribution's kernel


@dataclass(frozen=True)
class Limits:
    """Seconds, without those in which a busy machine kept the emulator waiting.  The
    library in the guest ends a case at its own limit; the watchdog is for a kernel
    that no longer lets it."""

    boot: float = 60
    step: float = 60          # between two cases, and for a test's start and end
    case_factor: float = 3    # emulation is slow, and guest time may lag
    case_grace: float = 15
    dying: float = 5          # from the first sign of a panic to the emulator's end
    power_off: float = 15

    def case(self, limit: float) -> float:
        return limit * self.case_factor + self.case_grace

    def total(self, tests: Mapping[str, Collection[Case]]) -> float:
        """The limit of a whole boot: more than any working one needs."""
        cases = [case for cases in tests.values() for case in cases]
        steps = 2 * len(tests) + len(cases)
        return self.boot + steps * self.step + sum(self.case(case.limit) for case in cases)


@dataclass(frozen=True)
class Outcome:
    kind: str                 # ok, panic, hang, died, or error: nothing about the kernel
    detail: str = ""


class Watchdog:
    def __init__(self, limits: Limits, total: float, now: float) -> None:
        self._limits = limits
        self._end = now + total
        self._total = total
        self._parser = ktap.Parser()
        self._wait(limits.boot, "the guest did not boot", now)

    def _wait(self, seconds: float, complaint: str, now: float) -> None:
        self._deadline = now + seconds
        self._complaint = f"{complaint} within {seconds:.0f} s"

    def see(self, event: Event, now: float) -> None:
        limits = self._limits
        match event:
            case Booted():
                self._wait(limits.step, "no test started", now)
            case Begin(test):
                self._parser = ktap.Parser(test)
                self._wait(limits.step, f"{test} started no case", now)
            case End(test):
                self._wait(limits.step, f"nothing came after {test}", now)
            case Done():
                self._wait(limits.power_off, "the guest did not power off", now)
            case Output(data):
                self._see_output(data, now)

    def _see_output(self, line: bytes, now: float) -> None:
        parser, limits = self._parser, self._limits
        before = parser.running
        ended = parser.feed(line)
        if parser.running != before and parser.limit is not None:
            self._wait(limits.case(parser.limit), f"case {parser.running} did not end", now)
        elif ended:
            self._wait(limits.step, "no next case started", now)

    def dying(self, now: float) -> None:
        """A panic is on the console: the emulator should end by itself soon."""
        self._end = min(self._end, now + self._limits.dying)

    def left(self, now: float) -> float:
        return max(0.0, min(self._deadline, self._end) - now)

    def complaint(self, now: float) -> str | None:
        """Why to stop the boot now, or None."""
        if now >= self._deadline:
            return self._complaint
        if now >= self._end:
            return f"the boot did not end within {self._total:.0f} s"
        return None


def find_panic(console: str) -> str | None:
    found = PANIC.search(console)
    return found[0].strip() if found else None


def judge(done: bool, complaint: str | None, status: int, console: str) -> Outcome:
    """The outcome of a boot; `console` is the end of its console output."""
    if done:
        return Outcome("ok")
    if panic := find_panic(console):
        return Outcome("panic", panic)
    last = " | ".join(console.strip().splitlines()[-3:]) or "nothing"
    if complaint:
        return Outcome("hang", f"{complaint}; last on the console: {last}")
    if -status in BY_OTHERS:
        return Outcome("error", f"the emulator was killed ({signal.Signals(-status).name}), and not by "
                                "this run: by somebody, or memory ran out (dmesg)")
    ended = f"the emulator ended with status {status} before the guest was done"
    return Outcome("died", f"{ended}; last on the console: {last}")
