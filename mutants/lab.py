# SPDX-License-Identifier: GPL-2.0-only
"""Lets the suite and the kernel's own selftests run on a mutant: where many are in one kernel,
in a fork of its machine (forked.py), else on a kernel built and booted for this one."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.model import Status
from testbed import plan, upstream
from testbed.boots import BOOTS
from testbed.machine import accel
from testbed.machine.emulated import EmulatedHost
from testbed.make import bochs_build, programs
from testbed.make.cache import Cache, digest
from testbed.make.kernel import BASE, MODULES, Kernel, compiler
from testbed.make.source import Source
from testbed.options import Options
from testbed.plan import Case, Pattern
from testbed.upstream import FINE, Program, last_words

from mutants import trial
from mutants.forked import Forks, contents
from mutants.mutant import AMD, DoesNotApply, Mutant
from mutants.tree import CONFIG, BrokenBuild, Tree
from mutants.trial import Kill, Result
from mutants.verdict import (
    BROKEN_BUILD, DOES_NOT_APPLY, GAP, KILLED, SURVIVED, Store, Verdict,
)

OURS = frozenset(Path(name).stem for name in MODULES)
SEED = 1    # verdicts must be reproducible


class Lab:
    def __init__(self, cache: Cache, origin: Source, catalogue: Sequence[Mutant],
                 kills: Mapping[str, Kill], out: Path, likely: Sequence[str], fork: bool,
                 debug: str = "") -> None:
        """`likely`: patterns of cases that run first, in place of what `kills` tells.
        `fork`: mutants that fit into one kernel share it. `debug`: a name in kernel.DEBUG."""
        self._cache = cache
        self._origin = origin
        self._catalogue = catalogue
        self._kills = kills
        self._out = out
        self._debug = debug
        self._tree = Tree(cache, origin, {file for mutant in catalogue for file in mutant.files}, debug)
        self._kernel_key = digest(origin.identity, self._tree.key,
                                  bochs_build.content_of_softtdx())
        self._upstream = upstream.provide(cache, origin)
        programs.build(cache)
        self._cases = plan.parse_list(programs.listing(nightly=False))
        self._likely = plan.select(self._cases, [Pattern.parse(text) for text in likely]) if likely else []
        self._programs = contents()
        self._store = Store(cache.folder / "mutants" / "verdicts")
        self._upstream_store = Store(cache.folder / "mutants" / "upstream")
        self._forks = Forks(cache, self._tree.many(catalogue), self._cases, self._programs,
                            SEED, out, debug) if fork else None

    @property
    def origin(self) -> str:
        return self._origin.identity

    def close(self) -> None:
        if self._forks:
            self._forks.close()

    def known(self, mutant: Mutant) -> Verdict | None:
        """The verdict of an earlier run, if kernel, mutant and tests are the same."""
        data = self._store.get(self._key(mutant))
        verdict = Verdict.from_json(data) if data else None
        if verdict is None or verdict.tests != self._tests(verdict.kill):
            return None
        return self._with_upstream(mutant, verdict)

    def _key(self, mutant: Mutant) -> str:
        return digest(self._kernel_key, content(mutant), *(["forked"] if self._shares(mutant) else []))

    def _shares(self, mutant: Mutant) -> bool:
        """Whether it is in the kernel with many."""
        return self._forks is not None and self._forks.has(mutant)

    def _tests(self, kill: Kill | None) -> str:
        """The programs that a verdict depends on: the one that killed, or all of them."""
        return self._programs.get(kill.test, "") if kill else digest(*self._programs.values())

    def judge(self, mutant: Mutant, *, whole: bool, compare: bool, again: bool) -> Verdict | None:
        """`compare`: with the kernel's own selftests, too.

        `whole`: with the whole suite; else with the cases that are likely to
        kill it, and when they do not, there is no verdict yet.
        """
        verdict = None if again else self.known(mutant)
        if not (verdict or whole or self._suspects(mutant)):
            return None
        compare = compare and not self.compared(mutant)
        if verdict and not compare:
            return verdict
        with tempfile.TemporaryDirectory(prefix="kts-mutant-") as name:
            work, start = Path(name), time.monotonic()
            try:
                kernel = self._kernel(mutant, work)
            except DoesNotApply as error:
                return Verdict(mutant.id, DOES_NOT_APPLY, detail=str(error))
            except BrokenBuild as error:
                return Verdict(mutant.id, BROKEN_BUILD, detail=str(error))
            build_seconds = round(time.monotonic() - start, 1)
            if verdict is None:
                verdict = self._try(mutant, kernel, work, whole)
                if verdict is None:
                    return None
                verdict.build_seconds = build_seconds
                verdict.tests = self._tests(verdict.kill)
                self._store.put(self._key(mutant), verdict.to_json())
            if compare:
                self._compare(mutant, kernel, work)
        return self._with_upstream(mutant, verdict)

    def _kernel(self, mutant: Mutant, work: Path) -> Kernel:
        if self._forks and self._shares(mutant):
            return self._forks.kernel(mutant)
        return self._tree.kernel(mutant, work)

    def _fresh(self, name: str) -> Path:
        """The folder for consoles."""
        folder = self._out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _try(self, mutant: Mutant, kernel: Kernel, work: Path, whole: bool) -> Verdict | None:
        folder = self._fresh(mutant.id)
        cases = self._cases if whole else self._suspects(mutant)
        if not self._forks or not self._shares(mutant) or mutant.needs == AMD:
            result = self._boot(mutant, kernel, work, cases, folder, narrow=not whole)
        elif not whole:
            result = self._forks.some(mutant, cases, folder)
        else:
            result = self._forks.whole(mutant, self._kills, folder)
            if not result.kill:
                other = [case for case in cases if not BOOTS[case.boot].tdx]
                result = result.and_then(self._boot(mutant, kernel, work, other, folder))
        if not result.kill and not whole:
            return None
        word = KILLED if result.kill else GAP if result.errors else SURVIVED
        return Verdict(mutant.id, word, result.kill, seconds=result.seconds, cases=result.cases,
                       errors=list(result.errors))

    def _boot(self, mutant: Mutant, kernel: Kernel, work: Path, cases: Sequence[Case],
              folder: Path, narrow: bool = False) -> Result:
        """Those that can show it; on the emulated AMD host what needs no TD."""
        planned = trial.plan(mutant, cases, self._kills)
        if not planned:
            return Result(None, 0.0, 0, ())
        return trial.run(self._host(kernel, work, cases, narrow), planned, folder)

    def _suspects(self, mutant: Mutant) -> list[Case]:
        if self._likely:
            return [case for case in self._likely if trial.fits(mutant, case.boot)]
        return trial.suspects(mutant, self._cases, self._kills, self._catalogue)

    def unreliable(self, verdicts: Sequence[Verdict]) -> dict[str, Kill]:
        """By mutant: the kills by cases that also fail without one."""
        kills = {verdict.id: verdict.kill for verdict in verdicts if verdict.kill}
        wrong = {forked: fail([kill for kill in kills.values() if kill.forked is forked])
                 for forked, fail in ((True, self._fail_forked), (False, self._fail_booted))}
        return {name: kill for name, kill in kills.items()
                if (kill.test, kill.case) in wrong[kill.forked]}

    def _named(self, kills: Sequence[Kill]) -> list[Case]:
        names = {(kill.test, kill.case) for kill in kills}
        return [case for case in self._cases if (case.test, case.name) in names]

    def _fail_forked(self, kills: Sequence[Kill]) -> set[tuple[str, str]]:
        return {(case.test, case.name) for case, status in self._forks.controls(self._named(kills))
                if status is Status.FAIL} if self._forks else set()

    def _fail_booted(self, kills: Sequence[Kill]) -> set[tuple[str, str]]:
        cases = self._named(kills)
        if not cases:
            return set()
        with tempfile.TemporaryDirectory(prefix="kts-mutant-") as work:
            kernel = self._forks.kernel() if self._forks else self._tree.kernel(None, Path(work))
            host = self._host(kernel, Path(work), cases, narrow=True)
            failed = trial.control(host, plan.boots(cases, most=1), self._fresh("unmodified"))
        return {(kill.test, kill.case) for kill in failed}

    def _host(self, kernel: Kernel, work: Path, cases: Sequence[Case],
              narrow: bool = False) -> EmulatedHost:
        patterns = tuple(Pattern(case.test, case.name) for case in cases) if narrow else ()
        options = Options(
            on="emulated", patterns=patterns, seed=SEED, out=self._out, kernel=None, bochs=None,
            debug_kernel=self._debug, refresh_kernel=False, nightly=False, jobs=1, fail_fast=False,
            verbose=False, may_install=False, allow_host_wide=False,
        )
        return EmulatedHost(options, self._cache, work, cases, kernel)

    def _compare(self, mutant: Mutant, kernel: Kernel, work: Path) -> None:
        """With those of the kernel's own selftests that were not run yet, up to the first
        that notices.  On AMD only: none of them creates a TD."""
        known = self._upstream_results(mutant)
        programs = [program for program in fitting(mutant) if program.name not in known]
        emulator = accel.choose(self._cache, kernel.image, work)
        report = upstream.run(emulator, kernel.image, self._upstream, work,
                              modules=[path for path in kernel.modules if path.stem not in OURS],
                              programs=programs, first=True, parameters=kernel.cmdline)
        for program, result in zip(programs, report.results, strict=True):
            if result.status != "not run":
                self._upstream_store.put(self._upstream_key(mutant, program), {
                    "status": result.status,
                    "messages": last_words(result) + report.messages,
                })

    def _upstream_key(self, mutant: Mutant, program: Program) -> str:
        # They use neither softtdx nor our modules.
        plain = digest(self._origin.identity, BASE.read_text(), CONFIG.read_text(), compiler())
        return digest(plain, self._upstream.name, program.command, content(mutant))

    def _upstream_results(self, mutant: Mutant) -> dict[str, Any]:
        """The results of the programs that were run."""
        results = {program.name: self._upstream_store.get(self._upstream_key(mutant, program))
                   for program in fitting(mutant)}
        return {name: result for name, result in results.items() if result}

    def _with_upstream(self, mutant: Mutant, verdict: Verdict) -> Verdict:
        if mutant.vm != ("tdx",) and self.compared(mutant):
            results = self._upstream_results(mutant)
            verdict.upstream = {name: result["status"] for name, result in results.items()}
            verdict.upstream_messages = list(dict.fromkeys(
                line for result in results.values() for line in result["messages"]))
        return verdict

    def compared(self, mutant: Mutant) -> bool:
        """Whether one of them failed, or all were run."""
        results = self._upstream_results(mutant)
        return len(results) == len(fitting(mutant)) or any(
            result["status"] not in FINE for result in results.values())


def fitting(mutant: Mutant) -> list[Program]:
    """The kernel's own selftests with a VM that can show the mutant."""
    return [program for program in upstream.PROGRAMS if set(program.vm) & set(mutant.vm)]


def content(mutant: Mutant) -> str:
    """The mutant's edits as text, without its description."""
    return json.dumps([mutant.vm, [edit.content for edit in mutant.edits]])
