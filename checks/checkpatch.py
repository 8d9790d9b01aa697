# SPDX-License-Identifier: GPL-2.0-only
"""Whether the kernel's own checkpatch.pl accepts each C file.

    python3 -m checks.checkpatch [FILE...]

The script is that of the testbed's kernel source. Types of complaint that do not fit
a program outside of the kernel are accepted; CONTRIBUTING.md says why for each.
Files that it accepted before are not shown to it again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import exit_status
from testbed.make import source
from testbed.make.cache import Cache, digest

ROOT = Path(__file__).resolve().parent.parent

ACCEPTED = (
    "AVOID_EXTERNS", "COMPLEX_MACRO", "EMBEDDED_FILENAME", "EMBEDDED_FUNCTION_NAME", "ENOSYS",
    "MACRO_ARG_UNUSED", "MACRO_WITH_FLOW_CONTROL", "MULTISTATEMENT_MACRO_USE_DO_WHILE",
    "PREFER_DEFINED_ATTRIBUTE_MACRO", "TRAILING_SEMICOLON", "USE_NEGATIVE_ERRNO", "VOLATILE",
)
# Headers of another language: assembler, C++.
OTHER_LANGUAGE = ("lib/guest/long_mode.h", "softtdx/bochs/seam.h")
FILES_AT_ONCE = 40


def c_files() -> list[str]:
    """Of the working tree what git knows, and what it would add."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(name for name in set(listing) - set(OTHER_LANGUAGE) if (ROOT / name).exists())


def complaints(script: Path, files: Sequence[str]) -> list[str]:
    """What checkpatch.pl says of `files`, a line each: "file:line: LEVEL:TYPE: text"."""
    done = subprocess.run(
        ["perl", script, "--no-tree", "--no-summary", "--terse", "--show-types", "--color=never",
         "--ignore", ",".join(ACCEPTED), "-f", *files],
        cwd=ROOT, capture_output=True, text=True, check=False)
    # 1: it complained. It has other codes, and a text, for an error of its own.
    if done.returncode not in (0, 1) or done.stderr:
        raise RuntimeError(f"checkpatch.pl exited with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.splitlines()


class Accepted:
    """What the script had nothing to say of: names with contents, as digests, in a file."""

    def __init__(self, path: Path, script: Path) -> None:
        self._path = path
        self._way = digest(script.read_text(), *ACCEPTED)
        try:
            self._before: set[str] = set(json.loads(path.read_text()))
        except (OSError, ValueError):
            self._before = set()

    def _key(self, name: str) -> str:
        return digest(self._way, name, (ROOT / name).read_text())

    def __contains__(self, name: object) -> bool:
        return self._key(str(name)) in self._before

    def save(self, names: Iterable[str]) -> None:
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(sorted(self._key(name) for name in names)))
        fresh.rename(self._path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m checks.checkpatch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these (default: all)")
    wanted = parser.parse_args().files
    files = wanted or c_files()
    cache = Cache()
    script = source.distribution_tree(cache, refresh=False).path / "scripts/checkpatch.pl"
    accepted = Accepted(cache.folder / "checkpatch.json", script)
    new = [name for name in files if name not in accepted]
    parts = [new[i:i + FILES_AT_ONCE] for i in range(0, len(new), FILES_AT_ONCE)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = [line for part in pool.map(lambda part: complaints(script, part), parts)
                 for line in part]
    if not wanted:
        bad = {line.partition(":")[0] for line in found}
        accepted.save(name for name in files if name not in bad)
    print("\n".join([*found, f"{len(files)} files, {len(new)} of them new, "
                             f"{len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(exit_status.of("checkpatch", main))
