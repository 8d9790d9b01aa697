# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel under test comes from: Debian's source package, or a tree.

The package index is asked through a private apt root, so neither the user's apt
configuration nor apt's own state changes, and an older Debian still gets the
newest kernel.  Which mirror to ask is what the user's configuration says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.cache import Cache
from testbed.errors import BenchError, UsageError
from testbed.progress import Progress, say

SUITE = "testing"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ROOM_NEEDED = 4 << 30    # source, build tree and image, in bytes

APT_CONF = """\
// The user's hooks belong to the user's apt.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Dir::Etc "{root}/etc";
Dir::Etc::sourcelist "{root}/etc/sources.list";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
"""


@dataclass(frozen=True)
class Source:
    """A kernel tree that is only read.  `fixed`: its content never changes."""

    path: Path
    identity: str
    fixed: bool


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def user_tree(folder: Path) -> Source:
    """The tree of --kernel DIR."""
    path = folder.resolve()
    if not (path / "arch/x86/kvm").is_dir() or not (path / "Kbuild").is_file():
        raise UsageError(f"--kernel: {folder} is no kernel source tree")
    if (path / ".config").exists() or (path / "include/config").exists():
        image = path / "arch/x86/boot/bzImage"
        raise BenchError(
            f"{path} was configured or built in place, and kbuild then refuses to build elsewhere.\n"
            f"Save its .config and clean it: make -C {path} mrproper\n"
            f"or run the kernel that it holds: --kernel {image}"
        )
    return Source(path, f"tree {path}", fixed=False)


def distribution_tree(cache: Cache, refresh: bool) -> Source:
    """The newest kernel source that Debian offers, unpacked in the cache."""
    package = offered(cache, refresh)
    key = f"{package.name}_{package.version}"
    path = cache.entry(
        "sources", key, f"fetching {package}", lambda folder: fetch(package, folder)
    )
    return Source(path, str(package), fixed=True)


def offered(cache: Cache, refresh: bool) -> Package:
    """What the package index named newest when it was asked last."""
    answer = cache.folder / "offered.json"
    with cache.lock("offered", "asking for the newest kernel source"):
        if refresh or not answer.exists():
            say(f"asking Debian {SUITE} for its newest kernel source")
            with PrivateApt() as apt:
                package = apt.newest()
            fresh = answer.with_suffix(".new")
            fresh.write_text(json.dumps(vars(package)))
            fresh.rename(answer)
        return Package(**json.loads(answer.read_text()))


def fetch(package: Package, folder: Path) -> None:
    if shutil.disk_usage(folder).free < ROOM_NEEDED:
        raise BenchError(f"the kernel needs {ROOM_NEEDED >> 30} GiB of disk space in {folder.parent}")
    with PrivateApt() as apt, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = apt.download(package, Path(scratch))
        unpack(package, archive, folder)


def unpack(package: Package, archive: Path, folder: Path) -> None:
    """The source tarball inside the package, straight into `folder`."""
    progress = Progress(f"unpacking {package}")
    steps: list[Sequence[str]] = [
        ["dpkg-deb", "--fsys-tarfile", str(archive)],
        ["tar", "-xO", f"./usr/src/{package.name}.tar.xz"],
        ["tar", "-xJ", "--strip-components=1", "-C", str(folder)],
    ]
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
        raise BenchError(f"could not unpack {archive.name}")
    progress.done()


def mirror(targets: str) -> str:
    """The Debian mirror in what `apt-get indextargets` says (see TARGET_FORMAT)."""
    for line in targets.splitlines():
        origin, component, release, uri = line.split("|")
        if origin == "Debian" and component == "main" and "-security" not in release:
            return uri
    raise BenchError(
        "the apt configuration names no Debian mirror (or `apt-get update` never ran), so there "
        "is no kernel source to fetch; give one: --kernel DIR or --kernel bzImage"
    )


TARGET_FORMAT = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)"


class PrivateApt:
    """apt with sources, state and caches of its own, in a folder that goes away."""

    def __enter__(self) -> PrivateApt:
        self._folder = tempfile.TemporaryDirectory(prefix="kts-apt-")
        root = Path(self._folder.name)
        root.chmod(0o755)    # apt fetches as a user of its own
        for name in ("etc", "state/lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        (root / "apt.conf").write_text(APT_CONF.format(root=root))
        uri = mirror(_output("apt-get", "indextargets", "--format", TARGET_FORMAT,
                             "Created-By: Packages"))
        line = f"deb [signed-by={KEYRING}] {uri} {SUITE} main\n"
        (root / "etc/sources.list").write_text(line)
        self._config = ("-c", str(root / "apt.conf"))
        _output("apt-get", *self._config, "-q", "update")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def newest(self) -> Package:
        listing = _output("apt-cache", *self._config, "search", "--names-only",
                          r"^linux-source-[0-9]+\.[0-9]+$")
        names = re.findall(r"^linux-source-(\d+)\.(\d+) ", listing, re.MULTILINE)
        if not names:
            raise BenchError(f"Debian {SUITE} offers no linux-source package")
        major, minor = max((int(major), int(minor)) for major, minor in names)
        return self._describe(f"linux-source-{major}.{minor}")

    def _describe(self, name: str) -> Package:
        text = _output("apt-cache", *self._config, "show", "--no-all-versions", name)
        fields = dict(re.findall(r"^(Version|Size): (\S+)$", text, re.MULTILINE))
        return Package(name, fields["Version"], int(fields["Size"]))

    def download(self, package: Package, folder: Path) -> Path:
        progress = Progress(f"fetching {package}")
        if os.geteuid() == 0:
            shutil.chown(folder, "_apt")
        process = subprocess.Popen(
            ["apt-get", *self._config, "-q", "download", f"{package.name}={package.version}"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        while process.poll() is None:
            got = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            progress.update(f"{got >> 20} of {package.size >> 20} MB")
            time.sleep(0.2)
        output, _ = process.communicate()
        archives = list(folder.glob("*.deb"))
        if process.returncode or not archives:
            raise BenchError(f"could not fetch {package} (--refresh-kernel asks for a newer one):\n"
                             f"{output.strip()}")
        progress.done()
        return archives[0]


def _output(*command: str) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
