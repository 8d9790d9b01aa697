# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command with its output in a log, and tells meanwhile what it is doing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from testbed.progress import LOG_PERIOD, duration
from testbed.steps import is_object

TERMINAL_PERIOD = 1.0
WIDTH = 110                         # of a line in a log
NEWS = re.compile(r"boot \S+: ")    # is told when it comes


class Display:
    """A head line, what is told under it, and the end: in one line if nothing was told."""

    def __init__(self, head: str, terminal: bool, write: Callable[[str], object]) -> None:
        self._head = head
        self._terminal = terminal
        self._write = write
        self._told = False
        write(f"{head} ... ")

    def tell(self, line: str) -> None:
        if self._terminal:
            self._write(f"\r\033[K{line[:shutil.get_terminal_size().columns - 1]}")
        else:
            self._write(f"{'' if self._told else chr(10)}    {line[:WIDTH]}\n")
        self._told = True

    def end(self, text: str) -> None:
        again = "\r\033[K" if self._terminal else ""
        self._write(f"{again}{self._head} ... {text}\n" if self._told else f"{text}\n")


class Doing:
    """What a command is doing, from the lines that it prints."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._line = ""
        self._objects = 0
        self._news: list[str] = []

    def hear(self, line: str) -> None:
        with self._lock:
            self._line = line.strip() or self._line
            self._objects += is_object(line)
            if NEWS.match(line):
                self._news.append(line.strip())

    def news(self) -> list[str]:
        with self._lock:
            told, self._news = self._news, []
            return told

    def now(self) -> str:
        with self._lock:
            objects = f"{self._objects} objects built, " if self._objects else ""
            return f"{objects}{self._line or 'nothing printed so far'}"


def run(command: Sequence[str], folder: Path, log: Path, display: Display, *,
        terminal: bool, period: float | None = None) -> tuple[int, float]:
    """The exit code, and the seconds it took."""
    start = time.monotonic()
    doing = Doing()
    period = period or (TERMINAL_PERIOD if terminal else LOG_PERIOD)
    with log.open("wb") as file, subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        reader = Thread(target=read, args=(process.stdout, file, doing.hear), daemon=True)
        reader.start()
        due = start + period
        while reader.is_alive():
            reader.join(min(TERMINAL_PERIOD, period))
            for line in doing.news():
                display.tell(line)
            if time.monotonic() >= due:
                due += period
                display.tell(f"{duration(time.monotonic() - start)}: {doing.now()}")
    return process.returncode, time.monotonic() - start


def read(output: IO[bytes], log: IO[bytes], hear: Callable[[str], None]) -> None:
    for line in output:
        log.write(line)
        log.flush()
        hear(line.decode(errors="replace"))


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
