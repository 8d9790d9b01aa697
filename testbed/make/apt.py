# SPDX-License-Identifier: GPL-2.0-only
"""Debian's archive, asked through a private apt root.

Neither the user's apt configuration nor apt's own state changes, and an older
Debian still gets what a newer suite has.  Which mirror to ask is what the
user's configuration says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.progress import Progress

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

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

TARGET_FORMAT = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def mirror(targets: str) -> str:
    """The Debian mirror in the output of `apt-get indextargets` (see TARGET_FORMAT)."""
    for line in targets.splitlines():
        origin, component, release, uri = line.split("|")
        if origin == "Debian" and component == "main" and "-security" not in release:
            return uri
    raise HarnessError(
        "the apt configuration names no Debian mirror (or `apt-get update` never ran), so there "
        "are no sources to fetch; a kernel can be given: --kernel DIR or --kernel bzImage"
    )


def binaries(text: str, mirror_uri: str) -> Iterator[tuple[Package, str]]:
    """The packages in the output of `apt-cache show`, each with the URI of its file."""
    for record in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Size|Filename): (\S+)$", record, re.MULTILINE))
        if fields:
            yield (Package(fields["Package"], fields["Version"], int(fields["Size"])),
                   mirror_uri + fields.get("Filename", ""))


def sources(text: str, mirror_uri: str) -> Iterator[tuple[Package, str]]:
    """The upstream tarballs in the output of `apt-cache showsrc`."""
    for record in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Directory): (\S+)$", record, re.MULTILINE))
        tarball = re.search(r"^ \w+ (\d+) (\S+\.orig\.tar\.\w+)$", record, re.MULTILINE)
        if fields and tarball:
            yield (Package(fields["Package"], fields["Version"], int(tarball[1])),
                   f"{mirror_uri}{fields['Directory']}/{tarball[2]}")


class PrivateApt:
    """apt with its own sources, state and caches, in a temporary folder."""

    def __init__(self, *suites: str, kinds: Sequence[str] = ("deb",)) -> None:
        self._suites = suites
        self._kinds = kinds    # of packages: deb, deb-src

    def __enter__(self) -> PrivateApt:
        self._folder = tempfile.TemporaryDirectory(prefix="kts-apt-")
        root = Path(self._folder.name)
        root.chmod(0o755)    # apt fetches as the user _apt
        for name in ("etc", "state/lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        (root / "apt.conf").write_text(APT_CONF.format(root=root))
        self._mirror = mirror(_output("apt-get", "indextargets", "--format", TARGET_FORMAT,
                                      "Created-By: Packages"))
        (root / "etc/sources.list").write_text("".join(
            f"{kind} [signed-by={KEYRING}] {self._mirror} {suite} main\n"
            for kind in self._kinds for suite in self._suites
        ))
        self._config = ("-c", str(root / "apt.conf"))
        _output("apt-get", *self._config, "-q", "update")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def search(self, names: str) -> str:
        """The packages whose names match the regular expression."""
        return _output("apt-cache", *self._config, "search", "--names-only", names)

    def describe(self, name: str) -> Package:
        text = _output("apt-cache", *self._config, "show", "--no-all-versions", name)
        return next(binaries(text, self._mirror))[0]

    def all_versions(self, names: Sequence[str]) -> Iterator[tuple[Package, str]]:
        """Every version of these packages, with the URI of its file."""
        if names:
            yield from binaries(_output("apt-cache", *self._config, "show", *names), self._mirror)

    def all_sources(self, name: str) -> Iterator[tuple[Package, str]]:
        """Every version of the source package, with the URI of its upstream tarball."""
        text = _output("apt-cache", *self._config, "showsrc", "--only-source", name)
        yield from sources(text, self._mirror)

    def download(self, package: Package, folder: Path) -> Path:
        name = f"{package.name}={package.version}"
        return self._fetch(package, ["download", name], folder, "*.deb", package.size)

    def download_source(self, source: Package | str, folder: Path) -> Path:
        """The upstream tarball of the source package, without Debian's changes."""
        name = f"{source.name}={source.version}" if isinstance(source, Package) else source
        size = source.size if isinstance(source, Package) else 0
        command = ["source", "--download-only", "--tar-only", name]
        return self._fetch(f"the source of {source}", command, folder, "*.orig.tar.*", size)

    def _fetch(
        self, what: object, command: Sequence[str], folder: Path, pattern: str, size: int = 0
    ) -> Path:
        progress = Progress(f"fetching {what}")
        if os.geteuid() == 0:
            shutil.chown(folder, "_apt")
        process = subprocess.Popen(
            ["apt-get", *self._config, "-q", *command], cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        of = f" of {size >> 20}" if size else ""
        while process.poll() is None:
            got = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            progress.update(f"{got >> 20}{of} MB")
            time.sleep(0.2)
        output, _ = process.communicate()
        archives = list(folder.glob(pattern))
        if process.returncode or not archives:
            raise HarnessError(f"could not fetch {what}:\n{output.strip()}")
        progress.done()
        return archives[0]


def _output(*command: str) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
