# SPDX-License-Identifier: GPL-2.0-only
"""Read the KTAP that our tests print, live or recorded, whole or mangled.

Nothing here raises on bad input. What can be understood is, with the benefit
of the doubt going to failure, never to success; what was odd is noted.
docs/results.md describes the dialect.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field

from .model import Case, Cell, Moment, Number, Status, Test

MAX_LINE = 1 << 16    # bytes kept of one line
MAX_DIAGNOSTICS = 400  # lines kept of one case, half from its start, half from its end

_VERSION = re.compile(r"(\s*)K?TAP version \d+")
_PLAN = re.compile(r"1\.\.(\d{1,9})\s*(?:#\s*SKIP\b:?\s*(.*))?$", re.I)
_RESULT = re.compile(r"(not )?ok(?: (\d{1,9}))?(?:\s+-)?(?:\s+(.*))?$")
_BAIL = re.compile(r"Bail out!\s*(.*)")
_KTAP = re.compile(r"#|(not )?ok \d|1\.\.\d|K?TAP version|Bail out!")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|XFAIL|TIMEOUT|ERROR)\b:?\s*(.*)$", re.I)
_OTHER_DIRECTIVE = re.compile(r"\s#\s*(.*)$")
_RUN = re.compile(r"run (\S+)(?: \(limit ([\d.]+) s\))?$")
_BEHIND = re.compile(r"(?:not )?ok (\d{1,9}) (?:- )?(\S+)(?=\s+# |\s*$)")
_NESTED_FAILURE = re.compile(r"\s+not ok\b")
_KERNEL = re.compile(r"(?:<\d+>)?\[ *\d{1,9}\.\d{6}\](?:\[ *[TC]\d+\])? ")
_MOMENT = re.compile(r"(\d+\.\d+) (\S+/\d+) (begin|end|event|retry|spte|invalidation|seamcall) (.*)")
_WHERE = re.compile(r"\S+\.[ch]:\d+: ")
_UNEXPECTED = re.compile(r"(?:xpass|news): (.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127) if code != ord("\t")}


@dataclass
class Log:
    """The output of one test program."""

    test: Test
    seed: str = ""
    planned: int | None = None
    skip_all: str | None = None  # the reason behind "1..0 # SKIP"
    bail_out: str | None = None
    unfinished: dict[str, Case] = field(default_factory=dict)  # cases that began and have no result line
    running: str = ""            # the one that ran when the input ended


class _Clipped:
    """Keeps the first and the last lines, whatever comes between."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=MAX_DIAGNOSTICS // 2)
        self._count = 0

    def add(self, line: str) -> None:
        self._count += 1
        (self._head if self._count <= MAX_DIAGNOSTICS // 2 else self._tail).append(line)

    def lines(self) -> list[str]:
        left_out = self._count - len(self._head) - len(self._tail)
        gap = [f"[{left_out} lines left out]"] if left_out else []
        return [*self._head, *gap, *self._tail]


class Parser:
    """Feed it bytes as they arrive; it returns the cases that finished."""

    def __init__(self, name: str = "") -> None:
        self.log = Log(Test(name))
        self.limit: float | None = None  # the time limit of the running case, in seconds
        self._partial = bytearray()
        self._line = 0
        self._notes: dict[str, list[int]] = {}
        self._indent: str | None = None
        self._began = False  # known with the first case
        self._held = ""  # a line cut by a kernel message, until its rest arrives
        self._numbers: set[int] = set()
        self._names: set[str] = set()
        self._outside = _Clipped()
        self._fresh_case()

    @property
    def running(self) -> str:
        """The name of the case that runs, or ''."""
        return self._case.name

    def feed(self, data: bytes) -> list[Case]:
        cases = self.log.test.cases
        done = len(cases)
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._keep(end)
            self._take(self._text())
            self._line += 1
        self._keep(rest)
        return cases[done:]

    def close(self) -> Log:
        """The input has ended. A line that was cut is never taken for a result."""
        cut = self._held + (self._text() if self._partial else "")
        if cut:
            self._note("the last line is cut")
            self._comments.add(cut)
        self.log.running = self.running
        self._leave()
        notes = [_counted(what, lines) for what, lines in self._notes.items()]
        outside = [f"outside any case: {line}" for line in self._outside.lines()]
        self.log.test.notes = notes + self._compare_with_plan() + outside
        return self.log

    # From bytes to lines.

    def _keep(self, piece: bytes) -> None:
        room = MAX_LINE - len(self._partial)
        if len(piece) > room:
            self._note("overlong line")
        self._partial += piece[:room]

    def _text(self) -> str:
        raw, self._partial = self._partial, bytearray()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            self._note("not UTF-8")
            text = raw.decode(errors="backslashreplace")
        text = text.rstrip("\r")
        return text if text.isprintable() else _COLOUR.sub("", text).translate(_CONTROL)

    def _take(self, text: str) -> None:
        text = self._outdent(text)
        kernel = None
        if "[" in text and not text.startswith("# kernel:"):
            kernel = _KERNEL.search(text)
        if not kernel:
            self._parse(self._rejoin(text))
            return
        if kernel.start():
            self._note("kernel message inside a line")
            self._held = self._rejoin(text[:kernel.start()])
        self._parse("# kernel: " + text[kernel.start():])

    def _outdent(self, text: str) -> str:
        """Undo the indentation of a log that is indented as a whole."""
        if self._indent is None:
            version = _VERSION.match(text)
            self._indent = version[1] if version else "" if _KTAP.match(text) else None
        return text.removeprefix(self._indent or "")

    def _rejoin(self, text: str) -> str:
        """Append text to the line that a kernel message cut, if it is its rest."""
        held, self._held = self._held, ""
        if not held:
            return text
        whole = _KTAP.match(text) or (self.running and held.endswith(f" {self.running}"))
        if _KTAP.match(held) and whole and not _DIRECTIVE.match(text):
            self._parse(held)
            return text
        if not _KTAP.match(held + text):
            self._parse(held)
            return text
        return held + text

    # From lines to cases.

    def _parse(self, text: str) -> None:
        result = _RESULT.match(text)
        if result and self._plausible(result):
            self._result(result)
        elif behind := self._find_behind(text):
            self._note("result line behind other text")
            self._parse(text[:behind])
            self._parse(text[behind:])
        elif text.startswith("#"):
            self._diagnostic(text[1:].removeprefix(" "))
        elif plan := _PLAN.match(text):
            self._plan(plan)
        elif bail := _BAIL.match(text):
            self.log.bail_out = bail[1] or "no reason given"
        elif not _VERSION.fullmatch(text):
            self._other(text)

    def _plausible(self, result: re.Match[str]) -> bool:
        failed, number, name = result.groups()
        return bool(failed or number or (name and name == self.running))

    def _find_behind(self, text: str) -> int:
        """The start of a result line glued to a line without its newline, or 0."""
        if "ok " not in text:
            return 0
        for found in _BEHIND.finditer(text):
            number, name = found.groups()
            glued = not text[:found.start()].endswith((" ", "\t"))
            expected = int(number) == len(self.log.test.cases) + 1
            if name == self.running or (not self.running and glued and expected):
                return found.start()
        return 0

    def _other(self, text: str) -> None:
        if not text.strip():
            return
        if not text[0].isspace():
            self._note("text that is not KTAP")
        elif _NESTED_FAILURE.match(text):
            self._nested_failure = True
        self._comments.add(text)

    def _plan(self, plan: re.Match[str]) -> None:
        if self.log.planned is not None:
            self._note("second plan")
        self.log.planned = max(int(plan[1]), self.log.planned or 0)
        self.log.skip_all = plan[2]

    def _diagnostic(self, text: str) -> None:
        word, _, rest = text.strip().partition(" ")
        log = self.log
        if run := _RUN.match(text):
            self._start(run[1], run[2])
        elif word == "measure":
            self._measure(rest)
        elif word == "cell":
            self._cell(rest)
        elif word == "event":
            self._moment(rest)
        elif not self._began and word == "seed":
            log.seed = rest
        elif not self._began and word == f"{log.test.name}:":
            log.test.summary = rest
        else:
            self._explain(word, rest.strip())
            self._comments.add(text)

    def _explain(self, word: str, text: str) -> None:
        if word == "expected:":
            self._case.expected = self._case.expected or text
        elif word in ("got:", "seen:"):
            self._case.seen = self._case.seen or text

    def _measure(self, text: str) -> None:
        for pair in text.split():
            key, _, number = pair.partition("=")
            value = _number(number)
            if not key or value is None:
                self._note("measurement that is not a number")
            else:
                self._case.measurements[key] = value

    def _cell(self, text: str) -> None:
        fields = dict(pair.split("=", 1) for pair in text.split() if "=" in pair)
        try:
            self._case.cells.append(Cell(**fields))
        except TypeError:
            self._note("cell that lacks something")

    def _moment(self, text: str) -> None:
        found = _MOMENT.fullmatch(text)
        if found and len(self._case.moments) < MAX_DIAGNOSTICS:
            self._case.moments.append(Moment(*found.groups()))
        elif not found:
            self._note("event that lacks something")

    def _start(self, name: str, limit: str | None) -> None:
        if self.running:
            self._note("case without a result line")
        self._leave()
        self._fresh_case()
        self._began = True
        self._case.name = name
        self.limit = float(_number(limit or "") or 0) or None

    def _result(self, result: re.Match[str]) -> None:
        case, rest = self._case, result[3] or ""
        directive = _DIRECTIVE.search(rest)
        word = directive[1].upper() if directive else ""
        other = None if directive else _OTHER_DIRECTIVE.search(rest)
        end = directive or other
        if end:
            case.reason = end[end.re.groups].strip()
            rest = rest[:end.start()]
        if other:
            self._note("unknown directive")
        self._name(rest.strip(), result[2])
        case.status = self._status(result[1] is None, word)
        if word == "TIMEOUT":
            case.reason = f"timeout: {case.reason}"
        self._finish(case)
        self.log.test.cases.append(case)
        self.log.unfinished.pop(case.name, None)
        self._fresh_case()
        self._began = True

    def _name(self, name: str, number: str | None) -> None:
        case = self._case
        if case.name and name and name != case.name:
            self._note("result of a case that was not running")
        case.name = name or case.name or f"case {number}"
        if case.name in self._names:
            self._note("second result of a case")
        self._names.add(case.name)
        if number is None or int(number) in self._numbers:
            self._note("duplicate or missing number")
        elif int(number) != len(self.log.test.cases) + 1:
            self._note("number out of order")
        self._numbers.add(int(number or 0))

    def _status(self, ok: bool, directive: str) -> Status:
        """The worse of two contradicting statuses."""
        if ok and self._nested_failure:
            self._note("passed although a nested test failed")
        if ok != (directive in ("", "SKIP", "XFAIL")) and directive:
            self._note("result that contradicts its directive")
        if directive == "ERROR":
            return Status.ERROR
        if not ok or directive == "TIMEOUT":
            return Status.FAIL
        return {"SKIP": Status.SKIP, "XFAIL": Status.XFAIL}.get(directive, Status.PASS)

    def _finish(self, case: Case) -> None:
        case.diagnostics = self._comments.lines()
        case.seconds = float(case.measurements.get("seconds", 0))
        if not case.reason and case.status is Status.FAIL:
            case.reason = _cause(case)
        elif not case.reason and case.status is Status.PASS:
            passes = (found[1] for line in case.diagnostics if (found := _UNEXPECTED.match(line)))
            case.reason = next(passes, "")

    def _fresh_case(self) -> None:
        self._case = Case("")
        self._comments = _Clipped()
        self._nested_failure = False
        self.limit = None

    def _leave(self) -> None:
        """End the running case, if any, without a result."""
        if self.running:
            self._case.status = Status.ERROR
            self._finish(self._case)
            self.log.unfinished[self.running] = self._case
            return
        for line in self._comments.lines():
            if line.startswith("kernel: "):
                self._outside.add(line)

    def _compare_with_plan(self) -> list[str]:
        planned, found = self.log.planned, len(self.log.test.cases)
        if planned is None:
            return ["no plan"]
        return [] if planned == found else [f"{planned} results planned, {found} found"]

    def _note(self, what: str) -> None:
        self._notes.setdefault(what, [self._line + 1, 0])[1] += 1


def parse(data: bytes, name: str = "") -> Log:
    parser = Parser(name)
    parser.feed(data)
    return parser.close()


def _cause(case: Case) -> str:
    """The line that explains best why a case failed."""
    own = [line for line in case.own_diagnostics if not line[0:1].isspace()]
    located = [line for line in own if _WHERE.match(line)]
    return next(iter(located + own + case.splat), "")


def _number(text: str) -> Number | None:
    if len(text) > 40:
        return None
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _counted(what: str, found: list[int]) -> str:
    line, times = found
    return f"{what} (line {line})" if times == 1 else f"{what} (line {line}, {times} times)"
