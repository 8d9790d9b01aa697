# SPDX-License-Identifier: GPL-2.0-only
"""mutants.json and mutants.html: mutants and who killed them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reports import template
from testbed.upstream import PROGRAMS

from mutants.hunt import noticed, summary
from mutants.mutant import Mutant
from mutants.verdict import Verdict

TEMPLATE = "report.html.j2"


def write(folder: Path, mutants: Sequence[Mutant], verdicts: Sequence[Verdict],
          kernel: str) -> None:
    text = json.dumps({"kernel": kernel, "summary": summary(mutants, verdicts),
                       "verdicts": [verdict.to_json() for verdict in verdicts]}, indent=1)
    (folder / "mutants.json").write_text(text + "\n")
    (folder / "mutants.html").write_text(render(mutants, verdicts, kernel), encoding="utf-8")


def read(path: Path) -> list[Verdict]:
    return [Verdict.from_json(data) for data in json.loads(path.read_text())["verdicts"]]


def render(mutants: Sequence[Mutant], verdicts: Sequence[Verdict], kernel: str) -> str:
    by_id = {verdict.id: verdict for verdict in verdicts}
    rows = [(mutant, by_id[mutant.id]) for mutant in mutants if mutant.id in by_id]
    killers = dict.fromkeys(
        verdict.kill.test for _, verdict in rows if verdict.kill)
    return template.page(TEMPLATE, {
        "rows": rows, "tests": sorted(killers), "programs": [program.name for program in PROGRAMS],
        "summary": summary(mutants, verdicts), "kernel": kernel, "noticed": noticed,
        "compared": any(verdict.upstream is not None for verdict in verdicts),
    }, folder=Path(__file__).parent) + "\n"
