# SPDX-License-Identifier: GPL-2.0-only
"""Boots a machine under an emulator and watches it until it ends.

What an emulator is (QEMU today) is behind `Emulator`; this module only knows
that it is a process whose standard output is the guest's console and which
writes the guest's second serial port to a file that it is given.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from testbed.machine.stream import Done, Event, GuestStream
from testbed.machine.watchdog import Outcome, Watchdog, find_panic, judge

# The part of the console's end in which a panic is looked for.
CONSOLE_TAIL = 64 * 1024


@dataclass(frozen=True)
class Boot:
    """One boot of the machine under test."""

    kernel: Path
    initramfs: Path
    cpus: int
    cmdline: str
    ept_levels: int = 5     # of an Intel CPU
    seed: int = 0       # of the machine's random numbers, where the emulator supports it


class Emulator(Protocol):
    name: str

    def version(self) -> str: ...

    def command(self, boot: Boot, results: str) -> Sequence[str]:
        """The command of a boot; `results` is the file for the second serial port."""

    # Keys for the console, one after the other, that make a kernel that
    # hangs show where.
    where_keys: Sequence[bytes]


@contextlib.contextmanager
def running(command: Sequence[str], results_fd: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the emulator; it does not outlive this process, however that ends."""
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
        pass_fds=(results_fd,), start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Patience:
    """The watchdog's clock for an emulator: it stands still while the emulator is ready to
    run and others have the CPUs, which tells nothing of its guest."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._waited = 0.0      # seconds

    def __call__(self) -> float:
        with contextlib.suppress(OSError):      # of a process, or a thread, that has just ended
            for stat in self._tasks.iterdir():
                waited = int((stat / "schedstat").read_text().split()[1]) / 1e9
                self._waited = max(self._waited, waited)
        return time.monotonic() - self._waited


class Process(Protocol):
    """An emulator that runs; subprocess.Popen is one."""

    pid: int

    def kill(self) -> None: ...

    def wait(self) -> int:
        """Its exit status, or -N for signal N."""


class Run:
    """Reads both channels of a machine until the emulator ends."""

    def __init__(self, process: Process, watchdog: Watchdog, on_event: Callable[[Event], None],
                 log: Path, head: bytes = b"") -> None:
        """`head`: what the console's log begins with."""
        self._process = process
        self._now = Patience(process.pid)
        self._watchdog = watchdog
        self._on_event = on_event
        self._log = log.open("wb", buffering=0)
        self._log.write(head)
        self._stream = GuestStream()
        self._tail = b""
        self._done = False

    def _console(self, data: bytes) -> None:
        self._log.write(data)
        known = find_panic(self._text())
        self._tail = (self._tail + data)[-CONSOLE_TAIL:]
        if not known and find_panic(self._text()):
            self._watchdog.dying(self._now())

    def _text(self) -> str:
        return self._tail.decode(errors="replace").replace("\r", "")

    def _results(self, events: Iterator[Event]) -> None:
        now = self._now()
        for event in events:
            self._done = self._done or isinstance(event, Done)
            self._watchdog.see(event, now)
            self._on_event(event)

    def follow(self, console_fd: int, results_fd: int, keyboard: IO[bytes] | None = None,
               where: Sequence[bytes] = ()) -> Outcome:
        with self._log:
            return self._follow(console_fd, results_fd, keyboard, where)

    def _follow(self, console_fd: int, results_fd: int, keyboard: IO[bytes] | None,
                where: Sequence[bytes]) -> Outcome:
        selector = selectors.DefaultSelector()
        selector.register(console_fd, selectors.EVENT_READ, self._console)
        selector.register(
            results_fd, selectors.EVENT_READ, lambda data: self._results(self._stream.feed(data))
        )
        complaint = None
        while selector.get_map() and complaint is None:
            self._pump(selector, self._watchdog.left(self._now()))
            complaint = self._watchdog.complaint(self._now())
        console = self._text()
        if keyboard and complaint and not self._done and not find_panic(console):
            self._ask_where(keyboard, selector, where)
        if complaint:
            self._process.kill()
        while selector.get_map():    # the rest in the pipes
            self._pump(selector, 1)
        self._results(self._stream.finish())
        return judge(self._done, complaint, self._process.wait(), console)

    def _pump(self, selector: selectors.BaseSelector, timeout: float) -> None:
        for key, _ in selector.select(timeout):
            if data := os.read(key.fd, 1 << 16):
                key.data(data)
            else:
                selector.unregister(key.fd)

    def _ask_where(self, keyboard: IO[bytes], selector: selectors.BaseSelector,
                   where: Sequence[bytes]) -> None:
        """Let a hanging kernel show on the console what its CPUs do."""
        for keys in where:
            try:
                keyboard.write(keys)
            except OSError:
                return
            until = time.monotonic() + 0.5
            while time.monotonic() < until and selector.get_map():
                self._pump(selector, 0.1)


def run_boot(
    emulator: Emulator, boot: Boot, watchdog: Watchdog,
    on_event: Callable[[Event], None], console_log: Path,
) -> Outcome:
    reader, writer = os.pipe()
    try:
        command = emulator.command(boot, f"/dev/fd/{writer}")
        with running(command, writer) as process:
            os.close(writer)
            assert process.stdout is not None
            run = Run(process, watchdog, on_event, console_log)
            return run.follow(process.stdout.fileno(), reader, process.stdin, emulator.where_keys)
    finally:
        os.close(reader)
