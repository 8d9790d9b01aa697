# SPDX-License-Identifier: GPL-2.0-only
"""The emulated host: one kernel image, each boot that is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from testbed import plan
from testbed.boots import BOOTS, COMMON
from testbed.machine import accel, initramfs
from testbed.machine.bochs import Bochs
from testbed.machine.emulator import Boot, run_boot
from testbed.machine.qemu import Qemu
from testbed.machine.stream import Event
from testbed.machine.watchdog import SLOW_BOOT, Limits, Outcome, Watchdog
from testbed.make import bochs_build, kernel, programs
from testbed.make.cache import Cache
from testbed.options import MODULES, Options
from testbed.plan import Case, PlannedBoot
from testbed.progress import say

# A debug kernel is several times slower.  The kernel hands a setting that it
# does not know to the first process, from which the tests inherit it.
DEBUG_SETTING = "KTS_TIME_SCALE=4"
DEBUG_LIMITS = Limits(boot=180, step=180)


class Witness(Protocol):
    """Receives the events of a boot; a results.Recorder is one."""

    begun: set[str]

    def console_log(self) -> Path: ...

    def __call__(self, event: Event) -> None: ...


def wants_guest(cases: Iterable[Case]) -> bool:
    """Whether a case boots a kernel in a TD."""
    return any(case.flags == "guest-kernel" for case in cases)


class EmulatedHost:
    def __init__(self, options: Options, cache: Cache, work: Path, cases: Sequence[Case],
                 built: kernel.Kernel | None = None) -> None:
        self._options = options
        self._cache = cache
        self._work = work
        names = dict.fromkeys(self._name(case.boot) for case in cases)
        self._kernel = built or kernel.provide(
            cache, options.kernel, options.debug_kernel, options.refresh_kernel, work,
            options.modules, list(names),
        )
        self._guest = (kernel.provide_guest(cache, options.kernel, work)
                       if not built and wants_guest(cases) else None)
        self._emulators = {name: self._provide(name) for name in names}

    def _name(self, boot: str) -> str:
        """The emulator of a boot."""
        if self._options.on != "emulated":
            return self._options.on
        return "bochs" if BOOTS[boot].tdx else "qemu"

    def _provide(self, name: str) -> Qemu | Bochs:
        if name == "bochs":
            return Bochs(bochs_build.provide(self._cache, self._options.bochs), self._work,
                         control=not self._options.rehearsal,
                         module="" if self._options.module == MODULES[0] else self._options.module)
        return accel.choose(self._cache, self._kernel.image, self._work)

    def emulator(self, boot: str) -> Qemu | Bochs:
        return self._emulators[self._name(boot)]

    def environment(self) -> dict[str, Any]:
        emulators = self._emulators.values()
        return {
            "emulator": ", ".join(emulator.version() for emulator in emulators),
            "accelerator": ", ".join(emulator.accelerator for emulator in emulators),
            "kernel_source": self._kernel.origin, "debug_kernel": self._options.debug_kernel,
            "config_hash": self._kernel.config_hash, "tdx_module": self._options.module,
            "config_dropped": list(self._kernel.dropped),
        }

    def boots(self, cases: Sequence[Case]) -> list[PlannedBoot]:
        return plan.boots(cases)

    def name(self, boot: str) -> str:
        return self.emulator(boot).name

    def describe(self, boot: str) -> str:
        emulator = self.emulator(boot)
        host = f"{emulator.name} ({emulator.accelerator})"
        module = f", TDX module {self._options.module}" if emulator.name == "bochs" else ""
        return f"{self._kernel.origin}, {host}, {BOOTS[boot].cpus} CPUs{module}"

    def run(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        outcome = self._boot(planned, recorder)
        if outcome.kind == "hang" and not recorder.begun:
            say(f"  boot {planned.name} hung before its first test, retrying once: {outcome.detail}")
            log = recorder.console_log()
            log.rename(log.with_suffix(".hung.log"))
            outcome = self._boot(planned, recorder)
        return outcome

    def _boot(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        limits = (DEBUG_LIMITS if self._options.debug_kernel else
                  Limits(boot=SLOW_BOOT) if self._kernel.boots_slowly else Limits())
        emulator = self.emulator(planned.boot)
        limits = replace(limits, case_factor=limits.case_factor * emulator.slowness)
        watchdog = Watchdog(limits, limits.total(planned.tests), time.monotonic())
        config = BOOTS[planned.boot]
        machine = Boot(self._kernel.image, self._initramfs(planned), config.cpus,
                       self._cmdline(planned.boot), config.ept_levels, self._options.seed)
        return run_boot(emulator, machine, watchdog, recorder, recorder.console_log())

    def _initramfs(self, planned: PlannedBoot) -> Path:
        lines = [" ".join([test, *self._options.test_arguments(test, planned.boot)])
                 for test in planned.tests]
        archive = self._work / f"{planned.name}.cpio"
        modules = [path for path in self._kernel.modules
                   if BOOTS[planned.boot].tdx or path.name != "tdx_view.ko"]
        archive.write_bytes(initramfs.build(
            [programs.FOLDER / test for test in planned.tests], "\n".join(lines) + "\n",
            modules, self._guest if wants_guest(chain(*planned.tests.values())) else None,
        ))
        return archive

    def _cmdline(self, boot: str) -> str:
        chosen = BOOTS[boot]
        parts = ["console=ttyS0 panic=-1 quiet", COMMON, self.emulator(boot).cmdline,
                 f"numa=fake={chosen.nodes}" if chosen.nodes > 1 else "", chosen.cmdline,
                 self._kernel.cmdline]
        if self._options.debug_kernel:
            parts.append(DEBUG_SETTING)
        parts.append(self._options.backports)
        return " ".join(part for part in parts if part)
