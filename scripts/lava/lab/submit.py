# SPDX-License-Identifier: GPL-2.0-only
"""What a lab calls: scripts/lava/job and scripts/lava/nightly."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from lab import template
from lab.jobs import Job, Jobs
from lab.lavacli import Lava
from reports import merge, summary, write
from reports.model import Exit
from reports.repeated import worst
from testbed import exit_status
from testbed.errors import HarnessError
from testbed.make import packages
from testbed.make.programs import ROOT
from testbed.progress import say


def print_job(words: Sequence[str], usage: str | None) -> int:
    if words == ["--list"]:
        return exit_status.of("scripts/lava/job", show_templates)
    if not words or words[0].startswith("-"):
        print((usage or "").strip())
        return 0 if list(words) in (["-h"], ["--help"]) else Exit.USAGE

    def fill() -> int:
        print(template.fill(words[0], template.parse(words[1:])), end="")
        return 0

    return exit_status.of("scripts/lava/job", fill)


def show_templates() -> int:
    """The templates with their keys and defaults."""
    for name in template.names():
        say(f"{name}:")
        for key, default in template.places((template.FOLDER / f"{name}{template.SUFFIX}").read_text()).items():
            say(f"  {key}" + ("" if default is None else f"={default}"))
    return 0


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="scripts/lava/nightly",
        description="Submits a run to LAVA as N jobs, waits for them, and merges their results.",
        epilog="Exits as the run did (docs/results.md); with 3 also when a job is incomplete.")
    new.add_argument("template", help="scripts/lava/job --list shows them and their keys")
    new.add_argument("values", nargs="*", metavar="KEY=VALUE")
    new.add_argument("--shards", type=int, default=1, metavar="N", help="how many jobs (default: 1)")
    new.add_argument("--identity", default="default", help="lavacli identity: selects the server")
    new.add_argument("--out", type=Path, default=ROOT / "results", metavar="DIR",
                     help="write results here, one folder per night (default: results)")
    return new


def execute(arguments: argparse.Namespace) -> int:
    if shutil.which("lavacli") is None:
        raise HarnessError(f"packages are missing; as root:\n  {packages.install_line(['lavacli'])}")
    name = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    jobs = Jobs(Lava(arguments.identity), arguments.out).run(
        name, arguments.template, template.parse(arguments.values), arguments.shards)
    return judge(jobs, arguments.out / name / "merged")


def judge(jobs: Sequence[Job], out: Path) -> int:
    """The runs that the jobs are, in `out`, and their exit status.

    A profile that repeats makes each job run several times; what all of them began is merged.
    """
    parts = [job.folders for job in jobs if job.folders]
    if not parts:
        raise HarnessError("no job kept results: is ARTEFACTS=URL given, and does it take PUT?")
    runs = []
    for number, folders in enumerate(zip(*parts), start=1):
        folder = out / str(number)
        merge.merge(folders, folder)
        runs.append(write.write(folder))
        say(summary.render(runs[-1]))
        say(f"results: {folder}")
    incomplete = [job for job in jobs if job.health != "Complete"]
    for job in incomplete:
        say(f"job {job.number} is {job.health}: {job.folder}/log.txt")
    code = worst(runs)
    return int(Exit.ERROR if incomplete and code is not Exit.FAILED else code)


def nightly() -> int:
    return exit_status.of("scripts/lava/nightly", lambda: execute(parser().parse_intermixed_args()))
