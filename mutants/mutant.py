# SPDX-License-Identifier: GPL-2.0-only
"""What a mutant is: a small edit that puts a bug into the kernel, and its story."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mutants.probes import Probe
from testbed.make.kernel import DEBUG

CATALOGUE = Path(__file__).parent / "catalogue"
VM_TYPES = ("default", "sw_protected", "tdx")
STATUSES = ("killable", "equivalent")
AMD = "an AMD CPU"      # as a mutant's need: an Intel CPU cannot show it


class DoesNotApply(Exception):
    """The source is not the one that an edit was made for."""


class BadMutant(Exception):
    """A file of the catalogue lacks a key, or has an unknown one."""


@dataclass(frozen=True)
class Edit:
    """Replaces `find`, which the function has just once; blanks of any kind are alike.

    Where kernel versions differ, `find` has several texts: one of them is there.
    """

    file: Path
    function: str
    find: tuple[str, ...]
    replace: str

    def apply(self, text: str) -> str:
        there = definition(text, self.function, self.file)
        start, end = there.name, there.end
        body = text[start:end]
        found = [match for wanted in self.find for match in anchor(wanted).finditer(body)]
        if len(found) != 1:
            raise DoesNotApply(f"{self.file}: {self.function}() has {self.find[0]!r} "
                               f"{len(found)} times, not once")
        body = body[:found[0].start()] + self.replace + body[found[0].end():]
        return text[:start] + body + text[end:]


    @property
    def content(self) -> list[Any]:
        """What makes it another edit."""
        return [str(self.file), self.function, self.find, self.replace]


@dataclass(frozen=True)
class Change:
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Cut:
    """An edit by place, from the opening brace of the function's body."""

    file: Path
    function: str
    changes: tuple[Change, ...]     # from first to last
    body: str                       # a digest of the body that it was made for

    def apply(self, text: str) -> str:
        there = definition(text, self.function, self.file)
        if digest(text[there.body:there.end]) != self.body:
            raise DoesNotApply(f"{self.file}: {self.function}() is another")
        for change in reversed(self.changes):
            text = (text[:there.body + change.start] + change.text
                    + text[there.body + change.end:])
        return text

    @property
    def content(self) -> list[Any]:
        return [str(self.file), self.function, self.body,
                [[change.start, change.end, change.text] for change in self.changes]]


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def anchor(text: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(part) for part in text.split()))


@dataclass(frozen=True)
class Definition:
    """Where in a text a function is defined."""

    start: int      # its first line
    name: int
    body: int       # its opening brace
    end: int        # behind its closing brace


@lru_cache(maxsize=1024)    # each file is searched for each mutant
def definition(text: str, function: str, file: Path) -> Definition:
    head = re.compile(rf"^[a-z][^\n;{{}}#]*\b({function})\([^;{{}}]*\)\s*^\{{", re.MULTILINE)
    found = list(head.finditer(text))
    if len(found) != 1:
        raise DoesNotApply(f"{file}: {function}() is defined {len(found)} times, not once")
    end = text.find("\n}", found[0].end())
    return Definition(found[0].start(), found[0].start(1), found[0].end() - 1,
                      len(text) if end < 0 else end + 2)


@dataclass(frozen=True)
class Mutant:
    id: str
    title: str
    symptom: str               # what a test may observe
    vm: tuple[str, ...]        # the VM types that can show it
    edits: tuple[Edit | Cut, ...]
    origin: str = "plausible"  # "plausible", or the fix that it undoes
    needs: str = ""            # what the boot must have: CPUs, a parameter
    debug: str = ""            # the kernel of --debug-kernel that sees it: others do not
    status: str = "killable"
    argument: str = ""         # why no test can kill it
    probe: Probe | None = None  # of the one function that it changes

    @property
    def files(self) -> list[Path]:
        return list(dict.fromkeys(edit.file for edit in self.edits))

    @property
    def functions(self) -> list[str]:
        return list(dict.fromkeys(edit.function for edit in self.edits))

    def apply(self, tree: Path) -> dict[Path, str]:
        """The changed files, with their new content."""
        texts: dict[Path, str] = {}
        for edit in self.edits:
            path = tree / edit.file
            if edit.file not in texts and not path.is_file():
                raise DoesNotApply(f"{edit.file} does not exist")
            texts[edit.file] = edit.apply(texts.get(edit.file) or path.read_text())
        return texts


def parse(name: str, data: dict[str, Any]) -> Mutant:
    try:
        edits = tuple(_edit(**edit) for edit in data.pop("edit"))
        mutant = Mutant(id=name, edits=edits, vm=tuple(data.pop("vm")), **data)
    except (KeyError, TypeError) as error:
        raise BadMutant(f"{name}: {error}") from error
    if mutant.status not in STATUSES or not set(mutant.vm) <= set(VM_TYPES) or not mutant.vm:
        raise BadMutant(f"{name}: a status or a VM type that does not exist")
    if mutant.debug and mutant.debug not in DEBUG:
        raise BadMutant(f"{name}: debug: no such kernel; there are {', '.join(DEBUG)}")
    if (mutant.status == "equivalent") != bool(mutant.argument):
        raise BadMutant(f"{name}: an argument is what makes a mutant equivalent")
    return mutant


def _edit(file: str, function: str, find: str | Sequence[str], replace: str) -> Edit:
    return Edit(Path(file), function, (find,) if isinstance(find, str) else tuple(find), replace)


def load(folder: Path = CATALOGUE) -> list[Mutant]:
    return [parse(path.stem, tomllib.loads(path.read_text()))
            for path in sorted(folder.glob("*.toml"))]
