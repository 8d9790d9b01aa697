# SPDX-License-Identifier: GPL-2.0-only
"""results.json, for programs: written and read back."""

from __future__ import annotations

import json

from .model import Run


def render(run: Run) -> str:
    return json.dumps(run.to_json(), indent=1) + "\n"


def parse(text: str) -> Run:
    return Run.from_json(json.loads(text))
