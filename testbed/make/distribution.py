# SPDX-License-Identifier: GPL-2.0-only
"""A kernel as a distribution configures it: Debian's options, KVM as modules, and TDX.

Whatever Debian builds as a module is left out, but for what the suite uses: what is built
in makes the kernel, and a virtual machine has no hardware for the rest.
"""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import kernel, source, versions
from testbed.make.apt import Package, PrivateApt
from testbed.make.cache import Cache
from testbed.make.kernel import Build

FRAGMENT = kernel.FOLDER / "distribution.config"
CONFIG = "config.amd64_none_amd64"      # in the package linux-config-X.Y, compressed
KEPT = ("EXT4_FS", "KVM", "KVM_AMD", "KVM_INTEL", "ZRAM")
MODULE = re.compile(r"^CONFIG_(\w+)=m$", re.MULTILINE)


def build(cache: Cache, version: str | None, refresh: bool) -> Path:
    """The folder with bzImage, config and lib/modules: of a version, or of the newest."""
    package = source.offered(cache, refresh, version)
    tree = source.distribution_tree(cache, refresh=False, version=version)
    wanted = config_package(package)
    folder = cache.entry("sources", f"{wanted.name}_{wanted.version}", f"fetching {wanted}",
                         lambda folder: fetch(wanted, folder))
    text = without_modules((folder / "config").read_text())
    return Build(cache, tree, [FRAGMENT], text).once().image.parent


def config_package(tree: Package) -> Package:
    """The configurations that Debian built this source with."""
    series = re.match(r"\d+\.\d+", tree.version)
    assert series is not None
    return Package(f"linux-config-{series[0]}", tree.version, 0)


def fetch(package: Package, folder: Path) -> None:
    with (
        PrivateApt(*versions.SUITES) as apt,
        tempfile.TemporaryDirectory(dir=folder.parent) as name,
    ):
        scratch = Path(name)
        archive = apt.download(package, scratch)
        subprocess.run(["dpkg-deb", "-x", archive, scratch / "content"], check=True)
        found = list(scratch.glob(f"content/usr/src/*/{CONFIG}.xz"))
        if len(found) != 1:
            raise HarnessError(f"{package} has no {CONFIG}.xz")
        with lzma.open(found[0]) as compressed, (folder / "config").open("wb") as config:
            shutil.copyfileobj(compressed, config)


def without_modules(config: str) -> str:
    """Modules off but for KEPT; Kconfig adds again what these need."""
    return MODULE.sub(lambda line: line[0] if line[1] in KEPT
                      else f"# CONFIG_{line[1]} is not set", config)
