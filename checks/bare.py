# SPDX-License-Identifier: GPL-2.0-only
"""A bare Debian: a root folder with the packages that every Debian has, git and
ca-certificates.

Its tarball is kept in the cache (testbed/make/debian.py), and so are the packages that
were installed in such roots.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.make import debian
from testbed.make.cache import Cache
from testbed.make.debian import Archive, Unable

CONTAINER = Path(__file__).parent / "container"
SCRATCH = Path("/var/tmp")      # not in memory, as /tmp may be: a root grows to 3 GiB
PREFIX = "kts-fresh-"
ROOM_NEEDED = 6 << 30
INCLUDE = ("ca-certificates", "git")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER = "tester"
UID = 1000


def tarball(cache: Cache, source: Archive) -> Path:
    """The tarball of the bare root."""
    return debian.tarball(cache, source, source.suite, INCLUDE)


class Root:
    """A temporary root folder."""

    def __init__(self, folder: Path, mounts: Sequence[str]) -> None:
        self.folder = folder
        self._mounts = mounts

    def command(self, script: str, *, user: bool = False, folder: str = "", copy: bool = False,
                mounts: Sequence[str] = (), prepare: str = "true",
                environment: Mapping[str, str] | None = None) -> list[str]:
        """What runs a shell script in there, in the home folder of root or of an ordinary
        user, or a folder in it; `prepare` is run before, by root.  With `copy` the root stays
        as it is."""
        home = f"/home/{USER}" if user else "/root"
        who = f"setpriv --reuid={UID} --regid={UID} --clear-groups " if user else ""
        variables = {"HOME": home, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive",
                     **(environment or {})}
        # The waiting shell is process 1: it inherits orphans, and reaps them.
        return [str(CONTAINER), *(["--copy"] if copy else []), str(self.folder),
                *self._mounts, *mounts, "--", "/usr/bin/env", "-i",
                *(f"{name}={value}" for name, value in variables.items()),
                "/bin/sh", "-c", f'{prepare} && cd "$1" && {who}sh -c "$2"; exit $?', "sh",
                f"{home}/{folder}", script]


@contextmanager
def root(cache: Cache, bare: Path, mounts: Sequence[str]) -> Iterator[Root]:
    """A root folder unpacked from the tarball `bare`."""
    if shutil.disk_usage(SCRATCH).free < ROOM_NEEDED:
        raise Unable(f"{SCRATCH} has less than {ROOM_NEEDED >> 30} GiB of room")
    with folder_of_its_own(cache) as folder:
        top = folder / "root"
        top.mkdir()
        subprocess.run(["tar", "-C", top, "-xf", bare], check=True)
        settle(top)
        yield Root(top, mounts)


@contextmanager
def folder_of_its_own(cache: Cache) -> Iterator[Path]:
    with cache.lock("roots", "making a folder"):
        remove_leftovers()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SCRATCH))
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield folder
        finally:    # the lock last: while it is held, remove_leftovers() leaves the folder alone
            shutil.rmtree(folder / "root", ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def settle(top: Path) -> None:
    """What a machine has beside its packages: names of others, and an ordinary user."""
    for name in ("resolv.conf", "hosts"):
        (top / "etc" / name).unlink(missing_ok=True)
        shutil.copy(f"/etc/{name}", top / "etc" / name)
    with (top / "etc/passwd").open("a") as passwd:
        passwd.write(f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh\n")
    # The root is temporary: a crash of the machine loses nothing.
    (top / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    home = top / "home" / USER
    home.mkdir()
    shutil.chown(home, UID, UID)


def remove_leftovers() -> None:
    """Remove the folders of killed runs; their mounts ended with them."""
    for folder in SCRATCH.glob(f"{PREFIX}*"):
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
