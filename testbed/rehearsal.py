# SPDX-License-Identifier: GPL-2.0-only
"""What a user of hardware types, on an emulated TDX host: `run_tests.sh --on native` in it.

The emulated host has this suite, Python and the test programs, none of our modules, and
nothing tells the tests that the machine is theirs: they skip and restore as on a host of
others, and their results say that it was a rehearsal.

A first step: its root folder is the testbed's (busybox) and its kernel has the testbed's
configuration.  No distribution's root, init, sysctls or modules are in it.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import py_compile
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import cache_from_source
from pathlib import Path

from testbed.boots import BOOTS, COMMON
from testbed.errors import HarnessError
from testbed.machine import initramfs
from testbed.machine.bochs import Bochs
from testbed.machine.emulator import Boot, run_boot
from testbed.machine.stream import End, Event, Output
from testbed.machine.watchdog import SLOW_BOOT, Limits, Watchdog
from testbed.make import bochs_build, kernel, programs
from testbed.make.cache import Cache
from testbed.options import Options
from testbed.progress import say
from testbed.results import new_folder

NAME = "rehearsal"
SUITE = "/suite"
NEIGHBOURS = ("tdx", "default")     # by turns: VM types
MARK = b"results, in base64:\n"
MODULES = ("testbed", "reports", "jinja2", "markupsafe")
RESOURCES = (".py", ".j2", ".css", ".toml", ".sh")
# Modules that Python loads on demand: no import names them.
BESIDE = ("encodings.ascii", "encodings.latin_1", "encodings.idna", "encodings.unicode_escape",
          "encodings.raw_unicode_escape")
LIST = """\
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue        # without jinja2 there is no report.html
    for inner in pkgutil.walk_packages(getattr(module, "__path__", ()), name + "."):
        if ".tests" not in inner.name and not inner.name.endswith("__main__"):
            try:
                importlib.import_module(inner.name)
            except ImportError:
                pass
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
"""
SCRIPT = """\
#!/bin/sh
unset KTS_TESTBED KTS_GUEST_KERNEL
export KTS_REHEARSAL=1 PATH=/usr/bin:/bin
cd {suite} || exit 3
{neighbours}
# Through a pipe: no terminal, no colours.
{{ ./run_tests.sh --on native --out /tmp/out {arguments}; echo $? >/tmp/status; }} 2>&1 | cat
read -r status </tmp/status
[ -e /tmp/out/latest ] || exit $status
printf '\\n{mark}'
tar -C /tmp/out -c . | gzip | base64
exit $status
"""


def run(options: Options, cache: Cache, times: int = 1) -> int:
    """Boot once, run the suite so often; its exit status."""
    with tempfile.TemporaryDirectory(prefix="kts-rehearsal-") as work:
        return _run(options, cache, times, Path(work))


def _run(options: Options, cache: Cache, times: int, work: Path) -> int:
    built = kernel.provide(cache, options.kernel, options.debug_kernel, options.refresh_kernel, work,
                           options.modules, ["bochs"])
    emulator = Bochs(bochs_build.provide(cache, options.bochs), work, control=False)
    archive = work / "rehearsal.cpio"
    theirs = [path for path in built.modules if path.name not in kernel.MODULES]
    archive.write_bytes(root(arguments(options, times), theirs, options.neighbours, work))
    config = BOOTS["tdx"]
    machine = Boot(built.image, archive, config.cpus,
                   f"console=ttyS0 panic=-1 quiet {COMMON} {emulator.cmdline} {built.cmdline}".strip(),
                   config.ept_levels, options.seed)
    beside = f", {options.neighbours} other VMs" if options.neighbours else ""
    say(f"rehearsal: {built.origin}, {emulator.name}, {config.cpus} CPUs{beside}, {SUITE}/run_tests.sh in it")
    seen = Seen()
    # The inner suite watches each case.
    limits = replace(Limits(boot=SLOW_BOOT) if built.boots_slowly else Limits(), step=1800)
    outcome = run_boot(emulator, machine, Watchdog(limits, 8 * 3600, time.monotonic()), seen,
                       work / "console.log")
    folder = new_folder(options.out)
    (folder / "console.log").write_bytes((work / "console.log").read_bytes())
    if outcome.kind != "ok" or seen.status is None:
        raise HarnessError(f"the emulated host: {outcome.kind}: {outcome.detail}; see {folder}/console.log")
    if not seen.archive:        # for example wrong usage: the message was shown
        return seen.status
    unpack(seen.archive, folder)
    say(f"results of the rehearsal: {folder}")
    return seen.status


def arguments(options: Options, times: int = 1) -> list[str]:
    """The options of run_tests.sh in the emulated host, beside --on native."""
    found = ["--seed", f"{options.seed:#x}"]
    found += ["--repeat", str(times)] if times > 1 else []
    for pattern in options.patterns:
        found += ["--tests", ":".join(filter(None, (pattern.test, pattern.case)))]
    switches = {"--nightly": options.nightly, "--allow-host-wide": options.allow_host_wide,
                "--fail-fast": options.fail_fast, "--verbose": options.verbose}
    return found + [switch for switch, on in switches.items() if on]


class Seen:
    """The output of the emulated host: lines to show, then the results."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.archive = b""
        self._in_archive = False

    def __call__(self, event: Event) -> None:
        match event:
            case Output(data) if self._in_archive:
                self.archive += data.strip()
            case Output(data) if data == MARK:
                self._in_archive = True
            case Output(data):
                say("  " + data.decode(errors="replace").rstrip())
            case End(test, status) if test == NAME:
                self.status = status


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack the results of the emulated host; of several runs the last one.

    The earlier ones come into the folder "before".
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive, validate=True))) as tar:
            latest = Path(tar.getmember("./latest").linkname).parts
            for member in tar.getmembers():
                name = Path(member.name)
                if member.isfile() and ".." not in name.parts:
                    inner = name.parts[1:] if name.parts[:1] == latest else ("before", *name.parts)
                    target = folder.joinpath(*inner)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content = tar.extractfile(member)
                    assert content is not None
                    target.write_bytes(content.read())
    except (tarfile.TarError, binascii.Error, EOFError, OSError, KeyError) as error:
        raise HarnessError(f"the results of the rehearsal did not arrive whole: {error}") from error


def root(typed: Sequence[str], modules: Sequence[Path], neighbours: int, work: Path) -> bytes:
    """The root file system: the testbed's, with the kernel's modules, Python and this suite."""
    script = work / NAME
    busy = "\n".join(f"build/tests/neighbour_test --case manual_busy.{NEIGHBOURS[number % 2]} "
                     f">/dev/null 2>&1 &" for number in range(neighbours))
    script.write_text(SCRIPT.format(suite=SUITE, arguments=shlex.join(typed), neighbours=busy,
                                    mark=MARK.decode().strip() + "\\n"))
    script.chmod(0o755)
    others = dict(python(work)) | dict(suite())
    return initramfs.build([script], f"{NAME}\n", modules, others=others)


def suite() -> Iterator[tuple[str, Path]]:
    yield f"{SUITE}/run_tests.sh", programs.ROOT / "run_tests.sh"
    yield "/usr/bin/setpriv", Path("/usr/bin/setpriv")
    for path in sorted(programs.FOLDER.iterdir()):      # the tests, and the commit they were built from
        if path.is_file() and not path.suffix:
            yield f"{SUITE}/build/tests/{path.name}", path
    for package in ("testbed", "reports"):
        for path in sorted((programs.ROOT / package).rglob("*")):
            if path.suffix in RESOURCES and "tests" not in path.parts:
                yield f"{SUITE}/{path.relative_to(programs.ROOT)}", path


def python(work: Path) -> Iterator[tuple[str, Path]]:
    """The interpreter and the suite's imports, precompiled: that is slow in an emulator."""
    interpreter = Path(sys.executable).resolve()
    yield "/usr/bin/python3", interpreter
    done = subprocess.run([interpreter, "-P", "-c", LIST, *MODULES, *BESIDE], text=True,
                          env={**os.environ, "PYTHONPATH": str(programs.ROOT)}, capture_output=True,
                          check=True)
    for number, text in enumerate(sorted(set(done.stdout.split()))):
        path = Path(text)
        target = text if not path.is_relative_to(programs.ROOT) else \
            f"{SUITE}/{path.relative_to(programs.ROOT)}"
        yield target, path
        if path.suffix == ".py":
            compiled = work / f"{number}.pyc"
            py_compile.compile(text, str(compiled), dfile=target, doraise=True,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            yield cache_from_source(target), compiled
