# SPDX-License-Identifier: GPL-2.0-only
"""What became of generated mutants, by function, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from mutants.generated import Generated
from mutants.verdict import (
    GAP, KILLED, NO_DIFFERENCE, NOT_EXECUTED, SAME_CODE, SURVIVED, Verdict,
)

WORDS = (KILLED, SURVIVED, GAP, NO_DIFFERENCE, NOT_EXECUTED, SAME_CODE)
LIVED = (SURVIVED, GAP, NO_DIFFERENCE)
EXECUTED = (KILLED, *LIVED)


def table(mutants: Sequence[Generated], verdicts: Mapping[str, Verdict],
          group: Callable[[Generated], str]) -> list[str]:
    """Markdown: how many of each group came to which end."""
    lines = [f"| | mutants | {' | '.join(WORDS)} | killed of the executed |",
             f"|---|{'---:|' * (len(WORDS) + 2)}"]
    groups: dict[str, list[str]] = {}
    for mutant in mutants:
        if mutant.id in verdicts:
            groups.setdefault(group(mutant), []).append(verdicts[mutant.id].verdict)
    for name, ends in [*sorted(groups.items()), ("all", [end for each in groups.values() for end in each])]:
        count = Counter(ends)
        executed = sum(count[word] for word in EXECUTED)
        rate = f"{100 * count[KILLED] / executed:.0f} %" if executed else ""
        lines.append(f"| {name} | {len(ends)} | {' | '.join(str(count[word]) for word in WORDS)} | {rate} |")
    return lines


def document(mutants: Sequence[Generated], verdicts: Mapping[str, Verdict]) -> list[str]:
    """By file, operator and function; then those that lived, one by one."""
    groups: tuple[tuple[str, Callable[[Generated], str]], ...] = (
        ("file", lambda one: str(one.files[0])), ("operator", lambda one: one.operator),
        ("function", lambda one: f"{one.files[0].name} {one.function}"))
    lines = []
    for name, group in groups:
        lines += [f"## By {name}", "", *table(mutants, verdicts, group), ""]
    lines += ["## Lived", ""]
    for one in mutants:
        verdict = verdicts.get(one.id)
        if verdict and verdict.verdict in LIVED:
            lines.append(f"- {one.id} {one.place}, {one.operator}: {one.title} "
                         f"({', '.join(filter(None, (verdict.verdict, verdict.detail)))})")
    return lines
