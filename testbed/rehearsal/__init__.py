# SPDX-License-Identifier: GPL-2.0-only
"""What a user of hardware types, on an emulated TDX host that is as that user's machine.

Debian with systemd (root.py), a kernel with Debian's own configuration and its modules, a
TDX module whose control channel is closed, and nothing that tells the tests that the
machine is theirs: they skip and restore as on a host of others, and their results say
that it was a rehearsal. The machine boots once and is forked for each scene (scenes.py).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from reports.model import Exit
from testbed.boots import BOOTS, COMMON
from testbed.errors import HarnessError, UsageError
from testbed.machine.bochs import IPS, Bochs
from testbed.machine.emulator import Boot
from testbed.machine.forks import ForkServer
from testbed.machine.stream import Begin, End, Event, File, Output
from testbed.machine.watchdog import Limits, Watchdog
from testbed.make import bochs_build, distribution, image, ko, kselftest, source
from testbed.make.cache import Cache
from testbed.make.kernel import NO_HIBERNATION
from testbed.options import Options
from testbed.progress import Progress, say
from testbed.rehearsal import root, scenes
from testbed.rehearsal.scenes import Line
from testbed.results import new_folder

PURPOSES = ("bochs", "distribution", "fresh", "kselftest")     # of testbed/make/packages.py
BOOT_LIMIT = 900.0          # seconds until systemd has started all
SCENE_LIMIT = 8 * 3600.0    # seconds; a hang ends at SILENCE
SILENCE = 900               # seconds of the guest's time without a line


@dataclass(frozen=True)
class Kernel:
    """As a distribution's package has it."""

    image: Path
    modules: Path | None        # lib/modules/VERSION
    config: Path | None         # config-VERSION
    origin: str


def run(options: Options, cache: Cache, times: int = 1) -> int:
    """Boot once, play the scenes; the exit status of the worst."""
    wanted = options.scenes or tuple(scenes.SCENES)
    with tempfile.TemporaryDirectory(prefix="kts-rehearsal-") as name:
        work = Path(name)
        server = boot(options, cache, scenes.KSELFTEST in wanted, work)
        # The server goes first: its end is that of the scenes, also when this is interrupted.
        with ThreadPoolExecutor(options.jobs) as pool, contextlib.closing(server):
            folder = new_folder(options.out)
            wait_for(server, folder)
            played = list(pool.map(
                lambda scene: play(server, scene, scenes.lines(scene, options, times), folder / scene),
                wanted))
    say("\n" + "\n".join(played_line(scene, one) for scene, one in zip(wanted, played)))
    say(f"results of the rehearsal: {folder}")
    return max((one.status for one in played), key=severity)


def severity(status: int) -> int:
    """A harness error hides more than a failure, and that more than skipped cases."""
    order = [0, Exit.SKIPPED, Exit.FAILED]
    return order.index(status) if status in order else len(order)


def boot(options: Options, cache: Cache, with_kselftest: bool, work: Path) -> ForkServer:
    tested = kernel(options, cache, work)
    emulator = Bochs(bochs_build.provide(cache, options.bochs), work, control=False)
    installed = None
    if with_kselftest:
        installed = kselftest.pack(source.distribution_tree(cache, refresh=False).path, work)
    archive = work / "root.cpio"
    archive.write_bytes(root.build(root.tarball(cache), tested.modules, tested.config, installed))
    shape = BOOTS["tdx"]
    machine = Boot(tested.image, archive, shape.cpus,
                   f"console={root.CONSOLE} panic=-1 {COMMON} {emulator.cmdline} {NO_HIBERNATION} "
                   f"{options.backports}".strip(), shape.ept_levels, options.seed)
    beside = f", {options.neighbours} other VMs" if options.neighbours else ""
    say(f"rehearsal: {tested.origin}, {archive.stat().st_size >> 20} MiB of Debian with systemd, "
        f"{emulator.name}, {shape.cpus} CPUs{beside}")
    return ForkServer(emulator.command(machine, os.devnull), BOOT_LIMIT)


def kernel(options: Options, cache: Cache, work: Path) -> Kernel:
    """The image of --kernel with its modules, or a version as Debian configures it."""
    if isinstance(options.kernel, Path):
        if not options.kernel.is_file():
            raise UsageError("--profile rehearsal: --kernel takes an image and its --modules, or a version")
        given = image.read(options.kernel, options.modules)
        config = None
        if given.config:
            config = work / f"config-{given.version}"
            config.write_text(given.config)
        modules = ko.Folder(options.modules, given.version).path if options.modules else None
        return Kernel(given.path, modules, config, f"image {given.path}")
    built = distribution.build(cache, options.kernel, options.refresh_kernel)
    (modules,) = (built / "lib/modules").iterdir()
    config = work / f"config-{modules.name}"
    config.write_bytes((built / "config").read_bytes())
    return Kernel(built / "bzImage", modules, config, f"Linux {modules.name}, configured as Debian's")


def wait_for(server: ForkServer, folder: Path) -> None:
    progress = Progress("booting it up to root's login")
    failure = server.failure()
    (folder / "boot.log").write_bytes(server.console)
    if failure:
        raise HarnessError(f"the emulated host: {failure.kind}: {failure.detail}; see {folder}/boot.log")
    progress.done()


# A scene.


@dataclass(frozen=True)
class Played:
    status: int         # of run_tests.sh, or ERROR
    remarks: Sequence[str]
    seconds: float


def played_line(scene: str, played: Played) -> str:
    return f"{scene:10} exit status {played.status}, {played.seconds:.0f} s" + "".join(
        f"\n{'':10} {remark}" for remark in played.remarks)


def play(server: ForkServer, scene: str, typed: Sequence[Line], folder: Path) -> Played:
    """Type the lines in a fork of the machine; what comes back goes to `folder`."""
    folder.mkdir()
    begin = time.monotonic()
    seen = Seen(scene, typed)
    limits = replace(Limits(), step=SCENE_LIMIT)        # the inner suite watches each case
    outcome = server.run("".join(line.text + "\n" for line in typed), SILENCE * IPS,
                         Watchdog(limits, SCENE_LIMIT, begin), seen, folder / "console.log")
    remarks = seen.remarks()
    if outcome.kind != "ok":
        remarks.append(f"{outcome.kind}: {outcome.detail}; see {folder}/console.log")
    elif seen.archive:
        unpack(seen.archive, folder)
    status = Exit.ERROR if remarks else seen.status()
    return Played(status, remarks, time.monotonic() - begin)


class Seen:
    """The output of a scene: lines to show, and what the machine sends at its end."""

    def __init__(self, scene: str, typed: Sequence[Line]) -> None:
        self.archive = b""
        self._scene = scene
        self._typed = typed
        self._ends: list[int] = []

    def __call__(self, event: Event) -> None:
        match event:
            case Begin():
                self._say(f"# {self._typed[len(self._ends)].text}")
            case Output(data):
                self._say(data.decode(errors="replace").rstrip())
            case End(_, status):
                self._ends.append(status)
            case File("out", data):
                self.archive = data

    def _say(self, text: str) -> None:
        say(f"{self._scene}: {text}")

    def status(self) -> int:
        """The worst one of the lines that test."""
        return max((end for line, end in zip(self._typed, self._ends) if not line.ends), key=severity)

    def remarks(self) -> list[str]:
        """What did not end as it should."""
        wrong = [f"ended with {end}: {line.text}" for line, end in zip(self._typed, self._ends)
                 if line.ends and end not in line.ends]
        return wrong + [f"did not end: {line.text}" for line in self._typed[len(self._ends):]]


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack what the machine sent: the results of its last run, the certificate, and the
    results of earlier runs into the folder "before"."""
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(b"".join(archive.split()), validate=True))) as tar:
            links = [member.linkname for member in tar.getmembers() if member.name == "./results/latest"]
            for member in tar.getmembers():
                parts = Path(member.name).parts
                if not member.isfile() or ".." in parts:
                    continue
                if parts[0] == "results":
                    parts = parts[2:] if parts[1:2] == tuple(links) else ("before", *parts[1:])
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                assert content is not None
                target.write_bytes(content.read())
    except (tarfile.TarError, binascii.Error, EOFError, OSError) as error:
        raise HarnessError(f"the results of the rehearsal did not arrive whole: {error}") from error
