# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command with its output in a log, and tells meanwhile what it is doing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from testbed.progress import LOG_PERIOD, duration
from testbed.steps import is_object

TERMINAL_PERIOD = 1.0
WIDTH = 110                         # of a line in a log
NEWS = re.compile(r"boot \S+: ")    # shown as soon as it is printed


class Display:
    """The progress of a check, and its end.  On a terminal one line is
    rewritten, as long as it is `shown`: of checks side by side one is."""

    def __init__(self, name: str, what: str, terminal: bool, write: Callable[[str], object]) -> None:
        self._name = name
        self._what = what
        self._terminal = terminal
        self._write = write
        self.shown = True

    def tell(self, line: str) -> None:
        text = f"{self._name}: {line}"
        if not self._terminal:
            self._write(f"    {text[:WIDTH]}\n")
        elif self.shown:
            self._write(f"\r\033[K{text[:shutil.get_terminal_size().columns - 1]}")

    def end(self, text: str) -> None:
        clear = "\r\033[K" if self._terminal else ""
        self._write(f"{clear}{self._name:<15} {self._what} ... {text}\n")


class Doing:
    """The current step of a command, from the lines that it prints."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._line = ""
        self._objects = 0
        self._fresh: list[str] = []

    def hear(self, line: str) -> None:
        with self._lock:
            self._line = line.strip() or self._line
            self._objects += is_object(line)
            if NEWS.match(line):
                self._fresh.append(line.strip())

    def fresh(self) -> list[str]:
        with self._lock:
            told, self._fresh = self._fresh, []
            return told

    def now(self) -> str:
        with self._lock:
            objects = f"{self._objects} objects built, " if self._objects else ""
            return f"{objects}{self._line or 'nothing printed so far'}"


class Group:
    """Commands that end together when the user interrupts."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False

    @contextmanager
    def started(self, command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start it in a session of its own, so that `end` reaches its children."""
        with subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        ) as process:
            self._running.add(process)
            if self._ending:
                self.end()
            try:
                yield process
            finally:
                self._running.discard(process)

    def end(self) -> None:
        """Signal all commands that run, or are just being started."""
        self._ending = True
        for process in self._running.copy():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


@dataclass(frozen=True)
class Ended:
    code: int
    seconds: float
    cpu: float          # CPU seconds of all its processes: wall time says little on a busy machine

    def __str__(self) -> str:
        return f"{duration(self.seconds)}, CPU {duration(self.cpu)}"


def run(group: Group, command: Sequence[str], folder: Path, log: Path, display: Display, *,
        terminal: bool, period: float | None = None) -> Ended:
    start = time.monotonic()
    doing = Doing()
    period = period or (TERMINAL_PERIOD if terminal else LOG_PERIOD)
    with log.open("wb") as file, group.started(command, folder) as process:
        assert process.stdout is not None
        reader = Thread(target=read, args=(process.stdout, file, doing.hear), daemon=True)
        reader.start()
        due = start + period
        reading = True
        while reading:      # once more when it ended: for the last lines
            reader.join(min(TERMINAL_PERIOD, period))
            reading = reader.is_alive()
            for line in doing.fresh():
                display.tell(line)
            if time.monotonic() >= due:
                due += period
                display.tell(f"{duration(time.monotonic() - start)}: {doing.now()}")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, time.monotonic() - start, used.ru_utime + used.ru_stime)


def read(output: IO[bytes], log: IO[bytes], hear: Callable[[str], None]) -> None:
    with suppress(ValueError):      # closed by an interrupt
        for line in output:
            log.write(line)
            log.flush()
            hear(line.decode(errors="replace"))


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
