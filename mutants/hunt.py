# SPDX-License-Identifier: GPL-2.0-only
"""Many mutants, some of them at once: what is left to do, and what became of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Protocol, TypeVar

from testbed.upstream import FINE

from mutants.mutant import Mutant
from mutants.verdict import GAP, KILLED, Verdict


SomeMutant = TypeVar("SomeMutant", bound=Mutant)


class Judge(Protocol):
    """A lab.Lab, or its stand-in in a test."""

    def known(self, mutant: Mutant) -> Verdict | None: ...

    def compared(self, mutant: Mutant) -> bool: ...

    def judge(self, mutant: Mutant, *, whole: bool, compare: bool, again: bool
              ) -> Verdict | None: ...


def shard(mutants: Sequence[SomeMutant], number: int, of: int) -> list[SomeMutant]:
    """Part `number` (from 1) of `of`: every n-th, so that parts take about as long."""
    return list(mutants[number - 1::of])


class Hunt:
    """First each mutant meets the cases that are likely to kill it, which is quick.
    Those that live meet the whole suite, after all others."""

    def __init__(self, judge: Judge, mutants: Sequence[Mutant], *, jobs: int, compare: bool,
                 again: bool = False, say: Callable[[str], None] = print,
                 until: float = float("inf"), whole: bool = True) -> None:
        self._judge = judge
        self._mutants = mutants
        self._jobs = jobs
        self._compare = compare
        self._again = again      # also for mutants with a known verdict
        self._say = say
        self._until = until      # time.monotonic(): no mutant starts after it
        self._whole = whole      # those that live meet the whole suite
        self._lock = Lock()
        self._verdicts: dict[str, Verdict] = {}
        self._errors: list[BaseException] = []

    def run(self) -> list[Verdict]:
        """Verdicts, in the order of the mutants."""
        left: deque[tuple[Mutant, bool]] = deque()
        for mutant in self._mutants:
            known = None if self._again else self._judge.known(mutant)
            if known and (self._judge.compared(mutant) or not self._compare):
                self._verdicts[mutant.id] = known
            else:
                left.append((mutant, False))
        if self._verdicts:
            self._say(f"{len(self._verdicts)} verdicts reused from earlier runs")
        # Daemons: an interrupted run ends without them.
        threads = [Thread(target=self._work, args=(left,), daemon=True) for _ in range(self._jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
            lived = sorted(mutant.id for mutant, whole in left if whole)
        finally:
            left.clear()
        if self._errors:
            raise self._errors[0]
        if lived:
            why = "no time to run" if self._whole else "did not run"
            self._say(f"{why} the whole suite on mutants that the likely cases did not kill: "
                      f"{', '.join(lived)}")
        return [self._verdicts[mutant.id] for mutant in self._mutants if mutant.id in self._verdicts]

    def _work(self, left: deque[tuple[Mutant, bool]]) -> None:
        try:
            while not self._errors and time.monotonic() < self._until:
                try:
                    mutant, whole = left.popleft()
                except IndexError:
                    return
                if whole and not self._whole:
                    left.append((mutant, whole))
                    return
                verdict = self._judge.judge(mutant, whole=whole, compare=self._compare,
                                            again=self._again)
                if verdict is None:
                    left.append((mutant, True))
                    continue
                with self._lock:
                    self._verdicts[mutant.id] = verdict
                    self._say(f"[{len(self._verdicts)}/{len(self._mutants)}] "
                              f"{line(mutant, verdict)}")
        except BaseException as error:      # for the main thread, which raises it
            self._errors.append(error)


def line(mutant: Mutant, verdict: Verdict) -> str:
    text = f"{mutant.id} {verdict.verdict}"
    if verdict.kill:
        how = "" if verdict.kill.how == "fail" else f" ({verdict.kill.how})"
        text += f" by {verdict.kill.name}{how}"
    elif mutant.status == "equivalent":
        text += " (equivalent)"
    if verdict.errors:
        text += f"; {len(verdict.errors)} ERROR, {verdict.errors[0]}"
    if verdict.detail:
        text += f": {verdict.detail.splitlines()[-1].strip()}"
    if verdict.upstream:
        seen = [name for name, status in verdict.upstream.items() if status not in FINE]
        text += f"; the kernel's own: {', '.join(seen) or 'no'}"
    return f"{text} ({verdict.seconds:.0f} s, built in {verdict.build_seconds:.0f} s)"


def summary(mutants: Sequence[Mutant], verdicts: Sequence[Verdict]) -> str:
    """The line "killed K of N"; N are the killable mutants that were tried."""
    by_id = {verdict.id: verdict for verdict in verdicts}
    tried = [mutant for mutant in mutants if mutant.id in by_id and mutant.status == "killable"]
    killed = [mutant for mutant in tried if by_id[mutant.id].verdict == KILLED]
    text = f"killed {len(killed)} of {len(tried)}"
    if gaps := [mutant.id for mutant in tried if by_id[mutant.id].verdict == GAP]:
        text += f", gaps (ERROR for FAIL): {', '.join(gaps)}"
    compared = [mutant for mutant in tried
                if mutant.vm == ("tdx",) or by_id[mutant.id].upstream is not None]
    if any(verdict.upstream is not None for verdict in verdicts):
        seen = [mutant for mutant in compared if noticed(by_id[mutant.id])]
        text += f"; the kernel's own selftests {len(seen)} of {len(compared)}"
    equivalent = [mutant for mutant in mutants
                  if mutant.id in by_id and mutant.status == "equivalent"]
    if equivalent:
        text += f"; {len(equivalent)} equivalent"
        wrong = [mutant.id for mutant in equivalent if by_id[mutant.id].verdict == KILLED]
        text += f", of which KILLED: {', '.join(wrong)}" if wrong else ", none of which was killed"
    if rest := len(mutants) - len(by_id):
        text += f"; {rest} not tried"
    return text


def noticed(verdict: Verdict) -> bool:
    """Whether one of the kernel's own selftests failed."""
    return any(status not in FINE for status in (verdict.upstream or {}).values())
