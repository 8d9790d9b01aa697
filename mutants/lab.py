# SPDX-License-Identifier: GPL-2.0-only
"""Builds a mutant, boots it, lets the suite and the kernel's own selftests run on it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import accel, plan, programs, upstream
from testbed.cache import Cache
from testbed.emulated import EmulatedHost
from testbed.kernel import Kernel, digest
from testbed.options import Options
from testbed.plan import Case, Pattern
from testbed.source import Source

from mutants import trial
from mutants.mutant import DoesNotApply, Mutant
from mutants.tree import BrokenBuild, Tree
from mutants.trial import Kill
from mutants.verdict import (
    BROKEN_BENCH, BROKEN_BUILD, DOES_NOT_APPLY, KILLED, SURVIVED, Store, Verdict,
)

SEED = 1    # a verdict should not depend on luck


class Lab:
    def __init__(self, cache: Cache, origin: Source, catalogue: Sequence[Mutant],
                 kills: Mapping[str, Kill], out: Path) -> None:
        self._cache = cache
        self._origin = origin
        self._catalogue = catalogue
        self._kills = kills
        self._out = out
        self._tree = Tree(cache, origin, {file for mutant in catalogue for file in mutant.files})
        self._kernel_key = self._tree.prepare()
        self._upstream = upstream.provide(cache, origin)
        programs.build(cache)
        self._cases = programs.cases(nightly=False)
        self._suite = digest(*(hashlib.sha256(path.read_bytes()).hexdigest()
                               for path in sorted(programs.FOLDER.glob("*_test"))))
        self._store = Store(cache.folder / "mutants" / "verdicts")
        self._upstream_store = Store(cache.folder / "mutants" / "upstream")

    @property
    def origin(self) -> str:
        return self._origin.identity

    def known(self, mutant: Mutant) -> Verdict | None:
        """The verdict of an earlier run: same kernel, same tests, same mutant."""
        data = self._store.get(digest(self._kernel_key, self._suite, content(mutant)))
        return self._with_upstream(mutant, Verdict.from_json(data)) if data else None

    def judge(self, mutant: Mutant, compare: bool, again: bool) -> Verdict:
        """Builds and tries; `compare`: with the kernel's own selftests, too."""
        folder = self._out / mutant.id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        verdict = None if again else self.known(mutant)
        start = time.monotonic()
        try:
            kernel = self._tree.kernel(mutant, folder)
        except DoesNotApply as error:
            return Verdict(mutant.id, DOES_NOT_APPLY, detail=str(error))
        except BrokenBuild as error:
            return Verdict(mutant.id, BROKEN_BUILD, detail=str(error))
        build_seconds = round(time.monotonic() - start, 1)
        if verdict is None:
            verdict = self._try(mutant, kernel, folder)
            verdict.build_seconds = build_seconds
            self._store.put(digest(self._kernel_key, self._suite, content(mutant)),
                            dataclasses.replace(verdict, upstream=None).to_json())
        if compare:
            self._compare(mutant, kernel, folder)
        for module in folder.glob("*.ko"):
            module.unlink()
        return self._with_upstream(mutant, verdict)

    def _try(self, mutant: Mutant, kernel: Kernel, folder: Path) -> Verdict:
        suspects = trial.suspects(mutant, self._cases, self._kills, self._catalogue)
        result = None
        if suspects:
            host = self._host(kernel, folder, suspects, narrow=True)
            result = trial.run(host, trial.plan(mutant, suspects, self._kills), folder)
        if result is None or result.kill is None:
            before = result.seconds if result else 0.0
            host = self._host(kernel, folder, self._cases)
            result = trial.run(host, trial.plan(mutant, self._cases, self._kills), folder)
            result = dataclasses.replace(result, seconds=round(result.seconds + before, 1))
        word = KILLED if result.kill else BROKEN_BENCH if result.broken else SURVIVED
        return Verdict(mutant.id, word, result.kill, seconds=result.seconds, cases=result.cases,
                       broken=list(result.broken))

    def unreliable(self, kills: Sequence[Kill]) -> list[Kill]:
        """Those of the killing cases that fail without a mutant, too."""
        names = {(kill.test, kill.case) for kill in kills}
        cases = [case for case in self._cases if (case.test, case.name) in names]
        folder = self._out / "unmodified"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        kernel = self._tree.kernel(None, folder)
        host = self._host(kernel, folder, cases, narrow=True)
        return trial.control(host, plan.boots(cases), folder)

    def _host(self, kernel: Kernel, folder: Path, cases: Sequence[Case],
              narrow: bool = False) -> EmulatedHost:
        patterns = tuple(Pattern(case.test, case.name) for case in cases) if narrow else ()
        options = Options(
            on="emulated", patterns=patterns, seed=SEED, out=self._out, kernel=None, bochs=None,
            debug_kernel=False, refresh_kernel=False, nightly=False, jobs=1, fail_fast=False,
            verbose=False, may_install=False, allow_host_wide=False,
        )
        return EmulatedHost(options, self._cache, folder, cases, kernel)

    def _compare(self, mutant: Mutant, kernel: Kernel, folder: Path) -> None:
        """On AMD only: none of the selftests creates a TD."""
        if self._upstream_data(mutant) is not None or mutant.vm == ("tdx",):
            return
        emulator = accel.choose(self._cache, kernel.image, folder)
        report = upstream.run(emulator, kernel.image, self._upstream, folder,
                              modules=[path for path in kernel.modules if path.parent == folder])
        self._upstream_store.put(self._upstream_key(mutant), {
            "statuses": {result.program: result.status for result in report.results},
            "messages": report.messages,
        })

    def _upstream_key(self, mutant: Mutant) -> str:
        return digest(self._kernel_key, self._upstream.name, content(mutant))

    def _upstream_data(self, mutant: Mutant) -> Any:
        return self._upstream_store.get(self._upstream_key(mutant))

    def _with_upstream(self, mutant: Mutant, verdict: Verdict) -> Verdict:
        if data := self._upstream_data(mutant):
            verdict.upstream, verdict.upstream_messages = data["statuses"], data["messages"]
        return verdict

    def compared(self, mutant: Mutant) -> bool:
        return mutant.vm == ("tdx",) or self._upstream_data(mutant) is not None


def content(mutant: Mutant) -> str:
    """What a mutant does to the kernel, whatever is said about it."""
    return json.dumps([mutant.vm, [[str(edit.file), edit.function, edit.find, edit.replace]
                                   for edit in mutant.edits]])
