# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of scripts/lava/local, and what LAVA has to make of each."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import check, services, setup, template
from lab.dut import FAILING_CASE, KSELFTEST, Dut, Duts
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
# A few cases for each emulator: other checks judge their outcome.
PROGRAM = "prefault_args_test"
SMALL = f"--tests {PROGRAM} --tests td_measure_test {SEED}"
SHARDED = f"--tests td_accept_test --tests td_measure_test --jobs 1 {SEED}"
COMPLETE, INCOMPLETE = "Complete", "Incomplete"
ONE = f"-t {kselftest.COLLECTION}:{PROGRAM}"


class Lab:
    def __init__(self, lava: Lava, out: Path, suite: str, artefacts: str, duts: Duts) -> None:
        self.lava = lava
        self.jobs = Jobs(lava, out)
        self.out = out
        self.duts = duts
        self._suite = suite
        self._artefacts = artefacts

    def emulated_values(self, options: str) -> dict[str, str]:
        return {"SUITE": self._suite, "ARTEFACTS": self._artefacts, "OPTIONS": options}

    def emulated(self, name: str, options: str, **values: str) -> Job:
        return self.jobs.run(name, "emulated", self.emulated_values(options) | values)[0]

    def kselftest_values(self, dut: Dut, tests: str = ONE) -> dict[str, str]:
        url = f"{self._artefacts}dut/"
        return {"SUITE": self._suite, "KERNEL": url + dut.kernel, "RAMDISK": url + dut.ramdisk,
                "CMDLINE": dut.cmdline, "KSELFTEST": KSELFTEST, "TESTS": tests}

    def kselftest(self, name: str, dut: Dut) -> Job:
        return self.jobs.run(name, "kselftest", self.kselftest_values(dut))[0]

    def health_checks(self) -> list[str]:
        """Set up the devices, and wait until LAVA reports each as good."""
        one_case = f"--tests {PROGRAM}:unknown_flag* {SEED}"
        setup.set_health_check(self.lava, "ssh", template.fill(
            "emulated", {"NAME": "health check", "SUITE": self._suite, "OPTIONS": one_case}))
        setup.set_health_check(self.lava, "qemu", template.fill(
            "kselftest", self.kselftest_values(self.duts.good) | {"NAME": "health check"}))
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

    def scenario(self, name: str, scenario: Scenario) -> list[str]:
        say(f"{name}: {scenario.what}")
        wrong = [f"{name}: {complaint}" for complaint in scenario.run(self)]
        say(f"  {'as expected' if not wrong else f'{len(wrong)} complaints'}")
        return wrong


def emulated(lab: Lab) -> Iterator[str]:
    job = lab.emulated("emulated", SMALL)
    yield from ended(job, COMPLETE)
    yield from check.compare_run(job.runs, job.results)
    yield from artefacts(job)


def artefacts(job: Job) -> Iterator[str]:
    """Each attachment is complete at its URL; a report and a console are among them."""
    links = {result.name: result.reference for result in job.results if result.reference}
    for wanted in ("results.tar.gz", "report.html", "console.default.log",
                   "console.tdx.td_measure_test.log"):
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
    job = lab.kselftest("kselftest", lab.duts.good)
    other = lab.emulated("kselftest-compared", f"--on qemu --tests {PROGRAM} {SEED}")
    yield from ended(job, COMPLETE)
    yield from check.compare(as_booted(to_lava.cases(other.runs)) | {PROGRAM: "pass"}, job.results)


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
    with setup.maintenance(lab.lava, f"ssh-{setup.WORKERS[1]}"):
        start = time.monotonic()
        yield from merged(lab, "one-worker")
        alone = time.monotonic() - start
    start = time.monotonic()
    yield from merged(lab, "two-workers")
    both = time.monotonic() - start
    say(f"  one worker took {duration(alone)}, two took {duration(both)}: "
        f"{100 * both / alone:.0f} percent")


def merged(lab: Lab, name: str) -> Iterator[str]:
    """Submit with the command for a lab's cron job."""
    base = lab.out / name
    done = subprocess.run(
        [ROOT / "scripts/lava/nightly", "emulated", "--shards", "2", "--out", base,
         *(f"{key}={value}" for key, value in lab.emulated_values(SHARDED).items())], check=False)
    if done.returncode:
        yield f"nightly ended with {done.returncode}"
        return
    night, = base.iterdir()
    results = [result for file in night.glob("job-*/lava.json") for result in read_results(file)]
    parts = [load(folder) for folder in night.glob("job-*/results/2*")]
    yield from check.compare_run(parts, results)
    run = load(night / "merged/1")
    if len(parts) != 2 or run.total != sum(part.total for part in parts):
        yield f"{run.total} cases of {len(parts)} parts in the merged run"


def failing(lab: Lab) -> Iterator[str]:
    job = lab.kselftest("failing", lab.duts.mutants()["failing"])
    yield from ended(job, COMPLETE)
    failed = [result.name for result in check.cases(job.results) if result.result == "fail"]
    expected = {PROGRAM, *(name for name in failed if name.startswith(f"{PROGRAM}.{FAILING_CASE}"))}
    if set(failed) != expected or len(expected) < 2:
        yield f"of a kernel with {FAILING_CASE} broken failed: {', '.join(failed)}"


def dying(lab: Lab) -> Iterator[str]:
    job = lab.kselftest("dying", lab.duts.mutants()["dying"])
    yield from ended(job, INCOMPLETE)
    if "Kernel panic - not syncing: a planted panic" not in job.log:
        yield "its log does not have the console's panic"
    if not any(result.result == "pass" for result in check.cases(job.results)):
        yield "the cases that passed before are not there"


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


SCENARIOS = {
    "emulated": Scenario("the suite on emulated hosts, by a worker", emulated),
    "kselftest": Scenario("a device boots the kernel, whose own runner runs the suite", on_device),
    "shards": Scenario("two jobs are one run, on one worker and on two", sharded),
    "failing": Scenario("a kernel with a bug", failing),
    "dying": Scenario("a kernel that panics", dying),
    "harness-error": Scenario("a harness that fails", harness_error),
    "skipped": Scenario("a host without TDX, VMX or SVM", skipped),
    "valid": Scenario("the job for TDX hosts is one that LAVA takes", valid),
}
