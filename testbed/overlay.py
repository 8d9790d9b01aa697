# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree with softtdx in it, made of links to a tree that is only read.

Real folders lead to arch/x86/virt/vmx/tdx; all else in them, and so every file
of the kernel but one, is a link into the tree.  The one is tdx's Makefile: the
original and the lines of softtdx/glue/lines.mk.  softtdx itself is a copy, renewed
file by file: make goes by times, and checkouts of this suite share a build tree.

    python3 -m testbed.overlay [TREE]    shows that no other file differs
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from testbed import ending, source
from testbed.cache import Cache
from testbed.errors import BenchError
from testbed.progress import say
from testbed.source import Source

SOFTTDX = Path(__file__).parent.parent / "softtdx"
LINES = [line for line in (SOFTTDX / "glue/lines.mk").read_text().splitlines()
         if not line.startswith("#")]
PLACE = Path("arch/x86/virt/vmx/tdx")
NEEDED = (PLACE / "tdx.c", Path("arch/x86/kvm/vmx/tdx.c"))
DIFFERENCES = [f"differs: {PLACE}/Makefile", f"added: {PLACE}/softtdx"]


def with_softtdx(cache: Cache, tree: Source) -> Source:
    """The tree and softtdx; the tree itself if its KVM has no TDX."""
    if not all((tree.path / name).is_file() for name in NEEDED):
        say(f"{tree.identity}: its KVM has no TDX, built without softtdx")
        return tree
    key = hashlib.sha256(str(tree.path).encode()).hexdigest()[:16]
    folder = cache.folder / "overlays" / key
    with lock(cache, folder):
        make(tree.path, folder)
        cache.used(folder)
    check(tree.path, folder)
    say(f"{tree.identity} with softtdx: no .c, .h or .S file of the kernel differs; "
        f"added to {PLACE}/Makefile:")
    say("\n".join(f"  {line}" for line in LINES))
    return replace(tree, path=folder, identity=f"{tree.identity} with softtdx",
                   additions=content_of_softtdx())


def files_of_softtdx() -> list[Path]:
    return sorted([SOFTTDX / "Kbuild", *SOFTTDX.glob("model/*.[ch]"),
                   *SOFTTDX.glob("glue/*.[chS]")])


def content_of_softtdx() -> str:
    """Identifies what softtdx puts into the kernel."""
    digest = hashlib.sha256("\n".join(LINES).encode())
    for path in files_of_softtdx():
        digest.update(str(path.relative_to(SOFTTDX)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def make(tree: Path, folder: Path) -> None:
    """Makes the overlay, or brings its links up to date; what did not change is left alone."""
    for name in PLACE.parts:
        link_all(tree, folder, apart=(name,))
        tree, folder = tree / name, folder / name
    link_all(tree, folder, apart=("Makefile",))
    if not (folder / "softtdx").is_dir():
        copy_softtdx(folder / "softtdx")
    text = (tree / "Makefile").read_text() + "\n".join(LINES) + "\n"
    write(folder / "Makefile", text.encode())


@contextmanager
def our_softtdx(cache: Cache, tree: Source) -> Iterator[None]:
    """While it lasts, softtdx in an overlay is that of this checkout.

    For builds: checkouts of this suite share the overlay and the build trees, and an
    object is stale for ever when its source changes while it is compiled.
    """
    if not tree.additions:
        yield
        return
    with lock(cache, tree.path):
        copy_softtdx(tree.path / PLACE / "softtdx")
        yield


def lock(cache: Cache, overlay: Path) -> AbstractContextManager[None]:
    return cache.lock(f"overlays-{overlay.name}", "softtdx in the same kernel")


def copy_softtdx(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()         # as this suite made it once
    wanted = {folder / path.relative_to(SOFTTDX): path.read_bytes() for path in files_of_softtdx()}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path not in wanted:
            path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)


def write(path: Path, content: bytes) -> None:
    """Unless it is there already: then its time stays."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def link_all(tree: Path, folder: Path, apart: Iterable[str]) -> None:
    """Links to all that the tree has here, but some names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in tree.iterdir()} - set(apart)
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
    """What is neither the same file in both trees nor has the same content."""
    if not tree.exists():
        yield f"added: {overlay}"
    elif not overlay.exists():
        yield f"missing: {overlay}"
    elif tree.resolve() == overlay.resolve():
        return
    elif tree.is_dir() and overlay.is_dir():
        names = {path.name for folder in (tree, overlay) for path in folder.iterdir()}
        for name in sorted(names):
            yield from differences(tree / name, overlay / name)
    elif tree.is_dir() or overlay.is_dir() or not filecmp.cmp(tree, overlay, shallow=False):
        yield f"differs: {overlay}"


def check(tree: Path, overlay: Path) -> None:
    """Only what is meant to differ does."""
    found = [line.replace(f"{overlay}/", "") for line in differences(tree, overlay)]
    if found != DIFFERENCES:
        unexpected = sorted(set(found) ^ set(DIFFERENCES))
        raise BenchError(f"the overlay of {tree} is not as it should be: {', '.join(unexpected)}")


def execute() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m testbed.overlay",
                                     description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=Path, nargs="?", metavar="TREE", help="default: Debian's newest")
    wanted: Path | None = parser.parse_args().tree
    cache = Cache()
    tree = (source.user_tree(wanted) if wanted
            else source.distribution_tree(cache, refresh=False))
    made = with_softtdx(cache, tree)
    say(f"tree:    {tree.path}\noverlay: {made.path}")
    for line in differences(tree.path, made.path):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(ending.status("overlay", execute))
