# SPDX-License-Identifier: GPL-2.0-only
"""The stream of results that leaves the guest, taken apart.

The guest writes marker lines (`@@boot`, `@@begin TEST`, `@@end TEST STATUS`,
`@@file NAME`, `@@endfile NAME`, `@@done SECONDS`) around the raw output of the tests;
docs/testbed.md describes them.  Inside a test only its own `@@end` counts, so
whatever a test prints cannot confuse the runner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Booted:
    release: str


@dataclass(frozen=True)
class Begin:
    test: str


@dataclass(frozen=True)
class Output:
    """One line that the running test printed, its newline included."""

    data: bytes


@dataclass(frozen=True)
class End:
    test: str
    status: int


@dataclass(frozen=True)
class File:
    name: str
    data: bytes


@dataclass(frozen=True)
class Done:
    seconds: float = 0.0    # since the kernel started, by the guest's clock; 0: not known


Event = Booted | Begin | Output | End | File | Done


class GuestStream:
    """Bytes in, in pieces of any size; events out."""

    def __init__(self) -> None:
        self._partial = b""
        self._test: str | None = None
        self._held_newline = False
        self._file: str | None = None
        self._content = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            yield from self._line(line + b"\n")

    def finish(self) -> Iterator[Event]:
        """The stream broke off: keep the partial line."""
        if self._test is not None and self._partial:
            yield Output(self._partial)
        if self._file is not None:
            yield File(self._file, self._content)
        self._partial, self._test, self._file = b"", None, None

    def _line(self, line: bytes) -> Iterator[Event]:
        if self._test is not None:
            yield from self._test_line(line, self._test)
        elif self._file is not None:
            yield from self._file_line(line, self._file)
        else:
            yield from self._marker(line)

    def _test_line(self, line: bytes, test: str) -> Iterator[Event]:
        # The guest begins `@@end` on a new line of its own, since the output
        # of a test that died may lack the last newline: an empty line before
        # the marker is not the test's.
        match line.split():
            case [b"@@end", name, status] if name.decode(errors="replace") == test:
                self._test, self._held_newline = None, False
                yield End(test, _number(status))
                return
        if self._held_newline:
            yield Output(b"\n")
        self._held_newline = line == b"\n"
        if not self._held_newline:
            yield Output(line)

    def _file_line(self, line: bytes, name: str) -> Iterator[Event]:
        if line.startswith(b" "):
            self._content += line[1:]
            return
        self._file = None
        yield File(name, self._content)
        if not line.startswith(b"@@endfile"):
            yield from self._marker(line)

    def _marker(self, line: bytes) -> Iterator[Event]:
        match line.decode(errors="replace").split():
            case ["@@boot", release]:
                yield Booted(release)
            case ["@@begin", test]:
                self._test = test
                yield Begin(test)
            case ["@@file", name]:
                self._file, self._content = name, b""
            case ["@@done", *uptime]:
                yield Done(_seconds(uptime))


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else -1


def _seconds(words: list[str]) -> float:
    try:
        return float(words[0])
    except (IndexError, ValueError):
        return 0.0
