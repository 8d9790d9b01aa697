# SPDX-License-Identifier: GPL-2.0-only
"""A LAVA server, through lavacli: the identity in ~/.config/lavacli.yaml says which."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import HarnessError

SUITES = ("kvm-tdx-selftests", "kselftest-kvm-tdx")


@dataclass(frozen=True)
class Result:
    """A line of a job's results."""

    suite: str
    name: str
    result: str
    set: str = ""
    measurement: str = ""
    units: str = ""
    reference: str = ""


def parse_results(text: str) -> list[Result]:
    """Parse the output of `lavacli results --json`."""
    found = []
    for row in json.loads(text):
        metadata = row.get("metadata") or {}
        found.append(Result(
            row["suite"], row["name"], row["result"], metadata.get("set", ""),
            str(row.get("measurement") or ""), row.get("unit") or "",
            metadata.get("reference", "")))
    return found


class Lava:
    def __init__(self, identity: str = "default") -> None:
        self._identity = identity

    def __call__(self, *arguments: str) -> str:
        """The output of lavacli, which must succeed."""
        command = ["lavacli", "--identity", self._identity, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise HarnessError(f"{' '.join(command)} ended with {done.returncode}:\n"
                             f"{done.stdout}{done.stderr}")
        return done.stdout

    def with_file(self, text: str, *arguments: str) -> str:
        """The same with a file of this content as last argument."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            return self(*arguments, file.name)

    def submit(self, job: str) -> int:
        return int(self.with_file(job, "jobs", "submit").split()[-1])

    def show(self, job: int) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self("jobs", "show", "--json", str(job)))
        return shown

    def wait(self, job: int) -> str:
        """Wait for the end of the job: its health, Complete or Incomplete."""
        self("jobs", "wait", str(job))
        return str(self.show(job)["health"])

    def log(self, job: int) -> str:
        return self("jobs", "logs", "--raw", "--no-follow", str(job))

    def results(self, job: int) -> list[Result]:
        return parse_results(self("results", "--json", str(job)))


def fetch(url: str, file: Path) -> None:
    with urllib.request.urlopen(url) as answer:
        file.write_bytes(answer.read())
