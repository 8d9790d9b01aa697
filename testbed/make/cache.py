# SPDX-License-Identifier: GPL-2.0-only
"""What is made once and kept: sources, kernels, build trees, probe results.

Entries appear whole or not at all, so a run that is interrupted leaves nothing
half made behind; locks make runs side by side wait for each other instead of
doing the same work twice.  When an entry is added, those go that nobody used for long.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testbed.progress import say

UNUSED_DAYS = 30
# Entries of other kinds are small, or managed elsewhere.
PRUNED = ("bochs", "bochs-parts", "builds", "kernels", "many", "roots", "sources", "upstream")


def default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "kvm-tdx-selftests"


def is_old(entry: Path) -> bool:
    return entry.stat().st_mtime < time.time() - UNUSED_DAYS * 24 * 3600


def digest(*parts: str) -> str:
    """A key that depends on all of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def tools(*programs: str) -> str:
    """Identifies the programs that compile and link."""
    versions = [subprocess.run([program, "--version"], capture_output=True, text=True,
                               check=True).stdout for program in programs]
    return "\n".join(version.splitlines()[0] for version in versions)


class Cache:
    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    @contextmanager
    def lock(self, name: str, what: str) -> Iterator[None]:
        """A lock between runs; `what` is shown to those that wait."""
        path = self.folder / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another run: {what}")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def entry(self, kind: str, key: str, what: str, make: Callable[[Path], None]) -> Path:
        """The folder KIND/KEY, made by `make` (which fills a folder) if missing."""
        entry = self.folder / kind / key
        if entry.exists():
            return self.used(entry)
        with self.lock(f"{kind}-{key}", what):
            if not entry.exists():
                self._make(entry, make)
            self.used(entry)
        self.prune()
        return entry

    def used(self, entry: Path) -> Path:
        """Mark the entry as used: it stays for another 30 days."""
        with suppress(OSError):     # missing, or another user's
            os.utime(entry)
        return entry

    def prune(self) -> None:
        """Remove entries unused for 30 days, but those that a run has locked."""
        for kind in PRUNED:
            for leftover in (self.folder / kind).glob(".*.gone"):   # left by a killed run
                shutil.rmtree(leftover, ignore_errors=True)
            for entry in sorted((self.folder / kind).glob("[!.]*")):
                if is_old(entry):
                    self._remove(entry, self.folder / "locks" / f"{kind}-{entry.name}")

    def _remove(self, entry: Path, lock: Path) -> None:
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if is_old(entry):
                say(f"removing {entry}: not used for {UNUSED_DAYS} days")
                gone = entry.with_name(f".{entry.name}.gone")
                entry.rename(gone)
                shutil.rmtree(gone)

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        prefix = f".{entry.name}."
        entry.parent.mkdir(parents=True, exist_ok=True)
        for leftover in entry.parent.glob(f"{prefix}*"):   # left by a killed run
            shutil.rmtree(leftover)
        fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=entry.parent))
        try:
            make(fresh)
            fresh.rename(entry)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
