# SPDX-License-Identifier: GPL-2.0-only
"""The root folder of a rehearsal: a Debian as a server has it, with this suite as its user
has it after `make`, and the kernel's modules.

It is an initramfs, since an emulated disk would be slower: its root file system is a
tmpfs. What a user's machine has beside: a file system on a disk, and a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.make import debian, programs
from testbed.make.cache import Cache, digest
from testbed.make.cpio import Archive

HERE = Path(__file__).parent
SUITE = "root/kvm-tdx-selftests"
KSELFTEST = "root/kselftest"    # an installed collection of the kernel's selftests
CONSOLE = "ttyS0"

PACKAGES = (
    "dbus", "iproute2", "kmod", "libbpf1", "libpam-systemd", "libtracefs1", "openssh-server", "procps",
    "python3", "python3-jinja2", "systemd", "systemd-sysv", "udev",
)
# Of no use to a machine that nobody reads on, and a third of the root.
WITHOUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")

# Of the suite's folder, what its user runs and reads.
FOLDERS = ("docs", "include", "kmod", "reports", "scripts", "testbed")
FILES = ("Makefile", "README.md", "run_tests.sh")

# systemd logs root in on the console, by PAM and into a session of its own.
LOGIN = f"""[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear %I 115200 linux
"""
PROFILE = f"""[ "$(tty)" != /dev/{CONSOLE} ] || exec /usr/local/sbin/rehearse
"""
TEXTS = {
    "etc/fstab": "", "etc/hostname": "rehearsal\n", "etc/hosts": "127.0.0.1 localhost rehearsal\n",
    f"etc/systemd/system/serial-getty@{CONSOLE}.service.d/autologin.conf": LOGIN,
    "root/.profile": PROFILE,
}


def tarball(cache: Cache) -> Path:
    """The root folder without the suite: of this machine's release, as the programs are."""
    source = debian.archive(debian.suite_of_host(Path("/etc/os-release").read_text()))
    return debian.tarball(cache, source, f"{source.suite}-rehearsal-{digest(*PACKAGES, *WITHOUT)}",
                          PACKAGES, WITHOUT)


def build(debian_root: Path, modules: Path | None, config: Path | None, kselftest: Path | None) -> bytes:
    """The archive. `modules` is lib/modules/VERSION; `kselftest` an installed collection."""
    archive = Archive()
    for name, text in TEXTS.items():
        archive.file(name, text.encode(), 0o644)
    archive.file("etc/sysctl.d/90-server.conf", (HERE / "sysctl.conf").read_bytes(), 0o644)
    archive.file("usr/local/sbin/rehearse", (HERE / "rehearse").read_bytes())
    archive.tar(debian_root)
    archive.device("dev/console", 5, 1)
    archive.link("init", "lib/systemd/systemd")
    add(archive, SUITE, suite())
    if config:
        archive.file(f"boot/{config.name}", config.read_bytes(), 0o644)
    if modules:
        add(archive, f"usr/lib/modules/{modules.name}", below(modules, modules.rglob("*")))
    if kselftest:
        add(archive, KSELFTEST, below(kselftest, kselftest.rglob("*")))
    archive.file("usr/local/sbin/fork_point", programs.FORK_POINT["/bin/fork_point"].read_bytes())
    return archive.finish()


def add(archive: Archive, folder: str, files: Iterable[tuple[str, Path]]) -> None:
    for name, path in files:
        archive.file(f"{folder}/{name}", path.read_bytes(), path.stat().st_mode & 0o777)


def below(folder: Path, paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    for path in sorted(paths):
        if path.is_file():
            yield str(path.relative_to(folder)), path


def suite() -> Iterator[tuple[str, Path]]:
    """The suite's folder: sources, and the programs with the commit they were built from."""
    root = programs.ROOT
    for name in FILES:
        yield name, root / name
    for folder in FOLDERS:
        yield from below(root, (path for path in (root / folder).rglob("*")
                                if "__pycache__" not in path.parts and "tests" not in path.parts))
    for name, path in below(programs.FOLDER, programs.FOLDER.iterdir()):
        if not path.suffix:
            yield f"build/tests/{name}", path
