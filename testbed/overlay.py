# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree with softtdx in it, made of links to a tree that is only read.

Real folders lead to arch/x86/virt/vmx/tdx; all else in them, and so every file
of the kernel but one, is a link into the tree.  The one is tdx's Makefile: the
original and the lines of softtdx/glue/lines.mk.  softtdx itself is a link, too.
"""

from __future__ import annotations

import filecmp
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from testbed import source
from testbed.cache import Cache
from testbed.errors import BenchError
from testbed.progress import say
from testbed.programs import ROOT
from testbed.source import Source

SOFTTDX = ROOT / "softtdx"
LINES = SOFTTDX / "glue/lines.mk"
PLACE = Path("arch/x86/virt/vmx/tdx")
NEEDED = (PLACE / "tdx.c", Path("arch/x86/kvm/vmx/tdx.c"))
CODE = {".c", ".h", ".S"}


def with_softtdx(cache: Cache, tree: Source) -> Source:
    """The tree and softtdx; the tree itself if its KVM has no TDX."""
    if not all((tree.path / name).is_file() for name in NEEDED):
        say(f"{tree.identity} has no TDX in KVM: built without softtdx")
        return tree
    key = hashlib.sha256(str(tree.path).encode()).hexdigest()[:16]
    folder = cache.folder / "overlays" / key
    with cache.lock(f"overlays-{key}", "linking softtdx to the kernel"):
        make(tree.path, folder)
    return replace(tree, path=folder, identity=f"{tree.identity} with softtdx",
                   additions=content_of_softtdx())


def content_of_softtdx() -> str:
    """Identifies what softtdx puts into the kernel."""
    digest = hashlib.sha256()
    parts = [SOFTTDX / "Kbuild", *(SOFTTDX / "model").iterdir(), *(SOFTTDX / "glue").iterdir()]
    for path in sorted(parts):
        digest.update(str(path.relative_to(SOFTTDX)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def make(tree: Path, folder: Path) -> None:
    """Makes the overlay, or brings one up to date: what did not change is left alone."""
    here, there = folder, tree
    for name in PLACE.parts:
        link_all(there, here, apart=name)
        here, there = here / name, there / name
    link_all(there, here, apart="Makefile")
    link(here / "softtdx", SOFTTDX)
    text = (there / "Makefile").read_text().rstrip("\n") + "\n" + LINES.read_text()
    makefile = here / "Makefile"
    if not makefile.exists() or makefile.read_text() != text:
        makefile.write_text(text)


def link_all(tree: Path, folder: Path, apart: str) -> None:
    """Links to all that the tree has here, but one name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in tree.iterdir()} - {apart}
    for path in folder.iterdir():
        if path.is_symlink() and path.name not in names:
            path.unlink()
    for name in names:
        link(folder / name, tree / name)


def link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def differences(tree: Path, overlay: Path) -> Iterator[str]:
    """What is not the same file, or the same content, in both trees."""
    if tree.resolve() == overlay.resolve():
        return
    if not tree.exists():
        yield f"added: {overlay}"
    elif not overlay.exists():
        yield f"missing: {overlay}"
    elif tree.is_dir() and overlay.is_dir():
        names = {path.name for folder in (tree, overlay) for path in folder.iterdir()}
        for name in sorted(names):
            yield from differences(tree / name, overlay / name)
    elif not (tree.is_file() and overlay.is_file()) or not filecmp.cmp(tree, overlay, False):
        yield f"differs: {overlay}"


def check(tree: Path, overlay: Path) -> list[str]:
    """The differences, relative to the overlay; none may be code of the kernel's."""
    found = [line.replace(f"{overlay}/", "") for line in differences(tree, overlay)]
    expected = {f"added: {PLACE}/softtdx", f"differs: {PLACE}/Makefile"}
    for line in found:
        if line not in expected:
            raise BenchError(f"the overlay of {tree} must not change this: {line}")
    return found


def main(arguments: Sequence[str]) -> int:
    """python3 -m testbed.overlay [TREE]: makes the overlay, shows all that differs."""
    cache = Cache()
    tree = (source.user_tree(Path(arguments[0])) if arguments
            else source.distribution_tree(cache, refresh=False))
    overlay = with_softtdx(cache, tree).path
    say(f"tree:    {tree.path}\noverlay: {overlay}")
    for line in check(tree.path, overlay):
        say(line)
    say(f"all else, every {', '.join(sorted(CODE))} file of the kernel included, is the same file")
    say(f"added to {PLACE}/Makefile:\n{LINES.read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
