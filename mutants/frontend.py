# SPDX-License-Identifier: GPL-2.0-only
"""Functions of a C file as trees of nodes, by libclang, each with its place in the text.

What a macro's body makes is no text of the file: such a node is not `spelled`.
"""

from __future__ import annotations

import ctypes
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import HarnessError

# Of gcc's command line, what decides how the file is read; the rest is for its optimizer.
WITH_VALUE = frozenset(("-include", "-I", "-isystem"))
KEPT = ("-I", "-D", "-U", "-std", "-nostdinc", "-fms-extensions", "-funsigned-char",
        "-fshort-wchar", "-m64")


@dataclass(frozen=True)
class Node:
    kind: str               # clang's name of it: IF_STMT, CALL_EXPR, ...
    start: int
    end: int                # without the semicolon
    text: str
    type: str               # of an expression: the canonical type
    name: str               # of what is called, or referred to
    refers: str             # the kind of the declaration that it refers to
    within: tuple[str, ...]     # the macros of whose arguments it is a part
    spelled: bool
    children: tuple[Node, ...] = field(repr=False)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class CFunction:
    name: str
    returns: str            # the canonical type
    body: Node


@dataclass(frozen=True)
class Invocation:
    """Of a macro."""

    name: str
    start: int
    end: int


def flags(command: str, tree: Path, moved: tuple[Path, Path]) -> list[str]:
    """From kbuild's command, which runs in `tree`; `moved`: one folder stands for another."""
    words = iter(shlex.split(command)[1:])
    kept: list[str] = []
    for word in words:
        if word in WITH_VALUE:
            kept += [word, next(words)]
        elif word.startswith(KEPT):
            kept.append(word)
    there, here = map(str, moved)
    return [re.sub(r"^(-I)?(?:\./)?(arch|include)(?=/|$)", rf"\g<1>{tree}/\g<2>", word).replace(there, here)
            for word in kept]


def object_file(tree: Path, file: Path) -> Path:
    """Where kbuild compiles this file to; what is outside of arch/x86/kvm it reaches from there."""
    inside = file if file.parts[0] == "arch" else Path("arch/x86/kvm/../../..") / file
    return (tree / inside).with_suffix(".o")


def saved_command(tree: Path, file: Path) -> str:
    path = object_file(tree, file)
    saved = path.with_name(f".{path.name}.cmd")
    return saved.read_text().splitlines()[0].partition(":= ")[2].partition(" ; ")[0]


def parse(path: Path, arguments: Sequence[str], wanted: Callable[[str], bool]) -> list[CFunction]:
    """The functions that the file defines and that are wanted."""
    return Reader(path, arguments).functions(wanted)


class Reader:
    def __init__(self, path: Path, arguments: Sequence[str]) -> None:
        from clang import cindex    # type: ignore[import]    # only the generator needs the package
        self._cindex = cindex
        self._path = path
        raw = path.read_bytes()
        self._text = raw.decode()
        self._wide = None if raw.isascii() else raw
        unit = cindex.Index.create().parse(
            str(path), [*arguments, "-w"],
            options=cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        errors = [str(told) for told in unit.diagnostics if told.severity >= cindex.Diagnostic.Error]
        if errors:
            raise HarnessError(f"libclang does not read {path}:\n" + "\n".join(errors[:5]))
        self._unit = unit
        self._all = sorted(self._invocations(), key=lambda one: one.start)
        self._macros: list[Invocation] = []     # of the function that is read

    def _invocations(self) -> Iterator[Invocation]:
        for cursor in self._unit.cursor.get_children():
            if cursor.kind.name == "MACRO_INSTANTIATION" and self._is_here(cursor):
                yield Invocation(cursor.spelling, *self._range(cursor))

    def _is_here(self, cursor: Any) -> bool:
        return cursor.location.file is not None and cursor.location.file.name == str(self._path)

    def functions(self, wanted: Callable[[str], bool]) -> list[CFunction]:
        return [self._function(cursor) for cursor in self._unit.cursor.get_children()
                if cursor.kind.name == "FUNCTION_DECL" and cursor.is_definition()
                and wanted(cursor.spelling) and self._is_here(cursor)
                and not self._made_by_macro(cursor)]

    def _function(self, cursor: Any) -> CFunction:
        start, end = self._range(cursor)
        self._macros = [one for one in self._all if start <= one.start and one.end <= end]
        return CFunction(cursor.spelling, cursor.result_type.get_canonical().spelling,
                         self._node(list(cursor.get_children())[-1]))

    def _made_by_macro(self, cursor: Any) -> bool:
        return self._text[self._range(cursor)[1] - 1] != "}"

    def _offset(self, location: Any) -> int:
        """In the file, also of what is an argument of a macro."""
        offset = ctypes.c_uint()
        self._cindex.conf.lib.clang_getFileLocation(location, None, None, None, ctypes.byref(offset))
        return len(self._wide[:offset.value].decode()) if self._wide else offset.value

    def _range(self, cursor: Any) -> tuple[int, int]:
        return self._offset(cursor.extent.start), self._offset(cursor.extent.end)

    def _node(self, cursor: Any, outer: frozenset[tuple[int, int]] = frozenset()) -> Node:
        """`outer`: the places of the macros that it is made by."""
        start, end = self._range(cursor)
        inner = list(cursor.get_children())
        # Conversions that nobody wrote.
        while (cursor.kind.name == "UNEXPOSED_EXPR" and len(inner) == 1
               and self._range(inner[0]) == (start, end)):
            cursor, inner = inner[0], list(inner[0].get_children())
        around = self._around(start, end)
        text = self._text[start:end]
        spelled = (around is not None and balanced(text, one=bool(around))
                   and (start, end) not in outer and text[-1] not in "!~-+*&|<>=,")
        if self._is_invocation(start, end):
            outer |= {(start, end)}
        declared = cursor.referenced
        return Node(
            cursor.kind.name, start, end, text, cursor.type.get_canonical().spelling,
            cursor.spelling, declared.kind.name if declared else "",
            tuple(around or ()), spelled,
            tuple(self._node(child, outer) for child in inner),
        )

    def _is_invocation(self, start: int, end: int) -> bool:
        return any((one.start, one.end) == (start, end) for one in self._macros)

    def _around(self, start: int, end: int) -> list[str] | None:
        """The macros in whose arguments it is; None: it is not a text of its own."""
        names: list[str] = []
        if start >= end:
            return None
        for one in self._macros:
            if one.end <= start or one.start >= end or (start <= one.start and one.end <= end):
                continue
            if not (one.start + len(one.name) < start and end < one.end):
                return None
            names.append(one.name)
        return names


def balanced(text: str, one: bool = False) -> bool:
    """`one`: it is in one argument, too."""
    depth = 0
    for character in re.sub(r"'.'|\"(?:\\.|[^\"\\])*\"|/\*.*?\*/", "", text, flags=re.DOTALL):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0 or (one and character == "," and not depth):
            return False
    return not depth
