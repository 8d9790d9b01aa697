# SPDX-License-Identifier: GPL-2.0-only
"""What a user of hardware types: the scenes of a rehearsal, each in a fork of one machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from testbed.make.kselftest import COLLECTION
from testbed.options import Options

OUT = "/root/out"           # comes back from the machine (testbed/rehearsal/rehearse)
RESULTS = f"{OUT}/results"
NEIGHBOURS = ("tdx", "default")     # by turns: VM types
MODULES = ("kvm_hold", "tdx_view")
KSELFTEST = "kselftest"


@dataclass(frozen=True)
class Line:
    """A line that is typed."""

    text: str
    # Exit statuses that are as they should be; none: the line tests, and its status is
    # that of the scene.
    ends: tuple[int, ...] = (0,)


def lines(scene: str, options: Options, times: int) -> list[Line]:
    return [*neighbours(options.neighbours), *SCENES[scene](options, times)]


def neighbours(count: int) -> list[Line]:
    """Other VMs, as a manager of VMs starts them."""
    return [Line(f"systemd-run --quiet --slice=machine --unit=vm{number} "
                 f"$PWD/build/tests/neighbour_test --case manual_busy.{NEIGHBOURS[number % 2]}")
            for number in range(count)]


def native(options: Options, times: int, *more: str) -> list[Line]:
    typed = ["./run_tests.sh", "--on", "native", "--out", RESULTS, *selection(options, times), *more]
    return [
        Line(shlex.join(typed), ends=()),
        # FAIL where a case failed, else INCOMPLETE: never PASS.
        Line(f"python3 -m reports.certify {RESULTS}/latest --out {OUT}/certificate --no-pdf", ends=(1, 4)),
    ]


def modules(options: Options, times: int) -> list[Line]:
    return [*(Line(f"modprobe {name}") for name in MODULES), *native(options, times)]


def host_wide(options: Options, times: int) -> list[Line]:
    return native(options, times, "--allow-host-wide")


def kselftest(options: Options, times: int) -> list[Line]:
    """The kernel's runner knows programs, not cases."""
    chosen = [word for pattern in options.patterns for word in ("-t", f"{COLLECTION}:{pattern.test}")]
    typed = ["./run_kselftest.sh", *(chosen or ["-c", COLLECTION])]
    return [Line(f"cd /root/kselftest && {shlex.join(typed)}", ends=())]


SCENES: dict[str, Callable[[Options, int], list[Line]]] = {
    "native": native, "modules": modules, "host-wide": host_wide, KSELFTEST: kselftest,
}


def selection(options: Options, times: int = 1) -> list[str]:
    """The options of run_tests.sh in the emulated host that were given to the one here."""
    found = ["--seed", f"{options.seed:#x}"]
    found += ["--repeat", str(times)] if times > 1 else []
    for pattern in options.patterns:
        found += ["--tests", ":".join(filter(None, (pattern.test, pattern.case)))]
    switches = {"--nightly": options.nightly, "--fail-fast": options.fail_fast,
                "--events": options.events, "--verbose": options.verbose}
    return found + [switch for switch, on in switches.items() if on]
