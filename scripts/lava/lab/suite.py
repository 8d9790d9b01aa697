# SPDX-License-Identifier: GPL-2.0-only
"""This checkout as a git repository that LAVA can clone, with what is not committed yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.services import run
from testbed.make.programs import ROOT

BRANCH = "main"
GIT = ("git", "-c", "user.name=lab", "-c", "user.email=lab@localhost")
MADE = ("build", "results", "__pycache__", ".mypy_cache")    # by running it


def publish(folder: Path) -> None:
    if (ROOT / ".git").exists():
        run(*GIT, "clone", "-q", "--no-hardlinks", ROOT, folder)
        run(*GIT, "-C", folder, "checkout", "-q", "-B", BRANCH)
        listed = run(*GIT, "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        files = [ROOT / name for name in listed.split("\0") if name]
    else:
        run(*GIT, "init", "-q", "-b", BRANCH, folder)
        files = [path for path in ROOT.rglob("*") if not set(MADE) & set(path.parts)]
    for path in files:
        target = folder / path.relative_to(ROOT)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        elif not path.exists():
            target.unlink(missing_ok=True)
    if run(*GIT, "-C", folder, "status", "--porcelain"):
        run(*GIT, "-C", folder, "add", "--all")
        run(*GIT, "-C", folder, "commit", "-q", "-m", "What is not committed yet")
