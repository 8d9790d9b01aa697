# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel under test comes from: Debian's source package, or a tree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError, UsageError
from testbed.make import versions
from testbed.make.apt import Package, PrivateApt
from testbed.make.cache import Cache
from testbed.progress import Progress, say

SUITE = "testing"
ROOM_NEEDED = 4 << 30    # of source, build tree and image, in bytes


@dataclass(frozen=True)
class Source:
    """A kernel tree, read only.  `fixed`: its content never changes."""

    path: Path
    identity: str
    fixed: bool


def user_tree(folder: Path) -> Source:
    """The tree of --kernel DIR."""
    path = folder.resolve()
    if not (path / "arch/x86/kvm").is_dir() or not (path / "Kbuild").is_file():
        raise UsageError(f"--kernel: {folder} is not a kernel source tree")
    if (path / ".config").exists() or (path / "include/config").exists():
        image = path / "arch/x86/boot/bzImage"
        raise HarnessError(
            f"{path} was configured or built in place, and kbuild then refuses to build elsewhere.\n"
            f"Save its .config and clean it: make -C {path} mrproper\n"
            f"or run the kernel that it holds: --kernel {image}"
        )
    return Source(path, f"tree {path}", fixed=False)


def distribution_tree(cache: Cache, refresh: bool, version: str | None = None) -> Source:
    """The kernel source of Debian, by default the newest one, unpacked in the cache."""
    package = offered(cache, refresh, version)
    key = f"{package.name}_{package.version}"
    path = cache.entry(
        "sources", key, f"fetching {package}", lambda folder: fetch(package, folder)
    )
    return Source(path, str(package), fixed=True)


def offered(cache: Cache, refresh: bool, version: str | None = None) -> Package:
    """The package in the cached index: the newest, or that of a version."""
    answer = cache.folder / (f"offered-{version}.json" if version else "offered.json")
    with cache.lock("offered", "looking up a kernel source in Debian"):
        if refresh or not answer.exists():
            package = versions.find(version) if version else newest()
            fresh = answer.with_suffix(".new")
            fresh.write_text(json.dumps(vars(package)))
            fresh.rename(answer)
        return Package(**json.loads(answer.read_text()))


def newest() -> Package:
    say(f"looking up the newest kernel source in Debian {SUITE}")
    with PrivateApt(SUITE) as apt:
        listing = apt.search(r"^linux-source-[0-9]+\.[0-9]+$")
        names = re.findall(r"^linux-source-(\d+)\.(\d+) ", listing, re.MULTILINE)
        if not names:
            raise HarnessError(f"Debian {SUITE} offers no linux-source package")
        major, minor = max((int(major), int(minor)) for major, minor in names)
        return apt.describe(f"linux-source-{major}.{minor}")


def fetch(package: Package, folder: Path) -> None:
    if shutil.disk_usage(folder).free < ROOM_NEEDED:
        raise HarnessError("not enough disk space: the kernel needs "
                           f"{ROOM_NEEDED >> 30} GiB in {folder.parent}")
    with (
        PrivateApt(*versions.SUITES, kinds=("deb", "deb-src")) as apt,
        tempfile.TemporaryDirectory(dir=folder.parent) as scratch,
    ):
        try:
            if package.name == versions.SOURCE:
                archive = apt.download_source(package, Path(scratch))
            else:
                archive = apt.download(package, Path(scratch))
        except HarnessError as error:
            raise HarnessError(f"{error}\n--refresh-kernel looks for a newer one") from error
        unpack(package, archive, folder)


def unpack(package: Package, archive: Path, folder: Path) -> None:
    """The source tarball, or the one inside of the package, straight into `folder`."""
    progress = Progress(f"unpacking {package}")
    steps: list[Sequence[str]] = [["cat", str(archive)]]
    if package.name != versions.SOURCE:
        steps = [
            ["dpkg-deb", "--fsys-tarfile", str(archive)],
            ["tar", "-xO", f"./usr/src/{package.name}.tar.xz"],
        ]
    steps.append(["tar", "-xJ", "--strip-components=1", "-C", str(folder)])
    processes: list[subprocess.Popen[bytes]] = []
    for step in steps:
        stdin = processes[-1].stdout if processes else None
        stdout = None if step is steps[-1] else subprocess.PIPE
        processes.append(subprocess.Popen(step, stdin=stdin, stdout=stdout))
        if stdin:
            stdin.close()
    while processes[-1].poll() is None:
        progress.update("about 30 s")
        time.sleep(0.2)
    if any(process.wait() for process in processes):
        raise HarnessError(f"could not unpack {archive.name}")
    progress.done()
