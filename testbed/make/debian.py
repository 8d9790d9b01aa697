# SPDX-License-Identifier: GPL-2.0-only
"""A Debian root folder, as a tarball: made by mmdebstrap, from the mirror that this
machine's apt uses, and kept for a week."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import apt
from testbed.make.cache import Cache
from testbed.progress import Progress

PREFIX = "kts-debian-"
KEPT_SECONDS = 7 * 24 * 3600
HELPER = "/usr/lib/apt/apt-helper"
# The settings of `apt-config dump` that say how to reach the archive.
REACHING = re.compile(r"^Acquire::(?!IndexTargets|cdrom|Changelogs)")


class Unable(HarnessError):
    """This machine lacks something that a Debian root needs."""


@dataclass(frozen=True)
class Archive:
    """A release of Debian, and its sources."""

    suite: str
    mirror: str
    options: str        # of apt, one a line

    @property
    def sources(self) -> str:
        return f"deb {self.mirror} {self.suite} main"


def suite_of_host(os_release: str) -> str:
    """The release of this machine, from the text of /etc/os-release."""
    fields: dict[str, str] = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    if fields.get("ID") != "debian":
        raise Unable(f"this machine runs {fields.get('ID', 'an unknown system')}, not Debian: "
                     "name a release of it, as in CHECKS=fresh-trixie")
    return fields.get("VERSION_CODENAME", "testing")


def archive(suite: str) -> Archive:
    """Check that the archive can be reached."""
    targets = output("apt-get", "indextargets", "--format", apt.TARGET_FORMAT,
                     "Created-By: Packages")
    if not targets:         # apt-get update never ran
        output("apt-get", "-q", "update")
        targets = output("apt-get", "indextargets", "--format", apt.TARGET_FORMAT,
                         "Created-By: Packages")
    try:
        mirror = apt.mirror(targets)
    except HarnessError as error:
        raise Unable("no Debian archive can be reached: apt has no mirror of it") from error
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        done = subprocess.run([HELPER, "download-file", f"{mirror}dists/{suite}/InRelease",
                               f"{folder}/InRelease"], capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unable(f"no Debian archive can be reached: {mirror} {suite}: {''.join(why)}")
    options = [line for line in output("apt-config", "dump", "Acquire").splitlines()
               if REACHING.match(line)]
    return Archive(suite, mirror, "\n".join(options) + "\n")


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def tarball(cache: Cache, source: Archive, name: str, packages: Sequence[str],
            without: Sequence[str] = ()) -> Path:
    """The tarball of a root with what every Debian has, and `packages`, at most a week old.

    `without` are paths that dpkg leaves out.  A root is kept by its `name`.
    """
    folder = cache.folder / "roots" / name
    path = folder / "root.tar"
    with cache.lock(f"roots-{name}", f"making a Debian {source.suite}"):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_mtime < time.time() - KEPT_SECONDS:
            make(source, packages, without, path)
        cache.used(folder)
    return path


def make(source: Archive, packages: Sequence[str], without: Sequence[str], path: Path) -> None:
    progress = Progress(f"making a Debian {source.suite} of {len(packages)} packages and what they need")
    new = path.with_suffix(".new")
    with tempfile.NamedTemporaryFile("w", prefix=PREFIX) as options:
        options.write(source.options)
        options.flush()
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", "--format=tar",
             f"--keyring={apt.KEYRING}", f"--aptopt={options.name}",
             *(f"--dpkgopt=path-exclude={one}" for one in without), source.suite, new,
             source.sources],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
    if done.returncode:
        raise HarnessError(f"mmdebstrap failed:\n{done.stdout}")
    new.replace(path)
    progress.done()
