# SPDX-License-Identifier: GPL-2.0-only
"""Jobs from submission to results: as scripts/lava/nightly does it, and scripts/lava/local."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import template
from lab.lavacli import Lava, Result, fetch
from lab.services import run
from reports.load import load
from reports.model import Run
from testbed.progress import duration, say

ARCHIVE = "results.tar.gz"


@dataclass
class Job:
    """A finished job, and what it left."""

    number: int
    name: str
    folder: Path
    health: str
    results: list[Result]
    log: str
    runs: list[Run] = field(default_factory=list)       # the suite's results, if the job kept them
    folders: list[Path] = field(default_factory=list)   # the checker's results

    def count(self) -> str:
        """The number of results of each kind."""
        kinds = [result.result for result in self.results if result.suite != "lava"]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


@dataclass(frozen=True)
class Submitted:
    """A job that LAVA has taken."""

    number: int
    name: str
    folder: Path


class Jobs:
    def __init__(self, lava: Lava, out: Path) -> None:
        self._lava = lava
        self._out = out

    def run(self, name: str, template_name: str, values: Mapping[str, str],
            shards: int = 1) -> list[Job]:
        """Submit the jobs and wait for them; their output is in OUT/NAME."""
        start = time.monotonic()
        submitted = self.submit(name, template_name, values, shards)
        jobs = [self.wait(job) for job in submitted]
        say(f"  {len(jobs)} ended after {duration(time.monotonic() - start)}")
        return jobs

    def submit(self, name: str, template_name: str, values: Mapping[str, str],
               shards: int = 1) -> list[Submitted]:
        submitted = []
        for text in template.shards(template_name, {"NAME": name, **values}, shards):
            number = self._lava.submit(text)
            folder = self._out / name / f"job-{number}"
            folder.mkdir(parents=True)
            (folder / "job.yaml").write_text(text)
            say(f"  job {number}: {text.split(chr(10))[0].removeprefix('job_name: ')}")
            submitted.append(Submitted(number, name, folder))
        return submitted

    def look(self, number: int, name: str) -> Job:
        """Wait for a job that LAVA itself created."""
        folder = self._out / name / f"job-{number}"
        folder.mkdir(parents=True)
        return self.wait(Submitted(number, name, folder))

    def wait(self, submitted: Submitted) -> Job:
        number, folder = submitted.number, submitted.folder
        health = self._lava.wait(number)
        job = Job(number, submitted.name, folder, health, self._lava.results(number), self._lava.log(number))
        (folder / "log.txt").write_text(job.log)
        (folder / "lava.json").write_text(
            json.dumps([vars(result) for result in job.results], indent=1) + "\n")
        archive = next((result.reference for result in job.results
                        if result.reference and result.name == ARCHIVE), None)
        if archive:
            fetch(archive, folder / ARCHIVE)
            run("tar", "-xzf", folder / ARCHIVE, "-C", folder)
            job.folders = sorted((folder / "results").glob("2*"))
            job.runs = [load(path) for path in job.folders]
        say(f"  job {number}: {health}: {job.count() or 'no results'}")
        return job


def read_results(file: Path) -> list[Result]:
    """The results that a job left in its lava.json."""
    return [Result(**row) for row in json.loads(file.read_text())]
