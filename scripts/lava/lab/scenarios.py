# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of scripts/lava/local, and what LAVA has to make of each."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lab import check, services, setup, suite, template
from lab.broken import FAILING_CASE, PANIC
from lab.dut import Dut
from lab.jobs import Job, Jobs, read_results
from lab.lavacli import Lava
from reports import lava as to_lava
from reports.load import load
from reports.model import Case, Status
from testbed.errors import HarnessError
from testbed.make import kselftest
from testbed.make.programs import ROOT
from testbed.progress import duration, say

SEED = "--seed 1"
PROGRAM = "prefault_args_test"
# A few cases for each emulator: other checks judge their outcome.
SELECTION = f"--tests {PROGRAM} --tests td_measure_test {SEED}"
COMPLETE, INCOMPLETE = "Complete", "Incomplete"
# The case that broken.py breaks, some before it, and one after.
AROUND_IT = " ".join(f"--tests {PROGRAM}:{case}.default" for case in ("wrap_*", FAILING_CASE, "no_slot"))
ONE = f"-t {kselftest.COLLECTION}:{PROGRAM}"


T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Of threads that call this the first makes the result, and all have it."""
    lock, made = Lock(), cache(make)

    def call() -> T:
        with lock:
            return made()

    return call


class Lab:
    """`good` is what devices boot; `broken` makes the ones with a bug and with a panic."""

    def __init__(self, lava: Lava, out: Path, suite: str, artefacts: str, good: Dut,
                 broken: Callable[[], tuple[Dut, Dut]]) -> None:
        self.lava = lava
        self.jobs = Jobs(lava, out)
        self.out = out
        self.good = good
        self.broken = once(broken)
        self.whole = once(lambda: self.emulated("emulated", SELECTION))
        self.suite = suite
        self._artefacts = artefacts

    def emulated_values(self, options: str) -> dict[str, str]:
        return {"SUITE": self.suite, "ARTEFACTS": self._artefacts, "OPTIONS": options}

    def emulated(self, name: str, options: str, **values: str) -> Job:
        return self.jobs.run(name, "emulated", self.emulated_values(options) | values)[0]

    def kselftest_values(self, dut: Dut) -> dict[str, str]:
        return {"SUITE": self.suite, "TESTS": ONE} | dut.values(f"{self._artefacts}dut")

    def both(self, name: str, dut: Dut, options: str) -> tuple[Job, Job]:
        """Two jobs at once: a device boots the kernel, and the suite on an emulated host does."""
        submitted = [*self.jobs.submit(name, "kselftest", self.kselftest_values(dut)),
                     *self.jobs.submit(name, "emulated", self.emulated_values(f"--on qemu {options} {SEED}"))]
        device, emulated = (self.jobs.wait(job) for job in submitted)
        return device, emulated

    def health_checks(self) -> list[str]:
        """Set up the devices, and wait until LAVA reports each as good."""
        one_case = f"--tests {PROGRAM}:unknown_flag* {SEED}"
        setup.set_health_check(self.lava, "ssh", template.fill(
            "emulated", {"NAME": "health check", "SUITE": self.suite, "OPTIONS": one_case}))
        setup.set_health_check(self.lava, "qemu", template.fill(
            "kselftest", self.kselftest_values(self.good) | {"NAME": "health check"}))
        names = setup.activate(self.lava)
        for number in self.health_jobs(len(names)):
            self.jobs.look(number, "health-check")
        states = {name: self.device_health(name) for name in names}
        say("  " + ", ".join(f"{name}: {state}" for name, state in states.items()))
        return [f"health check: device {name} is {state}" for name, state in states.items()
                if state != "Good"]

    def health_jobs(self, count: int) -> list[int]:
        """The health checks, which LAVA submits by itself, one for each device."""
        def numbers() -> list[int]:
            return sorted(int(job["id"]) for job in json.loads(self.lava("jobs", "list", "--json")))

        services.wait_for("health checks", lambda: len(numbers()) == count)
        return numbers()

    def device_health(self, name: str) -> str:
        return str(json.loads(self.lava("devices", "show", "--json", name))["health"])

    def run(self, names: Sequence[str]) -> list[str]:
        """Run these scenarios, as many at once as there are devices for, and then those alone."""
        at_once = [name for name in names if not SCENARIOS[name].alone]
        alone = [name for name in names if SCENARIOS[name].alone]
        with ThreadPoolExecutor() as threads:
            wrong = [*threads.map(self._scenario, at_once), *map(self._scenario, alone)]
        return [complaint for complaints in wrong for complaint in complaints]

    def _scenario(self, name: str) -> list[str]:
        scenario = SCENARIOS[name]
        say(f"{name}: {scenario.what}")
        wrong = [f"{name}: {complaint}" for complaint in scenario.run(self)]
        say(f"{name}: {'as expected' if not wrong else f'{len(wrong)} complaints'}")
        return wrong


def emulated(lab: Lab) -> Iterator[str]:
    job = lab.whole()
    yield from ended(job, COMPLETE)
    yield from check.compare_run(job.runs, job.results)
    commit = services.run("git", "ls-remote", lab.suite, suite.BRANCH)
    if not all(commit.startswith(run.environment["suite"]) for run in job.runs):
        yield f"results of {job.runs[0].environment['suite']}, not of commit {commit}"
    yield from artefacts(job, "results.tar.gz", "report.html", "console.default.log",
                         "console.tdx.td_measure_test.log")


def artefacts(job: Job, *needed: str) -> Iterator[str]:
    """Each attachment is complete at its URL; the needed ones are among them."""
    links = {result.name: result.reference for result in job.results if result.reference}
    for wanted in needed:
        if not any(name.endswith(wanted) for name in links):
            yield f"no {wanted} is attached"
    for name, url in links.items():
        with urllib.request.urlopen(url) as answer:
            size = len(answer.read())
        run, _, file = name.partition(".")
        kept = job.folder / "results" / run / file
        if kept.is_file() and kept.stat().st_size != size:
            yield f"{name}: {size} bytes attached, {kept.stat().st_size} in {kept}"


def on_device(lab: Lab) -> Iterator[str]:
    """Compare with the same program's results by run_tests.sh."""
    job = lab.jobs.run("kselftest", "kselftest", lab.kselftest_values(lab.good))[0]
    cases = {name: case for name, case in to_lava.cases(lab.whole().runs).items()
             if name.startswith(f"{PROGRAM}.")}
    yield from ended(job, COMPLETE)
    yield from check.compare(as_booted(cases) | {PROGRAM: "pass"}, job.results)
    numbers = {f"{name}.{key}" for name, case in cases.items() if case.boot in ("", "default")
               for key in case.measurements}
    if missing := numbers - check.measured(job.results):
        yield f"without the measurements {', '.join(sorted(missing))}"


def as_booted(cases: Mapping[str, Case]) -> dict[str, str]:
    """The expected results in a default boot: cases of other boots skip."""
    expected = {}
    for name, case in cases.items():
        other = case.boot not in ("", "default")
        expected[name.removesuffix(f".{case.boot}") if other else name] = (
            "skip" if other else to_lava.RESULT[case.status])
    return expected


def sharded(lab: Lab) -> Iterator[str]:
    """Two shards on one worker, and on two; merged, they are one complete run."""
    seconds = {}
    with setup.maintenance(lab.lava, f"ssh-{setup.WORKERS[1]}"):
        seconds["one worker"] = yield from merged(lab, "one-worker")
    seconds["two workers"] = yield from merged(lab, "two-workers")
    alone, both = seconds.values()
    say(f"  one worker took {duration(alone)}, two took {duration(both)}: "
        f"{100 * both / alone:.0f} percent")


def merged(lab: Lab, name: str) -> Generator[str, None, float]:
    """Submit with the command for a lab's cron job; return the seconds it takes."""
    base = lab.out / name
    start = time.monotonic()
    done = subprocess.run(
        [ROOT / "scripts/lava/nightly", "emulated", "--shards", "2", "--out", base,
         *(f"{key}={value}" for key, value in lab.emulated_values(f"{SELECTION} --jobs 1").items())],
        check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        yield f"nightly ended with {done.returncode}"
        return seconds
    night, = base.iterdir()
    results = [result for file in night.glob("job-*/lava.json") for result in read_results(file)]
    parts = [load(folder) for folder in night.glob("job-*/results/2*")]
    yield from check.compare_run(parts, results)
    if len(parts) != 2 or not all(part.total for part in parts):
        yield f"{', '.join(str(part.total) for part in parts)} cases in the parts"
    whole, = lab.whole().runs
    yield from check.compare_cases(whole, load(night / "merged/1"))
    used = [float(result.measurement) for result in results if result.name == check.RUN]
    say(f"  {name}: CPU {' and '.join(duration(one) for one in used)}")
    return seconds


def failing(lab: Lab) -> Iterator[str]:
    """A case that a bug makes fail fails in both kinds of job, and no other does."""
    dut, _ = lab.broken()
    jobs = lab.both("failing", dut, f"{image(dut)} {AROUND_IT}")
    for job in jobs:
        yield from ended(job, COMPLETE)
        failed = [result.name for result in check.cases(job.results) if result.result == "fail"]
        case = f"{PROGRAM}.{FAILING_CASE}"
        if not any(name.startswith(case) for name in failed):
            yield f"job {job.number}: {case} did not fail"
        if others := [name for name in failed if name != PROGRAM and not name.startswith(case)]:
            yield f"job {job.number}: of a kernel with {case} broken failed: {', '.join(others)}"
    yield from check.compare_run(jobs[1].runs, jobs[1].results)


def image(dut: Dut) -> str:
    """The options of run_tests.sh for this kernel."""
    return f"--kernel {dut.kernel} --modules {dut.modules}"


def dying(lab: Lab) -> Iterator[str]:
    """A kernel that panics leaves an incomplete job, with what ended before and the console."""
    _, dut = lab.broken()
    device, emulated_host = lab.both("dying", dut, f"{image(dut)} {AROUND_IT}")
    for job in (device, emulated_host):
        yield from ended(job, INCOMPLETE)
        if not any(result.result == "pass" for result in check.cases(job.results)):
            yield f"job {job.number}: the cases that passed before are not there"
    if f"Kernel panic - not syncing: {PANIC}" not in device.log:
        yield "the device's log does not have the console's panic"
    yield from check.compare_run(emulated_host.runs, emulated_host.results)
    yield from artefacts(emulated_host, "console.default.log")
    if not any(PANIC in console.read_text(errors="replace")
               for console in emulated_host.folder.glob("results/2*/console.*")):
        yield "the attached console does not have the panic"


def harness_error(lab: Lab) -> Iterator[str]:
    job = lab.emulated("harness-error", f"--tests td_measure_test --bochs /bin/false {SEED}")
    yield from ended(job, INCOMPLETE)
    yield from check.compare_run(job.runs, job.results)
    if any(result.result != "unknown" for result in check.cases(job.results)):
        yield "a case that was not run is not unknown"


def skipped(lab: Lab) -> Iterator[str]:
    job = lab.emulated("skipped", f"--tests {PROGRAM} {SEED}", ON="native")
    yield from ended(job, COMPLETE)
    yield from check.compare_run(job.runs, job.results)
    if not all(case.status is Status.SKIP for run in job.runs for _, case in run.cases()):
        yield "this host has VMX or SVM, and the suite ran on it"


def valid(lab: Lab) -> Iterator[str]:
    """Validate the job for a rack; there is no such device here."""
    text = template.fill("tdx-host", {
        "DEVICE_TYPE": "tdx-host", "SUITE": "https://lab.example/suite.git",
        "KERNEL": "https://lab.example/bzImage", "RAMDISK": "https://lab.example/initrd.gz",
        "ROOTFS": "https://lab.example/rootfs.tar.xz"})
    try:
        lab.lava.with_file(text, "jobs", "validate", "--strict")
    except HarnessError as error:
        yield str(error)


def ended(job: Job, health: str) -> Iterator[str]:
    if job.health != health:
        yield f"job {job.number} is {job.health}, not {health}; its log: {job.folder}/log.txt"


@dataclass(frozen=True)
class Scenario:
    what: str
    run: Callable[[Lab], Iterator[str]]
    alone: bool = False     # it is timed


SCENARIOS = {
    "emulated": Scenario("the suite on emulated hosts, by a worker", emulated),
    "kselftest": Scenario("a device boots the kernel, whose own runner runs the suite", on_device),
    "shards": Scenario("two jobs are one run, on one worker and on two", sharded, alone=True),
    "failing": Scenario("a kernel with a bug", failing),
    "dying": Scenario("a kernel that panics", dying),
    "harness-error": Scenario("a harness that fails", harness_error),
    "skipped": Scenario("a host without TDX, VMX or SVM", skipped),
    "valid": Scenario("the job for TDX hosts is one that LAVA takes", valid),
}
