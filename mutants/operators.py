# SPDX-License-Identifier: GPL-2.0-only
"""What is changed in a function, by operator, and what tells that it made a difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from mutants.frontend import CFunction, Node
from mutants.mutant import Change
from mutants.probes import ENTERED, EQUAL, REACHED, STATEMENT, VALUE, Probe

# Assertions, traces and messages: nothing depends on them in a kernel that works.
SILENT = re.compile(r"(?:__)?(?:WARN\w*|(?:KVM_|KVM_MMU_)?(?:BUG_ON\w*|WARN_ON\w*)|BUILD_BUG\w*|lockdep_\w+"
                    r"|might_\w+|trace_\w+|(?:vcpu_|kvm_)?pr_\w+|rmap_printk|unreachable|static_assert"
                    r"|RCU_LOCKDEP_WARN|typeof|sizeof|container_of|tdx_pr_\w+)")
# Macros that are loops: their conditions are no text.
LOOP = re.compile(r"(?:\w*for_each\w*|scoped_guard|guard|CLASS)\s*\(")
UNLOCK = re.compile(r"\w*unlock\w*|up_(?:read|write)|\w+_put")
FLUSH = re.compile(r"\w*(?:flush|invalidate|tdx_track|wbinvd|wbnoinvd|clflush)\w*")
BARRIER = re.compile(r"(?:smp_\w*mb\w*|\w*barrier\w*|synchronize_\w+|rcu_barrier)")
RANGE = re.compile(r"\b(?:\w*(?:end|start|gfn|nr|count|pages|level|len|size|offset|slot|index|order)\w*)\b")
INTEGER = re.compile(r"(?:unsigned |signed )?(?:char|short|int|long|long long)$")
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+$")
# What a caller tells apart.
OTHER_ERROR = {"EAGAIN": "EIO", "EINVAL": "EFAULT", "EFAULT": "EINVAL", "EIO": "EAGAIN",
               "ENOMEM": "EINVAL", "EEXIST": "EINVAL", "ENOENT": "EFAULT", "EINTR": "EAGAIN",
               "EBUSY": "EINVAL", "EHWPOISON": "EFAULT"}
NEIGHBOUR = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}

@dataclass(frozen=True)
class Candidate:
    function: str
    operator: str
    what: str           # in words
    changes: tuple[Change, ...]
    probe: Probe


def candidates(function: CFunction) -> list[Candidate]:
    """Each change once, in the order of the text."""
    found: dict[tuple[Change, ...], Candidate] = {}
    for one in Finder(function).all():
        found.setdefault(one.changes, one)
    return sorted(found.values(), key=lambda one: (
        one.changes[0].start, one.changes[0].end, one.operator, one.changes[0].text))


def is_integer(type_name: str) -> bool:
    return bool(INTEGER.match(type_name.removeprefix("const ")))


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) < 60 else f"{text[:57]}..."


class Finder:
    def __init__(self, function: CFunction) -> None:
        self._function = function
        self._base = function.body.start
        self._text = function.body.text
        self._paired: set[int] = set()      # where statements that lock and unlock begin

    def all(self) -> Iterator[Candidate]:
        yield from self._early_returns()
        yield from self._locks()
        yield from self._visit(self._function.body)

    def _made(self, operator: str, what: str, node: Node, text: str, probe: Probe) -> Candidate:
        return self._many(operator, what, [Change(node.start, node.end, text)], probe)

    def _many(self, operator: str, what: str, changes: list[Change], probe: Probe) -> Candidate:
        return Candidate(self._function.name, operator, what, tuple(changes), probe)

    def _between(self, start: int, end: int) -> str:
        return self._text[start - self._base:end - self._base]

    def _early_returns(self) -> Iterator[Candidate]:
        values = {"void": ("",), "_Bool": (" false", " true")}.get(self._function.returns)
        if values is None:
            values = (" 0",) if is_integer(self._function.returns) else ()
        place = self._base + 1
        for value in values:
            yield self._many("early return", f"returns{value} at once",
                             [Change(place, place, f"\n\treturn{value};")],
                             Probe(ENTERED, place, place))

    def _locks(self) -> Iterator[Candidate]:
        """All that take and release the same lock."""
        pairs: dict[str, list[tuple[str, Node]]] = {}
        for node, _ in self._statements():
            callee = called(node)
            if callee and re.search(r"lock|mutex|^(?:down|up)_", callee) and not SILENT.fullmatch(callee):
                family = re.sub(r"un(?=lock)", "", callee).replace("up_", "down_")
                argument = "".join(node.text[len(callee):].split())
                pairs.setdefault(f"{family}{argument}", []).append((callee, node))
        for nodes in pairs.values():
            kinds = {bool(UNLOCK.fullmatch(callee)) for callee, _ in nodes}
            if kinds == {True, False}:
                self._paired |= {node.start for _, node in nodes}
                first = min((node for _, node in nodes), key=lambda node: node.start)
                yield self._many("lock dropped", f"without {short(first.text)} and its release",
                                 [Change(node.start, node.end, "") for _, node in
                                  sorted(nodes, key=lambda pair: pair[1].start)],
                                 self._statement(first))

    def _statement(self, node: Node) -> Probe:
        return Probe(STATEMENT, node.start, node.end)

    def _statements(self) -> Iterator[tuple[Node, Node]]:
        """Those that are no blocks, and what they are part of."""
        for node in self._function.body.walk():
            for place, child in enumerate(node.children):
                if child.spelled and not silent(child) and is_statement(node, place):
                    yield child, node

    def _visit(self, node: Node) -> Iterator[Candidate]:
        for child, parent in self._statements():
            yield from self._dropped(child, parent)
        for one in runtime(node):
            if one.spelled and (silent(one) or LOOP.match(one.text)):
                continue
            yield from self._conditions(one)
            if one.spelled:
                yield from self._expression(one)

    def _dropped(self, node: Node, parent: Node) -> Iterator[Candidate]:
        if not self._between(node.end, node.end + 8).lstrip().startswith(";"):
            return
        callee = called(node)
        last = parent.kind == "COMPOUND_STMT" and parent.children[-1] is node
        match node.kind:
            case "RETURN_STMT" | "GOTO_STMT" | "BREAK_STMT" | "CONTINUE_STMT":
                if not (last and parent is self._function.body):
                    yield self._made("jump dropped", f"without {short(node.text)}", node, "",
                                     self._statement(node))
            case "CALL_EXPR" | "BINARY_OPERATOR" | "COMPOUND_ASSIGNMENT_OPERATOR" | "UNARY_OPERATOR" \
                    | "DO_STMT" | "StmtExpr" | "PAREN_EXPR" | "GCC_ASM_STMT" | "MS_ASM_STMT":
                if node.start in self._paired:
                    return      # one of a pair alone only hangs
                kind = ("barrier" if BARRIER.fullmatch(callee) else
                        "flush" if FLUSH.fullmatch(callee) else "statement")
                yield self._made(f"{kind} dropped", f"without {short(node.text)}", node, "",
                                 self._statement(node))

    def _conditions(self, node: Node) -> Iterator[Candidate]:
        """Of the statement or expression: its condition, and parts of it."""
        match node.kind:
            case "IF_STMT" | "CONDITIONAL_OPERATOR":
                yield from self._condition(node.children[0])
            case "WHILE_STMT":
                yield from self._condition(node.children[0], loop=True)
            case "FOR_STMT":
                if condition := self._condition_of_for(node):
                    yield from self._condition(condition, loop=True)
            case "RETURN_STMT":
                if self._function.returns == "_Bool" and node.children:
                    yield from self._condition(node.children[0])
            case "BINARY_OPERATOR":
                if node.spelled and node.type == "_Bool" and self._sign(node) == "=":
                    yield from self._condition(node.children[1])

    def _condition_of_for(self, node: Node) -> Node | None:
        if not node.text.startswith("for ("):
            return None
        inside = [place for place, character in enumerate(node.text) if character == ";"][:2]
        return next((child for child in node.children[:-1] if child.spelled and len(inside) == 2
                     and node.start + inside[0] < child.start <= child.end <= node.start + inside[1]),
                    None)

    def _condition(self, node: Node, loop: bool = False) -> Iterator[Candidate]:
        if not node.spelled or silent(node) or LOOP.match(node.text) or node.text in ("true", "false", "0", "1"):
            return
        yield from self._truths(node, (False,) if loop else (True, False, None))
        yield from self._parts(node)

    def _truths(self, node: Node, values: tuple[bool | None, ...]) -> Iterator[Candidate]:
        for value in values:
            if value is None:
                yield self._made("condition negated", f"not {short(node.text)}", node,
                                 f"!({node.text})",
                                 Probe(VALUE, node.start, node.end, differs=(0, 1)))
            else:
                word = str(value).lower()
                yield self._made(f"condition {word}", f"{word} for {short(node.text)}", node, word,
                                 Probe(VALUE, node.start, node.end, differs=(int(not value),)))

    def _parts(self, node: Node) -> Iterator[Candidate]:
        """Operands of && are taken for true, of || for false: each is left out once."""
        while node.kind == "PAREN_EXPR" and node.spelled and len(node.children) == 1:
            node = node.children[0]
        sign = self._sign(node)
        if node.spelled and sign in ("&&", "||"):
            for part in node.children:
                if part.spelled and not silent(part):
                    if self._sign(part) != sign:
                        yield from self._truths(part, (sign == "&&",))
                    yield from self._parts(part)

    def _sign(self, node: Node) -> str:
        return self._operator(node)[0]

    def _operator(self, node: Node) -> tuple[str, int, int]:
        """Of a binary operation: the operator and its place."""
        if node.kind not in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR") or len(node.children) != 2:
            return "", 0, 0
        left, right = node.children
        if not (node.spelled and left.spelled and right.spelled):
            return "", 0, 0
        text = self._between(left.end, right.start)
        if not re.fullmatch(r"\s*[-+*/%&|^<>=!]+\s*", text):
            return "", 0, 0
        return text.strip(), left.end, right.start

    def _expression(self, node: Node) -> Iterator[Candidate]:
        if any(SILENT.fullmatch(name) for name in node.within):
            return
        if node.within and self._is_bound(node):
            yield from self._shifted("range", node)
        handlers: dict[str, Callable[[Node], Iterator[Candidate]]] = {
            "BINARY_OPERATOR": self._binary, "CALL_EXPR": self._call, "UNARY_OPERATOR": self._error,
            "DECL_REF_EXPR": self._constant, "INTEGER_LITERAL": self._constant,
        }
        if handler := handlers.get(node.kind):
            yield from handler(node)

    def _binary(self, node: Node) -> Iterator[Candidate]:
        sign, start, end = self._operator(node)
        left, right = (node.children if sign else (node, node))
        if sign in NEIGHBOUR:
            yield self._many("comparison off by one", f"{NEIGHBOUR[sign]} in {short(node.text)}",
                             [Change(start, end, f" {NEIGHBOUR[sign]} ")],
                             Probe(EQUAL, node.start, node.end, (start, end), differs=(1,)))
        if sign in ("|", "&"):
            yield self._made("bits dropped", f"without {short(right.text)}", node, left.text,
                             self._value(node))
            if sign == "|":
                yield self._made("bits dropped", f"without {short(left.text)}", node, right.text,
                                 self._value(node))
        if sign == "=" and RANGE.fullmatch(left.text.split(".")[-1].split(">")[-1]) and is_integer(node.type):
            yield from self._shifted("range", right)

    def _value(self, node: Node) -> Probe:
        return Probe(REACHED, node.start, node.end)

    def _shifted(self, operator: str, node: Node, signs: str = "+-") -> Iterator[Candidate]:
        for sign in signs:
            yield self._made(f"{operator} {sign}1", f"{short(node.text)} {sign} 1", node,
                             f"(({node.text}) {sign} 1)", self._value(node))

    def _is_bound(self, node: Node) -> bool:
        """A whole argument of a macro, a loop over a range for one."""
        before = self._between(self._base, node.start).rstrip()[-1:]
        after = self._between(node.end, self._base + len(self._text)).lstrip()[:1]
        return (before in "(," and after in ",)" and is_integer(node.type)
                and bool(RANGE.search(node.text)) and not CONSTANT.match(node.text)
                and node.kind != "INTEGER_LITERAL")

    def _call(self, node: Node) -> Iterator[Candidate]:
        if SILENT.fullmatch(node.name) or not node.text.startswith(node.name) or not node.name:
            return
        given = [child for child in node.children[1:]]
        for argument in given:
            if (argument.spelled and is_integer(argument.type) and RANGE.search(argument.text)
                    and argument.kind not in ("INTEGER_LITERAL",) and not CONSTANT.match(argument.text)):
                yield from self._shifted("range", argument)
        for first, second in pairwise(given):
            if (first.spelled and second.spelled and first.type == second.type
                    and (is_integer(first.type) or first.type.endswith("*")) and first.text != second.text):
                yield self._many("arguments swapped", f"{short(second.text)} before {short(first.text)}",
                                 [Change(first.start, first.end, second.text),
                                  Change(second.start, second.end, first.text)], self._value(node))

    def _error(self, node: Node) -> Iterator[Candidate]:
        if match := re.fullmatch(r"-(E[A-Z0-9]+)", node.text):
            for other in ("0", f"-{OTHER_ERROR.get(match[1], 'EINVAL')}"):
                yield self._made("error swapped", f"{other} for {node.text}", node, other,
                                 self._value(node))

    def _constant(self, node: Node) -> Iterator[Candidate]:
        if node.text in ("true", "false"):
            if node.refers == "ENUM_CONSTANT_DECL":
                other = "false" if node.text == "true" else "true"
                yield self._made("constant swapped", f"{other} for {node.text}", node, other,
                                 self._value(node))
        elif node.kind == "INTEGER_LITERAL":
            if re.fullmatch(r"\d+[uUlL]*", node.text) or CONSTANT.match(node.text):
                yield from self._shifted("constant", node, "+" if node.text == "0" else "+-")
        elif node.refers == "ENUM_CONSTANT_DECL" and CONSTANT.match(node.text):
            yield from self._shifted("constant", node)


def runtime(node: Node) -> Iterator[Node]:
    """Without the labels of cases, which are constants."""
    yield node
    for child in node.children[1 if node.kind == "CASE_STMT" else 0:]:
        yield from runtime(child)


def called(node: Node) -> str:
    """The function or macro that a statement calls."""
    match = re.match(r"(\w+)\s*\(", node.text)
    return match[1] if match else ""


def silent(node: Node) -> bool:
    return bool(SILENT.fullmatch(called(node))) or any(SILENT.fullmatch(name) for name in node.within)


def is_statement(parent: Node, place: int) -> bool:
    last = len(parent.children) - 1
    match parent.kind:
        case "COMPOUND_STMT":
            return parent.spelled
        case "IF_STMT":
            return place > 0
        case "WHILE_STMT" | "FOR_STMT" | "LABEL_STMT" | "CASE_STMT" | "DEFAULT_STMT":
            return place == last
        case "DO_STMT":
            return place == 0
    return False
