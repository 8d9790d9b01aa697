# SPDX-License-Identifier: GPL-2.0-only
"""Write the three reports of a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

from . import html, junit, results_json
from .load import load
from .model import Run
from .template import NoJinja


def write(folder: Path) -> Run:
    """Write the reports of a results folder; idempotent."""
    run = load(folder)
    _put(folder / "results.json", results_json.render(run))
    _put(folder / "junit.xml", junit.render(run))
    try:
        _put(folder / "report.html", html.render(run))
    except NoJinja as error:    # a native run installs nothing: no HTML then
        print(f"no report.html: {error}", file=sys.stderr)
    return run


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
