# SPDX-License-Identifier: GPL-2.0-only
"""Bochs, built from Debian's source package with a few edits and softtdx, and kept.

Two entries of the cache: all of Bochs but the program, and the program, which our own
parts are linked into: softtdx (softtdx/bochs, softtdx/model) and the fork server
(emulator).  An edit of these makes the second anew, in seconds.

Debian's own binary has 40 physical address bits (the shared bit of TDX is bit
47), a display that listens on TCP, and is slower.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make.apt import PrivateApt
from testbed.make.bochs_edits import EDITS, Edit
from testbed.make.cache import Cache, digest, tools
from testbed.progress import Progress, say

SUITES = ("stable", "testing")    # the first one that has the source wins
BIOS_PACKAGE = "bochsbios"
BIOS_FILE = "./usr/share/bochs/BIOS-bochs-latest"
SUITE = Path(__file__).parents[2]
SOFTTDX = SUITE / "softtdx"
EMULATOR = SUITE / "emulator"
CONTROL = SUITE / "include/softtdx_control.h"
FORK_CONTROL = SUITE / "include/fork_control.h"
OBJECTS = 470    # rough number of objects, for the progress display

# Bochs computes with integers that overflow, and reads memory as another type than it was
# written: of g++ 16 such a CPU lets the scheduler of Linux fail in the first second.
FLAGS = "-O2 -pipe -fwrapv -fno-strict-aliasing"
CONFIGURE = (
    "--with-nogui", "--disable-plugins", "--disable-docbook", "--enable-all-optimizations",
    "--enable-smp", "--enable-cpu-level=6", "--enable-x86-64", "--enable-long-phy-address",
    "--enable-vmx=2", "--enable-avx", "--enable-evex", "--enable-cet", "--enable-protection-keys",
    "--enable-monitor-mwait", "--enable-pci", f"CFLAGS={FLAGS}", f"CXXFLAGS={FLAGS}",
)


@dataclass(frozen=True)
class Bochs:
    program: Path
    bios: Path
    version: str


def provide(cache: Cache, own: Path | None = None) -> Bochs:
    """Bochs from the cache, fetched and built if need be, or the user's own."""
    source = cache.entry("sources", "bochs", "fetching Bochs", fetch)
    if own is not None:
        return Bochs(own.resolve(), source / "bios", f"at {own}")
    version = (source / "version").read_text()
    edits = [edit for edit in EDITS if is_needed(edit, version)]
    key = digest(version, repr(edits), " ".join(CONFIGURE), tools("g++"))
    parts = cache.entry("bochs-parts", key, "building Bochs",
                        lambda folder: build(source, version, edits, folder))
    program = cache.entry("bochs", digest(key, content_of_own()), "linking Bochs",
                          lambda folder: link(parts, folder))
    return Bochs(program / "bochs", source / "bios", version)


def content_of_own() -> str:
    """A key for what is linked into Bochs."""
    return digest(content_of_softtdx(), content(*EMULATOR.glob("*"), FORK_CONTROL))


def content_of_softtdx() -> str:
    """A key for softtdx' part of Bochs."""
    return content(*SOFTTDX.glob("bochs/*"), *SOFTTDX.glob("model/*.[ch]"), CONTROL)


def content(*paths: Path) -> str:
    return digest(*(f"{path.name}\n{path.read_text()}" for path in sorted(paths) if path.is_file()))


def fetch(folder: Path) -> None:
    """The source's tarball, the BIOS and the version; deleting them asks Debian again."""
    complaints = []
    for suite in SUITES:
        try:
            fetch_from(suite, folder)
            return
        except HarnessError as error:
            say(f"no Bochs in Debian {suite}")
            complaints.append(f"{suite}: {error}")
    raise HarnessError("Bochs cannot be fetched:\n" + "\n".join(complaints))


def fetch_from(suite: str, folder: Path) -> None:
    with (
        PrivateApt(suite, kinds=("deb", "deb-src")) as apt,
        tempfile.TemporaryDirectory(dir=folder.parent) as name,
    ):
        scratch = Path(name)
        tarball = apt.download_source("bochs", scratch)
        package = apt.download(apt.describe(BIOS_PACKAGE), scratch)
        shutil.copy(tarball, folder / "source.tar")
        (folder / "bios").write_bytes(file_of(package, BIOS_FILE))
        (folder / "version").write_text(tarball.name.removeprefix("bochs_").split(".orig")[0])


def file_of(package: Path, name: str) -> bytes:
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package],
                              stdout=subprocess.PIPE, check=True)
    return subprocess.run(["tar", "-xO", name], input=unpacked.stdout,
                          stdout=subprocess.PIPE, check=True).stdout


def is_needed(edit: Edit, version: str) -> bool:
    number = re.match(r"(\d+)\.(\d+)", version)
    if number is None:
        raise HarnessError(f"Bochs {version}: malformed version")
    return edit.fixed_in is None or (int(number[1]), int(number[2])) < edit.fixed_in


def apply(edits: Sequence[Edit], tree: Path) -> None:
    for edit in edits:
        path = tree / edit.file
        text = path.read_text(encoding="latin-1") if path.exists() else ""
        anchor = r"\s+".join(re.escape(part) for part in edit.anchor.split())
        text, found = re.subn(anchor, edit.replacement.replace("\\", r"\\"), text)
        if found != edit.count:
            raise HarnessError(
                f"this Bochs is not the one that the edit \"{edit.why}\" was made for: {edit.file} "
                f"has {edit.anchor!r} {found} times, not {edit.count}; see testbed/make/bochs_edits"
            )
        path.write_text(text, encoding="latin-1")


def build(source: Path, version: str, edits: Sequence[Edit], tree: Path) -> None:
    """All of Bochs but the program, in `tree`."""
    subprocess.run(["tar", "-xf", source / "source.tar", "--strip-components=1", "-C", tree],
                   check=True)
    apply(edits, tree)
    progress = Progress(f"building Bochs {version}")
    for _ in output_of(["./configure", *CONFIGURE], tree):
        progress.update("configuring")
    count = 0
    for line in output_of(["make", f"-j{len(os.sched_getaffinity(0))}", "parts"], tree):
        count += " -c " in line
        progress.update(f"{count} of about {max(count, OBJECTS)} objects")
    progress.done(f"{count} objects")


def link(parts: Path, folder: Path) -> None:
    """Link the program from Bochs' objects and our own."""
    with tempfile.TemporaryDirectory(prefix="kts-bochs-") as name:
        objects, program = Path(name), Path(name) / "bochs"
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        own = {SOFTTDX / "bochs": objects / "softtdx", EMULATOR: objects / "emulator"}
        for source, out in own.items():
            out.mkdir()
            run(["make", jobs, f"BOCHS={parts}", f"OUT={out}"], source)
        linked = " ".join(str(out / f"{out.name}.o") for out in own.values())
        run(["make", f"PROGRAM={program}", f"OWN={linked}", str(program)], parts)
        subprocess.run(["strip", "-o", folder / "bochs", program], check=True)


def run(command: Sequence[str], folder: Path) -> None:
    for _ in output_of(command, folder):
        pass


def output_of(command: Sequence[str], folder: Path) -> Iterator[str]:
    """Yield the output of the command line by line; its last lines are the error if it fails."""
    lines = []
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            yield line
    if process.returncode:
        raise HarnessError(f"building Bochs failed; {' '.join(command)} ended with\n"
                         + "".join(f"  {line}" for line in lines[-20:]))
