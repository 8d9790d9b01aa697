# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs, or two groups of runs of the same cases.

    python3 -m reports.compare OLD NEW
    python3 -m reports.compare OLD... --with NEW...     repeated runs show what is flaky

Exit: 0 nothing got worse, 1 a case newly fails or cannot be judged, 2 wrong usage,
3 unusable results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import renames
from .model import Case, Exit, Run, Status
from .read import ResultsError, read_all

BAD = frozenset({Status.FAIL, Status.ERROR})
SLOWER_PERCENT = 50
SHORT = 0.5     # seconds; the times of shorter cases are noise

# In display order.
KINDS = {
    "failing": "new failures", "flaky": "flaky: failed in some runs only",
    "missing": "no longer there", "skipped": "new skips", "fixed": "fixed",
    "new": "new cases", "slower": "slower",
}
WORSE = ("failing", "flaky", "missing")

Key = tuple[str, str, str]      # test, case, boot


@dataclass(frozen=True)
class Change:
    kind: str
    key: Key
    detail: str

    @property
    def text(self) -> str:
        test, case, boot = self.key
        where = "" if boot in ("", "default") else f" [{boot}]"
        return f"{test}: {case}{where}" + (f": {self.detail}" if self.detail else "")


def by_key(runs: Sequence[Run]) -> dict[Key, list[Case]]:
    found: dict[Key, list[Case]] = {}
    for run in runs:
        for test, case in run.cases():
            name = renames.current(test.name, case.name)
            found.setdefault((*name, case.boot), []).append(case)
    return found


def compare(old: Sequence[Run], new: Sequence[Run],
            slower: float = SLOWER_PERCENT) -> list[Change]:
    before, after = by_key(old), by_key(new)
    changes = [Change("missing", key, "") for key in before.keys() - after.keys()]
    for key, cases in after.items():
        if key not in before:
            changes.append(Change("new", key, cases[-1].status.value))
        changes += _changes(key, before.get(key, []), cases, slower)
    order = list(KINDS)
    return sorted(changes, key=lambda change: (order.index(change.kind), change.key))


def _changes(key: Key, before: list[Case], after: list[Case], slower: float) -> Iterator[Change]:
    was, now = ({case.status for case in cases} for cases in (before, after))
    if now & BAD and now - BAD:
        bad = sum(case.status in BAD for case in after)
        yield Change("flaky", key, f"{bad} of {len(after)} runs; {_why(after)}")
    elif now & BAD and not was & BAD:
        yield Change("failing", key, _why(after))
    elif was & BAD and not now & BAD:
        yield Change("fixed", key, f"was: {_why(before)}")
    elif now == {Status.SKIP} and was and Status.SKIP not in was:
        yield Change("skipped", key, after[-1].reason)
    elif before and now == was == {Status.PASS}:
        yield from _slower(key, before, after, slower)


def _why(cases: list[Case]) -> str:
    case = next(case for case in cases if case.status in BAD)
    return case.why or case.status.value


def _slower(key: Key, before: list[Case], after: list[Case], slower: float) -> Iterator[Change]:
    """Compare medians: machines differ, and are noisy."""
    old, new = (median(case.seconds for case in cases) for cases in (before, after))
    if new >= SHORT and new > old * (1 + slower / 100):
        ratio = f"{new / old:.1f} times" if old else "was too short to measure"
        yield Change("slower", key, f"{ratio} ({old:.2f} s, now {new:.2f} s)")


def render(changes: Sequence[Change]) -> str:
    lines = []
    for kind, title in KINDS.items():
        if texts := [change.text for change in changes if change.kind == kind]:
            lines += [f"{title} ({len(texts)}):", *(f"  {text}" for text in texts), ""]
    return "\n".join(lines) or "no difference\n"


def parse(arguments: Sequence[str] | None) -> tuple[list[Path], list[Path], float]:
    parser = argparse.ArgumentParser(prog="python3 -m reports.compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, nargs="+", metavar="RESULTS")
    parser.add_argument("--with", dest="new", type=Path, nargs="+", metavar="NEW", default=[])
    parser.add_argument("--slower", type=float, default=SLOWER_PERCENT, metavar="PERCENT",
                        help="report cases that take this much longer (default %(default)s)")
    args = parser.parse_args(arguments)
    old, new = args.old, args.new
    if not new:
        if len(old) != 2:
            parser.error("name two results, or the new ones after --with")
        old, new = old[:1], old[1:]
    return old, new, args.slower


def main(arguments: Sequence[str] | None = None) -> int:
    old, new, slower = parse(arguments)
    try:
        changes = compare(read_all(old), read_all(new), slower)
    except ResultsError as error:
        print(f"compare: {error}", file=sys.stderr)
        return Exit.ERROR
    print(render(changes), end="")
    return int(any(change.kind in WORSE for change in changes))


if __name__ == "__main__":
    sys.exit(main())
