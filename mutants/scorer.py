# SPDX-License-Identifier: GPL-2.0-only
"""Generated mutants against the cases that get to them, most likely first."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from testbed import plan
from testbed.errors import HarnessError
from testbed.make import programs
from testbed.make.cache import Cache, digest
from testbed.make.source import Source
from testbed.plan import Case, Pattern, forks

from mutants import population
from mutants.forked import Alone, Forks, contents
from mutants.generated import SCOPE
from mutants.mutant import Mutant
from mutants.tree import Many, Tree
from mutants.trial import Kill, Result, until_killed
from mutants.verdict import (
    BROKEN_BUILD, GAP, KILLED, NO_DIFFERENCE, NOT_EXECUTED, SAME_CODE, SURVIVED, Store, Verdict,
)

SEED = 1        # verdicts must be reproducible
FIRST = 8       # cases that a mutant meets before others have their turn


class Scorer:
    """A hunt.Judge."""

    def __init__(self, cache: Cache, origin: Source, kills: Mapping[str, Kill],
                 catalogue: Sequence[Mutant], out: Path, most: int, tests: Sequence[str] = ()) -> None:
        """`most`: cases that a mutant meets at most; 0: all that can notice it.
        `tests`: patterns of the cases that are taken into account; none: all."""
        self.origin = origin.identity
        self._out, self._most = out, most
        tree = Tree(cache, origin, [Path(file) for file in SCOPE])
        self.mutants = population.built_in(population.provide(cache, origin, tree))
        self.many: Many = tree.many(self.mutants)
        programs.build(cache)
        self._cases = plan.parse_list(programs.listing(nightly=False))
        if tests:
            self._cases = plan.select(self._cases, [Pattern.parse(text) for text in tests])
        self._programs = contents()
        self._forks = Forks(cache, self.many, self._cases, self._programs, SEED, out)
        self._store = Store(cache.folder / "mutants" / "generated")
        self._alone: dict[Case, Alone] = {}
        self._lock = Lock()
        self._killers: Counter[tuple[str, Case]] = Counter()
        by_name = {(case.test, case.name): case for case in self._cases}
        for mutant in catalogue:
            if (kill := kills.get(mutant.id)) and (case := by_name.get((kill.test, kill.case))):
                self._killers.update((function, case) for function in mutant.functions)

    def close(self) -> None:
        self._forks.close()

    def survey(self, say: Callable[[str], None]) -> dict[Case, Alone]:
        """What each case reaches on the kernel without a mutant; what is known does not run."""
        units = forks(self._cases)
        for number, unit in enumerate(units, start=1):
            try:
                alone = self._forks.alone(unit)
            except HarnessError as error:   # the next run tries again
                say(f"left out: {error}")
                continue
            self._alone |= {case: alone[case.name] for cases in unit.tests.values() for case in cases}
            say(f"reached: {number} of {len(units)} programs, {unit.name}")
        return self._alone

    def known(self, mutant: Mutant) -> Verdict | None:
        return self._without_a_run(mutant) or self._stored(mutant)

    def _stored(self, mutant: Mutant) -> Verdict | None:
        data = self._store.get(self._key(mutant))
        verdict = Verdict.from_json(data) if data else None
        if verdict is None or verdict.tests != self._tests(verdict.kill):
            return None
        self._learn(mutant, verdict.kill)
        return verdict

    def _without_a_run(self, mutant: Mutant) -> Verdict | None:
        if mutant.id not in self.many.numbers:
            return Verdict(mutant.id, BROKEN_BUILD)
        if mutant.id in self.many.same:
            return Verdict(mutant.id, SAME_CODE, detail=self.many.same[mutant.id] or "the original")
        seen = frozenset[int]().union(*(alone.reached for alone in self._alone.values() if alone.fine))
        for places, word in ((self.many.executed, NOT_EXECUTED), (self.many.differs, NO_DIFFERENCE)):
            if not seen & places[mutant.id]:
                return Verdict(mutant.id, word)
        return None

    def compared(self, mutant: Mutant) -> bool:
        """The kernel's own selftests do not run."""
        del mutant
        return True

    def _key(self, mutant: Mutant) -> str:
        return digest(self.many.key, mutant.id, str(self._most), *(case.name for case in self._cases))

    def _tests(self, kill: Kill | None) -> str:
        return self._programs.get(kill.test, "") if kill else digest(*self._programs.values())

    def judge(self, mutant: Mutant, *, whole: bool, compare: bool, again: bool) -> Verdict | None:
        """First a few cases, then, `whole`, the others."""
        del compare, again
        order = self.likely(mutant)
        part = order[FIRST:self._most or None] if whole else order[:FIRST]
        result = self._run(mutant, part)
        if not (result.kill or whole) and order[FIRST:]:
            return None
        word = KILLED if result.kill else GAP if result.errors else SURVIVED
        detail = f"{min(len(order), self._most or len(order))} of {len(order)} cases that can notice it"
        verdict = Verdict(mutant.id, word, result.kill, seconds=result.seconds, cases=result.cases,
                          errors=list(result.errors), detail="" if result.kill else detail,
                          tests=self._tests(result.kill))
        self._learn(mutant, result.kill)
        self._store.put(self._key(mutant), verdict.to_json())
        return verdict

    def _run(self, mutant: Mutant, cases: Sequence[Case]) -> Result:
        folder = self._out / mutant.id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        best = {(case.test, case.boot): place for place, case in reversed(list(enumerate(cases)))}
        units = sorted(forks(cases), key=lambda unit: best[min(unit.tests), unit.boot])
        return until_killed(
            self._forks.some(mutant, [case for found in unit.tests.values() for case in found], folder)
            for unit in units)

    def likely(self, mutant: Mutant) -> list[Case]:
        """The cases in which it makes a difference: those that killed others in its function first,
        then those that take little time and get to few places."""
        differs = self.many.differs[mutant.id]
        with self._lock:
            killed = {case: self._killers[function, case] for function in mutant.functions
                      for case in self._cases}
        return sorted((case for case, alone in self._alone.items() if alone.fine and alone.reached & differs),
                      key=lambda case: (-killed[case], self._alone[case].seconds
                                        * len(self._alone[case].reached), case.test, case.name))

    def _learn(self, mutant: Mutant, kill: Kill | None) -> None:
        if kill:
            with self._lock:
                self._killers.update((function, case) for function in mutant.functions
                                     for case in self._cases
                                     if (case.test, case.name) == (kill.test, kill.case))
