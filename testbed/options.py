# SPDX-License-Identifier: GPL-2.0-only
"""What the user asked for, and how it is passed on to the tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from testbed.boots import BOOTS
from testbed.explore import MACHINE_SEED, Exploration, for_minutes, races
from testbed.plan import Pattern, case_globs


# The TDX modules that softtdx can be (softtdx/model/profiles.c).
MODULES = ("1.5", "1.5-latest", "2.0")


@dataclass(frozen=True)
class Options:
    on: str                         # native, qemu, bochs or emulated (the one that fits)
    patterns: tuple[Pattern, ...]
    seed: int
    out: Path
    kernel: Path | str | None       # a text is a version number
    bochs: Path | None
    debug_kernel: str               # in kernel.DEBUG; empty: none
    refresh_kernel: bool
    nightly: bool
    jobs: int                       # boots at once
    fail_fast: bool
    verbose: bool
    may_install: bool
    allow_host_wide: bool
    shard: tuple[int, int] | None = None    # index from 1, and of how many
    events: bool = False            # tell what the threads of each case did
    backports: str = ""             # KTS_KVM_VERSION and KTS_FIXED, for the kernel's command line
    module: str = MODULES[0]        # which TDX module softtdx is
    modules: Path | None = None     # the folder with those of `kernel`, an image
    fork: bool = False              # Bochs boots once, and forks for each test
    explore: Exploration | None = None
    rehearsal: bool = False         # hide that the TDX module is not Intel's
    neighbours: int = 0             # other VMs beside a rehearsal, which fault all the time
    scenes: tuple[str, ...] = ()    # of a rehearsal; empty: all
    command: tuple[str, ...] = ("./run_tests.sh",)      # what was called, without these options

    def for_races(self, minutes: int) -> Options:
        """Those of a run that explores all races."""
        return replace(self, on="bochs", seed=MACHINE_SEED, patterns=tuple(races([])),
                       explore=for_minutes(minutes))

    def of_run(self, number: int) -> Options:
        """Those of a run behind this one: other seeds."""
        if self.explore:
            return replace(self, explore=self.explore.round(number, self.out))
        return replace(self, seed=self.seed + number)

    def emulator(self, boot: str) -> str:
        """Which one an emulated host of this boot runs in."""
        if self.on != "emulated":
            return self.on
        return "bochs" if BOOTS[boot].tdx else "qemu"

    def forks(self, boot: str) -> bool:
        """Whether tests run in forks of one machine: only our Bochs is known to make them."""
        return self.fork and self.bochs is None and self.emulator(boot) == "bochs"

    def test_arguments(self, test: str, boot: str | None = None) -> list[str]:
        """The arguments of a test; without a boot (natively) every case runs."""
        arguments = ["--seed", f"{self.seed:#x}"]
        if boot:
            arguments += ["--boot", boot]
        for glob in case_globs(test, self.patterns):
            arguments += ["--case", glob]
        switches = {
            "--nightly": self.nightly, "--allow-host-wide": self.allow_host_wide,
            "--fail-fast": self.fail_fast, "--events": self.events, "--verbose": self.verbose,
        }
        return arguments + [switch for switch, on in switches.items() if on]

    def race_arguments(self, boot: str, race: str) -> list[str]:
        """The arguments of a program whose race is explored, alone: nothing else that was
        asked for is among them, or the schedule of a seed were another one."""
        return ["--seed", f"{self.seed:#x}", "--boot", boot, "--explore", "--case", race]

    def again(self) -> dict[str, Any]:
        """For reports/again.py, which writes the command that repeats a case."""
        values = {"--kernel": self.kernel, "--modules": self.modules,
                  "--module": self.module if self.module != MODULES[0] else None,
                  "--debug-kernel": self.debug_kernel}
        switches = {
            "--nightly": self.nightly,
            "--allow-host-wide": self.allow_host_wide, "--fail-fast": self.fail_fast,
            "--events": self.events, "--verbose": self.verbose, "--rehearsal": self.rehearsal,
        }
        command = [*(("env", *self.backports.split()) if self.backports else ()), *self.command]
        for option, value in values.items():
            command += [option, str(value)] if value else []
        return {
            "command": command + [switch for switch, on in switches.items() if on],
            "forked": [boot for boot in BOOTS if self.on != "native" and self.forks(boot)],
            "patterns": [[pattern.test, pattern.case] for pattern in self.patterns],
            **({"points": self.explore.points_text} if self.explore else {}),
        }
