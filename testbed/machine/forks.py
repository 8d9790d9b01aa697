# SPDX-License-Identifier: GPL-2.0-only
"""A booted machine that is forked for each job; docs/testbed.md has the protocol.

The emulator's process waits where the guest asks for it. Each child is a machine of its
own, isolated by this host's kernel, which goes on with the plan that it is given. The
server dies with this process, and its children with it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from threading import Event as Flag
from threading import Lock, Thread

from testbed.errors import HarnessError
from testbed.machine.emulator import Patience, Run
from testbed.machine.stream import Event
from testbed.machine.watchdog import Outcome, Watchdog, judge

VARIABLE = "KTS_FORK_SERVER"    # emulator/child.cc
SILENT = 98                     # emulator/server.h: the guest hangs
NO_SCHEDULES = "0 0 0 0"        # of races, for emulator/server.h
# Bochs' own memory in huge pages, too: fork() copies fewer entries.
TUNABLES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Child:
    """A fork of the machine; emulator.Process."""

    def __init__(self, pid: int, kill: Callable[[], None]) -> None:
        self.pid = pid
        self._kill = kill
        self._status: int | None = None
        self._over = Flag()

    def kill(self) -> None:
        self._kill()

    def ended(self, status: int) -> None:
        if not self._over.is_set():
            self._status = status
            self._over.set()

    def wait(self) -> int:
        self._over.wait()
        assert self._status is not None
        return self._status


class ForkServer:
    """Boots at once; failure() waits for that."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        """`seconds`: that the boot may take."""
        self.console = b""      # of the boot
        self._command = command
        self._seconds = seconds
        self._requests, self._requests_end = os.pipe()
        self._lock = Lock()
        self._closed = self._ended = False
        self._boot_over = Flag()
        self._outcome = Outcome("died")
        self._serves = False
        self._answers = b""
        self._count = 0
        self._told: dict[str, Flag] = {}        # a job is started, or refused
        self._refused: dict[str, int] = {}
        self._children: dict[str, Child] = {}
        # The emulator dies with the thread that starts it.
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def failure(self) -> Outcome | None:
        """Waits for the end of the boot: what became of it, or None if it serves."""
        self._boot_over.wait()
        return None if self._serves else self._outcome

    def run(self, plan: str, ticks: int, watchdog: Watchdog, on_event: Callable[[Event], None],
            log: Path, schedules: str = NO_SCHEDULES) -> Outcome:
        """The plan in a child. `ticks`: that may pass without results. `schedules`: of its
        races, explore.Exploration.request."""
        with fifos() as (paths, (console, results)):
            child = self._start(f"{ticks} {paths[0]} {paths[1]}", plan.encode(), schedules)
            try:
                outcome = Run(child, watchdog, on_event, log, self.console).follow(console, results)
            finally:
                child.kill()
            hangs = outcome.kind == "died" and child.wait() == SILENT
        return replace(outcome, kind="hang") if hangs else outcome

    def close(self) -> None:
        """Ends the server, and what children there are."""
        with self._lock:
            if not self._closed:
                os.close(self._requests_end)
            self._closed = True
        self._thread.join()

    def _start(self, words: str, text: bytes, schedules: str) -> Child:
        with self._lock:
            self._count += 1
            name = f"job{self._count}"
            told = self._told[name] = Flag()
            if self._ended:
                told.set()
        self._ask(f"job {name} {words} {len(text)} {schedules}\n".encode() + text)
        told.wait()
        if name in self._refused:
            raise HarnessError(f"the emulator cannot fork: {os.strerror(self._refused[name])}")
        if name not in self._children:
            raise HarnessError(f"the fork server ended: {self._outcome.detail}")
        return self._children[name]

    def _ask(self, request: bytes) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            if not self._closed:
                os.write(self._requests_end, request)

    # What follows runs in the server's thread.

    def _serve(self) -> None:
        answers, writer = os.pipe()
        environment = {**os.environ, **TUNABLES, VARIABLE: f"{self._requests},{writer}"}
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self._command], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=(self._requests, writer), start_new_session=True,
        ) as process:
            os.close(writer)
            os.close(self._requests)
            complaint = self._follow(process, answers, time.monotonic() + self._seconds)
            process.kill()
            status = process.wait()
        os.close(answers)
        self._outcome = judge(False, complaint, status, self.console.decode(errors="replace"))
        self._over()

    def _follow(self, process: subprocess.Popen[bytes], answers: int, end: float) -> str | None:
        """Until the server ends; why it has to, when the guest does not come so far."""
        assert process.stdout is not None
        now = Patience(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout.fileno(), selectors.EVENT_READ, self._hear)
            selector.register(answers, selectors.EVENT_READ, self._answer)
            while selector.get_map():
                left = None if self._serves else end - now()
                if left is not None and left <= 0:
                    return f"the guest did not boot within {self._seconds:.0f} s"
                for key, _ in selector.select(left):
                    if data := os.read(key.fd, 1 << 16):
                        key.data(data)
                    else:
                        selector.unregister(key.fd)
        return None

    def _hear(self, data: bytes) -> None:
        self.console += data

    def _answer(self, data: bytes) -> None:
        *lines, self._answers = (self._answers + data).split(b"\n")
        for line in lines:
            self._line(line.decode())

    def _line(self, line: str) -> None:
        match line.split():
            case ["ready"]:
                self._serves = True
                self._boot_over.set()
            case ["started", name, pid]:
                self._children[name] = Child(int(pid), lambda: self._ask(f"kill {name}\n".encode()))
                self._told[name].set()
            case ["failed", name, errno]:
                self._refused[name] = int(errno)
                self._told[name].set()
            case ["ended", name, "exited", status]:
                self._children[name].ended(int(status))
            case ["ended", name, "killed", signal]:
                self._children[name].ended(-int(signal))

    def _over(self) -> None:
        """Nobody waits any longer."""
        self._boot_over.set()
        with self._lock:
            self._ended = True
            for told in self._told.values():
                told.set()
        for child in list(self._children.values()):
            child.ended(-SIGKILL)


@contextlib.contextmanager
def fifos() -> Iterator[tuple[tuple[Path, Path], tuple[int, int]]]:
    """Names, and descriptors to read from, for what a child writes."""
    with tempfile.TemporaryDirectory(prefix="kts-job-") as name:
        paths = Path(name) / "console", Path(name) / "results"
        for path in paths:
            os.mkfifo(path, 0o600)
        console, results = (os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths)
        try:
            yield paths, (console, results)
        finally:
            os.close(console)
            os.close(results)
