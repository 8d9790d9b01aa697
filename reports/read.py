# SPDX-License-Identifier: GPL-2.0-only
"""The results of a run that somebody names: a folder, or its results.json alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import results_json
from .load import load
from .model import Run


class ResultsError(Exception):
    """The path is not a result of this suite; the text says why."""


def read(path: Path) -> Run:
    if not path.exists():
        raise ResultsError(f"{path} does not exist")
    if (path / "plan.json").is_file():
        return load(path)
    file = path / "results.json" if path.is_dir() else path
    if not file.is_file():
        raise ResultsError(f"{path} has neither a plan.json nor a results.json: "
                           "name a folder results/<UTC time>")
    try:
        return results_json.parse(file.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{file} cannot be used: {error}") from error


def read_all(paths: Sequence[Path]) -> list[Run]:
    return [read(path) for path in paths]
