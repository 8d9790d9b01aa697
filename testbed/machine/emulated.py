# SPDX-License-Identifier: GPL-2.0-only
"""The emulated host: one kernel image, each boot that is asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from testbed import plan
from testbed.boots import BOOTS, COMMON
from testbed.machine import accel, initramfs
from testbed.machine.bochs import IPS, Bochs
from testbed.machine.emulator import Boot, run_boot
from testbed.machine.forks import NO_SCHEDULES, ForkServer
from testbed.machine.qemu import Qemu
from testbed.machine.stream import Event
from testbed.machine.watchdog import SLOW_BOOT, Limits, Outcome, Watchdog
from testbed.make import bochs_build, kernel, programs
from testbed.make.cache import Cache
from testbed.options import MODULES, Options
from testbed.plan import Case, PlannedBoot
from testbed.progress import say

# A debug kernel is several times slower, and in a distribution's each new hold costs
# seconds: ftrace looks at all functions.  The kernel hands a setting that it does not
# know to the first process, from which the tests inherit it.
SLOW_SCALE = 4
DEBUG_LIMITS = Limits(boot=180, step=180)
# Seconds of the guest's time beside a case: a test starts, ends, cleans up.
SILENCE = 30


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
        names = dict.fromkeys(options.emulator(case.boot) for case in cases)
        self._kernel = built or kernel.provide(
            cache, options.kernel, options.debug_kernel, options.refresh_kernel, work,
            options.modules, list(names),
        )
        self._guest = (kernel.provide_guest(cache, options.kernel, work)
                       if not built and wants_guest(cases) else None)
        self._lock = Lock()
        self._servers: dict[object, ForkServer] = {}
        self._emulators = {name: self._provide(name) for name in names}

    def _provide(self, name: str) -> Qemu | Bochs:
        if name == "bochs":
            return Bochs(bochs_build.provide(self._cache, self._options.bochs), self._work,
                         control=not self._options.rehearsal,
                         module="" if self._options.module == MODULES[0] else self._options.module)
        return accel.choose(self._cache, self._kernel.image, self._work)

    def emulator(self, boot: str) -> Qemu | Bochs:
        return self._emulators[self._options.emulator(boot)]

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
        if self._options.explore:
            return plan.forks_apart(cases)
        return plan.planned(cases, self._options.forks)

    def name(self, boot: str) -> str:
        return self.emulator(boot).name

    def describe(self, boot: str) -> str:
        emulator = self.emulator(boot)
        host = f"{emulator.name} ({emulator.accelerator})"
        module = f", TDX module {self._options.module}" if emulator.name == "bochs" else ""
        return f"{self._kernel.origin}, {host}, {BOOTS[boot].cpus} CPUs{module}"

    def run(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        if planned.forked:
            return self._fork(planned, recorder)
        outcome = self._boot(planned, recorder)
        if outcome.kind == "hang" and not recorder.begun:
            say(f"  boot {planned.name} hung before its first test, retrying once: {outcome.detail}")
            log = recorder.console_log()
            log.rename(log.with_suffix(".hung.log"))
            outcome = self._boot(planned, recorder)
        return outcome

    def close(self) -> None:
        """Ends the machines that are forked."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def _boot(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        machine = self._machine(planned.boot, self._initramfs(
            planned.name, planned.boot, list(planned.tests), self._plan(planned),
            list(chain(*planned.tests.values()))))
        return run_boot(self.emulator(planned.boot), machine, self._watchdog(planned), recorder,
                        recorder.console_log())

    def _fork(self, planned: PlannedBoot, recorder: Witness) -> Outcome:
        with self._lock:
            shape = BOOTS[planned.boot].shape, wants_guest(chain(*planned.tests.values()))
            if shape not in self._servers:
                self._servers[shape] = self._server(planned)
            server = self._servers[shape]
        if failure := server.failure():
            recorder.console_log().write_bytes(server.console)
            return failure
        explore = self._options.explore
        return server.run(self._plan(planned), self._ticks(planned), self._watchdog(planned), recorder,
                          recorder.console_log(), explore.request if explore else NO_SCHEDULES)

    def _server(self, planned: PlannedBoot) -> ForkServer:
        """A machine of which all forks of this shape can be made. It has all tests, whichever
        are selected, and a guest's kernel only for tests that boot it: what runs in a fork is
        the same in each run with the same seed."""
        machine = self._machine(planned.boot, self._initramfs(
            f"{planned.name}.forked", planned.boot, programs.names(), "",
            list(chain(*planned.tests.values())), programs.FORK_POINT))
        return ForkServer(self.emulator(planned.boot).command(machine, os.devnull), self._limits.boot)

    @property
    def _time_scale(self) -> int:
        return SLOW_SCALE if self._options.debug_kernel or self._kernel.boots_slowly else 1

    @property
    def _limits(self) -> Limits:
        return (DEBUG_LIMITS if self._options.debug_kernel else
                Limits(boot=SLOW_BOOT) if self._kernel.boots_slowly else Limits())

    def _watchdog(self, planned: PlannedBoot) -> Watchdog:
        slowness = self.emulator(planned.boot).slowness
        limits = replace(self._limits, case_factor=self._limits.case_factor * slowness)
        if self._options.explore:       # a case stands still while its schedules run
            limits = replace(limits, case_grace=limits.case_grace + self._options.explore.count)
        return Watchdog(limits, limits.total(planned.tests), time.monotonic())

    def _ticks(self, planned: PlannedBoot) -> int:
        """Of the guest's time, after which a fork that says nothing hangs: the library in it
        ends a case before."""
        longest = max(case.limit for case in chain(*planned.tests.values()))
        return int((longest * self._time_scale + SILENCE) * IPS)

    def _machine(self, boot: str, initramfs_: Path) -> Boot:
        chosen = BOOTS[boot]
        return Boot(self._kernel.image, initramfs_, chosen.cpus, self._cmdline(boot),
                    chosen.ept_levels, self._options.seed)

    def _plan(self, planned: PlannedBoot) -> str:
        return planned.plan or "".join(
            " ".join([test, *self._arguments(test, planned)]) + "\n" for test in planned.tests)

    def _arguments(self, test: str, planned: PlannedBoot) -> list[str]:
        if planned.part:
            return self._options.race_arguments(planned.boot, planned.part)
        return self._options.test_arguments(test, planned.boot)

    def _initramfs(self, name: str, boot: str, tests: Sequence[str], plan_: str,
                   cases: Sequence[Case], others: Mapping[str, Path] | None = None) -> Path:
        archive = self._work / f"{name}.cpio"
        modules = [path for path in self._kernel.modules
                   if BOOTS[boot].tdx or path.name != "tdx_view.ko"]
        archive.write_bytes(initramfs.build(
            [programs.FOLDER / test for test in tests], plan_, modules,
            self._guest if wants_guest(cases) else None, {**programs.SAVE_SYMBOLS, **(others or {})},
        ))
        return archive

    def _cmdline(self, boot: str) -> str:
        chosen = BOOTS[boot]
        parts = ["console=ttyS0 panic=-1 quiet", COMMON, self.emulator(boot).cmdline,
                 f"numa=fake={chosen.nodes}" if chosen.nodes > 1 else "", chosen.cmdline,
                 self._kernel.cmdline, kernel.DEBUG.get(self._options.debug_kernel, "")]
        if self._time_scale > 1:
            parts.append(f"KTS_TIME_SCALE={self._time_scale}")
        parts.append(self._options.backports)
        return " ".join(part for part in parts if part)
