# SPDX-License-Identifier: GPL-2.0-only
"""The folder of a run, filled while it runs: whatever happens, it can be reported."""

from __future__ import annotations

import base64
import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from reports import ktap, load, summary
from reports.model import Boot, Exit, Planned, Status
from testbed.machine.stream import Begin, Booted, Done, End, Event, File, Output
from testbed.progress import say

NOT_LOADED = "not_loaded."      # of testbed/machine/init, with a module's name
COUNTERS = "counters"           # of a kernel with gcov: a folder with an archive for each boot


def new_folder(base: Path) -> Path:
    """BASE/<UTC time>, unique also when two runs start in the same second."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        folder = base / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    fresh = base / f".latest.{os.getpid()}"
    fresh.symlink_to(folder.name)
    fresh.replace(base / "latest")
    return folder


def keep_counters(folder: Path, boot: str, data: bytes) -> None:
    """What the first process sent (testbed/machine/init): an archive, for mutants/coverage."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{boot}.tgz").write_bytes(base64.b64decode(data))


class Results:
    def __init__(self, folder: Path, environment: dict[str, Any]) -> None:
        self.folder = folder
        self.environment = environment
        self._boots: list[Boot] = []
        self.lock = RLock()     # boots run at once
        (folder / "ktap").mkdir()
        self.write_environment()

    def write_environment(self) -> None:
        with self.lock:
            text = json.dumps(self.environment, indent=1)
            (self.folder / "environment.json").write_text(text + "\n")

    def add(self, boot: Boot) -> None:
        with self.lock:
            self._boots.append(boot)
            self.write_plan()

    def write_plan(self) -> None:
        with self.lock:
            load.write_plan(self.folder, self._boots)


class Recorder:
    """Receives the events of one boot: writes the files, shows finished cases."""

    def __init__(self, results: Results, boot: Boot, name: str, verbose: bool) -> None:
        self._results = results
        self._boot = boot
        self._name = name
        self._verbose = verbose
        self._planned: Planned | None = None
        self._ktap: BinaryIO | None = None
        self._parser = ktap.Parser()
        self._colour = summary.wants_colour(sys.stdout)
        self.failed = False
        self.seconds = 0.0      # the boot's seconds on the guest's clock; 0: not known
        self.begun: set[str] = set()

    def console_log(self) -> Path:
        """The file for the console of this boot."""
        self._boot.console = f"console.{self._name}.log"
        self._results.write_plan()
        return self._results.folder / self._boot.console

    def __call__(self, event: Event) -> None:
        match event:
            case Booted(release):
                self._results.environment["kernel"] = release
                self._results.write_environment()
            case Begin(test):
                self._begin(test)
            case Output(data):
                self._output(data)
            case End(_, status):
                self._end(status)
            case File(name, data):
                self._file(name, data)
            case Done(seconds):
                self.seconds = seconds

    def _begin(self, test: str) -> None:
        path = self._results.folder / "ktap" / f"{test}.{self._boot.key}.ktap"
        self._ktap = path.open("wb", buffering=0)
        self._parser = ktap.Parser(test)
        self.begun.add(test)
        self._planned = next(planned for planned in self._boot.tests if planned.name == test)

    def _output(self, data: bytes) -> None:
        assert self._ktap is not None
        self._ktap.write(data)
        if self._verbose:
            sys.stdout.write("    " + data.decode(errors="replace"))
        for case in self._parser.feed(data):
            case.boot = self._boot.name
            self.failed |= case.status in (Status.FAIL, Status.ERROR)
            say(summary.progress_line(self._parser.log.test.name, case, self._colour))

    def _end(self, status: int) -> None:
        assert self._ktap is not None and self._planned is not None
        self._ktap.close()
        self._planned.exit = status
        self.failed |= status not in (Exit.PASSED, Exit.SKIPPED)
        self._results.write_plan()

    def _file(self, name: str, data: bytes) -> None:
        if name == "dmesg":
            (self._results.folder / f"dmesg.{self._name}.txt").write_bytes(data)
        elif name == COUNTERS:
            keep_counters(self._results.folder / COUNTERS, self._name, data)
        elif name == "environment":
            self._merge_environment(data.decode(errors="replace"))

    def _merge_environment(self, text: str) -> None:
        """Merge the guest's facts; boots differ as boots.py says."""
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        for key, value in values.items():
            if key.startswith(NOT_LOADED):
                say(f"  boot {self._name}: the kernel refused the module "
                    f"{key.removeprefix(NOT_LOADED)}: {value}")
        kvm = {key: value for key, value in values.items() if key.startswith("kvm")}
        rest = {key: value for key, value in values.items() if key not in kvm}
        with self._results.lock:
            environment = self._results.environment
            for key in ("cpu", "kernel_version", "tainted"):
                environment.setdefault(key, rest.get(key, ""))
            environment.setdefault("boots", {})[self._boot.name] = rest | {"kvm": kvm}
            self._results.write_environment()
