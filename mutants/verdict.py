# SPDX-License-Identifier: GPL-2.0-only
"""What became of a mutant, and where that is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mutants.trial import Kill

KILLED = "killed"
SURVIVED = "survived"
BROKEN_BUILD = "broken build"
GAP = "gap"                         # no case failed, but some ended as ERROR
UNRELIABLE = "unreliable"           # the killing case also fails without a mutant
DOES_NOT_APPLY = "does not apply"
# Of generated mutants:
SAME_CODE = "same code"             # gcc makes of it what it makes of the original, or of another
NOT_EXECUTED = "not executed"       # no case gets there
NO_DIFFERENCE = "no difference"     # cases get there, and what it changes is the same each time


@dataclass
class Verdict:
    id: str
    verdict: str
    kill: Kill | None = None
    detail: str = ""
    build_seconds: float = 0.0
    seconds: float = 0.0            # from the first boot to the verdict
    cases: int = 0                  # cases that passed
    # Cases that ended as ERROR: they blame the harness for the mutant.
    errors: list[str] = field(default_factory=list)
    tests: str = ""                 # the programs that the verdict depends on
    # Results of the kernel's own selftests; None: not requested.
    upstream: dict[str, str] | None = None
    upstream_messages: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Verdict:
        fields: dict[str, Any] = data | {"kill": Kill(**data["kill"]) if data["kill"] else None}
        if "broken" in fields:      # as earlier verdicts call it
            fields["errors"] = fields.pop("broken")
        return cls(**fields)


class Store:
    """Verdicts by key, as JSON: a run continues where the last one ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Any:
        try:
            return json.loads((self._folder / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f".{key}.new"
        fresh.write_text(json.dumps(data, indent=1) + "\n")
        fresh.rename(self._folder / f"{key}.json")
