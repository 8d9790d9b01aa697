# SPDX-License-Identifier: GPL-2.0-only
"""The kernel image under test: built out of tree, once, or taken as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import KernelError
from testbed.make import gcov, given, source
from testbed.make.cache import Cache, digest, tools
from testbed.make.kconfig import dropped, options
from testbed.make.source import Source
from testbed.progress import Progress, say
from testbed.steps import is_object, telling

FOLDER = Path(__file__).parent / "config"
BASE = FOLDER / "base.config"
GUEST = FOLDER / "guest.config"
# Kernels that check or measure themselves (--debug-kernel): a fragment each, debug-NAME.config,
# and what it needs on the command line of each boot.
RACES = "races"     # the one for --explore
DEBUG = {"memory": "page_poison=1 page_owner=on kasan_multi_shot", "locks": "", RACES: "",
         "coverage": ""}
# What kbuild needs besides.
MAKE = {"coverage": gcov.OPTIONS}

SUITE = Path(__file__).parents[2]
KMOD_SOURCES = (*sorted((SUITE / "kmod").glob("*")), SUITE / "include/uapi/kvm_hold.h",
                SUITE / "include/uapi/tdx_view.h")
MODULES = ("kvm_hold.ko", "tdx_view.ko")

# Linux initializes no TDX module where it may hibernate: private memory would not survive.
NO_HIBERNATION = "nohibernate"

IMAGE = "arch/x86/boot/bzImage"
OBJECTS = 1200    # rough number of objects, for the progress display


@dataclass(frozen=True)
class Kernel:
    image: Path
    origin: str
    config_hash: str = ""
    dropped: tuple[str, ...] = ()    # wanted options that Kconfig dropped
    # Of kmod/, where KVM has TDX, and KVM's where it is not built in; in the order of loading.
    modules: tuple[Path, ...] = ()
    cmdline: str = ""
    boots_slowly: bool = False       # as a distribution's does, in an emulator
    tree: Path | None = None         # the build tree; None: an image that somebody built


def fragments(debug: str) -> list[Path]:
    """What the configuration is made of, for a kernel of this name in DEBUG or for none."""
    return [BASE, FOLDER / f"debug-{debug}.config"] if debug else [BASE]


def provide(
    cache: Cache, wanted: Path | str | None, debug: str, refresh: bool, work: Path,
    modules: Path | None = None, emulators: Collection[str] = (),
) -> Kernel:
    """The kernel of --kernel, a text being a version; `work` is the run's own folder.

    `debug` is in DEBUG, or empty. An image comes with its `modules`, and with what `emulators`
    are to boot it.
    """
    if isinstance(wanted, Path) and wanted.is_file():
        return ready_made(wanted, modules, emulators, work)
    tree = sources(cache, wanted, refresh)
    build = Build(cache, tree, fragments(debug), make=MAKE.get(debug, ()))
    return build.once() if tree.fixed else build.again(work)


def sources(cache: Cache, wanted: Path | str | None, refresh: bool) -> Source:
    if isinstance(wanted, Path):
        return source.user_tree(wanted)
    return source.distribution_tree(cache, refresh, wanted)


def provide_guest(cache: Cache, wanted: Path | str | None, work: Path) -> Path | None:
    """The image of a kernel for TDs, from the sources of --kernel; none if that is an image."""
    if isinstance(wanted, Path) and wanted.is_file():
        return None
    tree = sources(cache, wanted, refresh=False)
    build = Build(cache, tree, [GUEST])
    if tree.fixed:
        return build.once().image
    (work / "guest").mkdir()
    return build.again(work / "guest").image


def ready_made(path: Path, modules: Path | None, emulators: Collection[str], work: Path) -> Kernel:
    """The image of --kernel FILE and what it needs of --modules DIR."""
    taken = given.take(path, modules, emulators, work)
    config = taken.image.config
    return Kernel(taken.image.path, f"image {taken.image.path}", digest(config) if config else "",
                  modules=taken.modules, cmdline=NO_HIBERNATION, boots_slowly=True)


def compiler() -> str:
    return tools("gcc", "ld")


def write(path: Path, content: bytes) -> None:
    """Write the file only if it differs: make goes by its time."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


class Build:
    """A source, a configuration and a compiler, and the folder in the cache where they build.

    The build tree is kept, also for other configurations of the same source:
    the next build is an incremental one, and modules out of tree need it.
    """

    def __init__(self, cache: Cache, tree: Source, fragments: Sequence[Path],
                 whole: str = "", make: Sequence[str] = ()) -> None:
        """`whole` is a configuration that the fragments change; without it what they do not
        name is off. `make`: more arguments of kbuild."""
        self._cache = cache
        self._source = tree
        self._whole = whole
        self._options = make
        self._fragment = "".join(path.read_text() for path in fragments)
        self.key = digest(tree.identity, self._fragment, compiler(),
                          *(path.read_text() for path in KMOD_SOURCES), *filter(None, [whole]),
                          *make)
        self._tree_key = digest(tree.identity, compiler(), *(path.name for path in fragments))
        self._folder = cache.folder / "builds" / self._tree_key
        self._tree = self._folder / "tree"
        self._log = self._folder / "build.log"

    @property
    def tree(self) -> Path:
        """The build tree: objects, and the commands that made them."""
        return self._tree

    @property
    def log(self) -> str:
        """What the last build said."""
        return self._log.read_text(errors="replace")

    def once(self) -> Kernel:
        """The image of a source that never changes: from the cache, or built."""
        folder = self._cache.entry("kernels", self.key, "building the kernel", self._publish)
        self._cache.used(self._folder)
        return self._kernel(folder)

    def again(self, work: Path) -> Kernel:
        """The image of a source that may have changed: an incremental build."""
        self._publish(work)
        return self._kernel(work)

    def update(self, modules: Sequence[Path], folder: Path) -> tuple[Path, ...]:
        """Modules of a kernel that `again` built, brought up to date and copied to `folder`."""
        with self._cache.lock(f"builds-{self._tree_key}", "building the modules"):
            self._make(f"-j{len(os.sched_getaffinity(0))}", *map(str, modules))
            return tuple(Path(shutil.copy(self._tree / path, folder)) for path in modules)

    def _publish(self, folder: Path) -> None:
        with self._cache.lock(f"builds-{self._tree_key}", "building the kernel"):
            self._make_image()
            shutil.copy(self._tree / IMAGE, folder / "bzImage")
            shutil.copy(self._tree / ".config", folder / "config")
            final = options((folder / "config").read_text())
            if final.get("CONFIG_KVM") in ("y", "m"):
                self._make_our_modules(folder)
            if self._whole:     # as a distribution's package has them: in lib/modules
                for which in ((), (f"M={self._folder / 'modules/kmod'}",)):
                    self._make(*which, "modules_install", f"INSTALL_MOD_PATH={folder}")

    def _kernel(self, folder: Path) -> Kernel:
        config = (folder / "config").read_text()
        modules = tuple(folder / name for name in MODULES if (folder / name).exists())
        return Kernel(folder / "bzImage", self._source.identity, digest(config),
                      dropped(self._fragment, config), modules, tree=self._tree)

    def _make_image(self) -> None:
        self._tree.mkdir(parents=True, exist_ok=True)
        self._cache.used(self._folder)
        self._log.write_bytes(b"")
        self._configure()
        config = (self._tree / ".config").read_text()
        for option in dropped(self._fragment, config):
            say(f"Kconfig dropped {option}")
        fresh = not (self._tree / "vmlinux").exists()
        progress = Progress(f"building the kernel of {self._source.identity}")
        modules = ["modules"] if options(config).get("CONFIG_MODULES") == "y" else []
        count = self._make(f"-j{len(os.sched_getaffinity(0))}", "bzImage", *modules,
                           progress=progress, expected=OBJECTS if fresh else None)
        progress.done(f"{count} objects")

    def _configure(self) -> None:
        if self._whole:
            (self._tree / ".config").write_text(self._whole + self._fragment)
            self._make("-s", "olddefconfig")
            return
        fragment = self._folder / "fragment.config"
        fragment.write_text(self._fragment)
        self._make("-s", f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")

    def _make_our_modules(self, folder: Path) -> None:
        """Those of kmod/ that this kernel can have.

        From a copy: kbuild before 6.13 leaves its output beside the sources.
        """
        copy = self._folder / "modules"
        for path in KMOD_SOURCES:
            target = copy / path.relative_to(SUITE)
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target, path.read_bytes())
        self._make(f"M={copy / 'kmod'}", "modules")
        for line in (copy / "kmod/modules.order").read_text().splitlines():
            shutil.copy(copy / "kmod" / f"{Path(line).stem}.ko", folder)

    def _make(
        self, *arguments: str, progress: Progress | None = None, expected: int | None = None
    ) -> int:
        """Run kbuild, its output in the log; the number of compiled objects."""
        command = ["make", "-C", str(self._source.path), f"O={self._tree}", *self._options, *arguments]
        count = 0
        with self._log.open("a") as log, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env=os.environ | {"LC_ALL": "C"},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                count += is_object(line)
                if progress:
                    of = f" of about {max(expected, count)}" if expected else ""
                    progress.update(f"{count}{of} objects")
        if process.returncode:
            raise KernelError(f"building the kernel failed; the end of {self._log}:\n{self._tail()}")
        return count

    def _tail(self) -> str:
        """The last lines of the log, without those of compiled objects."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in telling(lines)[-20:])
