# SPDX-License-Identifier: GPL-2.0-only
"""A results folder -> Run.

The plan says what should have run, the KTAP what did. A case that was planned
and has no result is judged here: it is never left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import ktap
from .model import OF_TESTS, Boot, Case, Exit, Outcome, Planned, Run, Status, Test, cases_of

_DEATH = {Outcome.PANIC: "panicked", Outcome.HANG: "hung", Outcome.DIED: "died"}


def load(folder: Path) -> Run:
    run = Run(name=folder.resolve().name)
    environment = _read_json(folder / "environment.json", {})
    if isinstance(environment, dict):
        run.environment = environment
    run.boots = _read_plan(folder, run)
    tests: dict[str, Test] = {}
    logs = _read_logs(folder / "ktap")
    for boot in run.boots:
        _judge_boot(boot, logs, tests, run)
    for (name, boot_name), log in logs.items():
        run.problems.append(f"{name}.{boot_name}.ktap belongs to no boot of plan.json")
        _merge(tests, log, log.test.cases, boot_name)
    run.tests = list(tests.values())
    return run


def write_plan(folder: Path, boots: list[Boot]) -> None:
    """Replace plan.json in one step: a run killed here leaves the old or the new one."""
    text = json.dumps({"boots": [boot.to_json() for boot in boots]}, indent=1)
    new = folder / "plan.json.new"
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(folder / "plan.json")


def _read_json(path: Path, fallback: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return fallback


def load_boots(folder: Path) -> list[Boot]:
    """Read plan.json; raises what _read_plan() catches."""
    return [Boot.from_json(boot) for boot in json.loads((folder / "plan.json").read_bytes())["boots"]]


def _read_plan(folder: Path, run: Run) -> list[Boot]:
    try:
        return load_boots(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        run.problems.append(f"plan.json cannot be used: {error!r}")
        return []


def _read_logs(folder: Path) -> dict[tuple[str, str], ktap.Log]:
    logs = {}
    for path in sorted(folder.glob("*.ktap")):
        name, _, boot = path.stem.partition(".")
        logs[name, boot] = ktap.parse(path.read_bytes(), name)
    return logs


def _judge_boot(boot: Boot, logs: dict[tuple[str, str], ktap.Log],
                tests: dict[str, Test], run: Run) -> None:
    empty = b"1..0\n"
    ran = [(planned, logs.pop((planned.name, boot.key), None)) for planned in boot.tests]
    last = max((index for index, (_, log) in enumerate(ran) if log), default=-1)
    _judge_outcome(boot, last >= 0, run)
    for index, (planned, log) in enumerate(ran):
        began = log is not None
        log = log or ktap.parse(empty, planned.name)
        ended = planned.exit is not None or boot.outcome is Outcome.OK or index < last
        why = _why_missing(boot, planned, log, began, ended)
        missing = [_missing(name, log, boot, ended, why) for name in _unreported(planned, log)]
        if ended and not missing:
            run.problems += _doubts(boot, planned, log)
        _merge(tests, log, log.test.cases + missing, boot.name)


def _judge_outcome(boot: Boot, tests_began: bool, run: Run) -> None:
    """A boot that ends before any test is the kernel's fault only if it panicked."""
    detail = f": {boot.detail}" if boot.detail else ""
    if boot.outcome is Outcome.PANIC or (boot.outcome in _DEATH and tests_began):
        death = _DEATH[boot.outcome]
        run.deaths.append(f"boot {boot.name}: the kernel under test {death}{detail}")
    elif boot.outcome in _DEATH:
        death = _DEATH[boot.outcome]
        run.problems.append(f"boot {boot.name}: {death} before the first test{detail}")
    elif boot.outcome is Outcome.RUNNING:
        run.problems.append(f"boot {boot.name}: the runner ended before it{detail}")
    elif boot.outcome is Outcome.ERROR:
        what = "did not come to its end" if tests_began else "could not be booted"
        run.problems.append(f"boot {boot.name}: {what}{detail}")


def _unreported(planned: Planned, log: ktap.Log) -> list[str]:
    """The planned cases, and those begun without a plan, that have no result line."""
    reported = {case.name for case in log.test.cases}
    names = dict.fromkeys([*planned.cases, *log.unfinished])
    return [name for name in names if name not in reported]


def _why_missing(boot: Boot, planned: Planned, log: ktap.Log, began: bool, ended: bool) -> str:
    if log.bail_out is not None:
        return f"the test bailed out: {log.bail_out}"
    if ended and began:
        status = "" if planned.exit is None else f" with status {planned.exit}"
        return f"the test program ended early{status}"
    if ended:
        return "the test program said nothing"
    if boot.outcome in _DEATH:
        return f"the machine {_DEATH[boot.outcome]} before"
    if boot.outcome is Outcome.RUNNING:
        return "the runner ended before"
    return boot.detail or "the boot failed"


def _missing(name: str, log: ktap.Log, boot: Boot, ended: bool, why: str) -> Case:
    """Judge a case without a result line."""
    case = log.unfinished.get(name)
    if case is None:
        if log.skip_all is not None:
            return Case(name, Status.SKIP, log.skip_all)
        return Case(name, Status.ERROR, f"not run: {why}")
    case.status = Status.ERROR
    if name != log.running:
        case.reason = "its result line was lost"
    elif log.bail_out is not None:
        case.reason = why
    elif ended:
        case.status, case.reason = Status.FAIL, f"test program died during this case: {why}"
    elif boot.outcome in _DEATH:
        case.status = Status.FAIL
        case.reason = f"the kernel under test {_DEATH[boot.outcome]} during this case"
    elif boot.outcome is Outcome.ERROR:
        case.reason = f"during this case: {boot.detail}"
    else:
        case.reason = "the runner ended during this case"
    return case


def _doubts(boot: Boot, planned: Planned, log: ktap.Log) -> list[str]:
    """Why results that look complete cannot be: no failure may hide behind passes."""
    cases = log.test.cases
    doubts = []
    if not cases and log.skip_all is None:
        doubts.append("has no case at all")
    if log.bail_out is not None:
        doubts.append(f"bailed out: {log.bail_out}")
    if log.planned is not None and log.planned > len(cases):
        doubts.append(f"{log.planned - len(cases)} of {cases_of(log.planned)} without a result")
    if planned.exit is not None and planned.exit not in OF_TESTS:
        doubts.append(f"ended with status {planned.exit} after its last case")
    bad = any(case.status in (Status.FAIL, Status.ERROR) for case in cases)
    if planned.exit in OF_TESTS and (planned.exit == Exit.FAILED) != bad:
        doubts.append(f"its exit status {planned.exit} contradicts its results")
    return [f"boot {boot.name}: {planned.name}: {doubt}" for doubt in doubts]


def _merge(tests: dict[str, Test], log: ktap.Log, cases: list[Case], boot: str) -> None:
    test = tests.setdefault(log.test.name, Test(log.test.name))
    test.summary = test.summary or log.test.summary
    test.notes += [f"{boot}: {note}" for note in log.test.notes]
    for case in cases:
        case.boot = boot
    test.cases += cases
