# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree in git with a bug in one of its commits, for scripts/bisect to find."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FILES = ("arch/x86/kvm/mmu/mmu.c", "arch/x86/kvm/mmu/tdp_mmu.c", "virt/kvm/guest_memfd.c",
         "arch/x86/kvm/x86.c")
# KVM_PRE_FAULT_MEMORY ends after its first page, and reports the whole range as done.
BUGGY = "virt/kvm/kvm_main.c"
BUG = ("\trange->size -= r;", "\trange->size = 0;")
CASE = "prefault_args_test:past_the_end.default"


def git(tree: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", tree, "-c", "core.compression=0", "-c", "gc.auto=0",
                           "-c", "user.name=Tester", "-c", "user.email=tester@localhost", *arguments],
                          check=True, capture_output=True, text=True).stdout.strip()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{path}: {old!r} is there {text.count(old)} times, not once: choose another bug")
    path.write_text(text.replace(old, new))


def commit(tree: Path, number: int, bad: int, broken: int) -> str:
    """The commit with this number; the bad one looks like the others. The broken one does
    not build, the next one does again."""
    path = tree / FILES[number % len(FILES)]
    path.write_text(f"{path.read_text()}\n/* remark {number} */\n")
    if number == bad:
        edit(tree / BUGGY, *BUG)
    unfinished = "\n#error not finished\n"
    if number == broken:
        path.write_text(path.read_text() + unfinished)
    if number == broken + 1:
        edit(tree / FILES[broken % len(FILES)], unfinished, "\n")
    git(tree, "commit", "-aqm", f"KVM: change number {number}")
    return git(tree, "rev-parse", "HEAD")


def history(sources: Path, tree: Path, count: int, bad: int, broken: int = -1) -> list[str]:
    """Make `tree`; its commits, the first of which is Linux as it is."""
    print("making a git tree of the kernel's sources", flush=True)
    shutil.copytree(sources, tree, symlinks=True)
    (tree / ".gitignore").unlink(missing_ok=True)
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "Linux")
    first = git(tree, "rev-parse", "HEAD")
    return [first, *(commit(tree, number, bad, broken) for number in range(1, count + 1))]
