# SPDX-License-Identifier: GPL-2.0-only
"""Inside of the namespaces: LAVA is set up step by step, and runs the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab import services, setup
from lab.dut import Duts
from lab.lavacli import Lava
from lab.scenarios import SCENARIOS, Lab
from lab.setup import step
from testbed.make.cache import Cache
from testbed.progress import say

OUT = Path("/out")
SUITE = "file:///out/suite"


def run(names: Sequence[str], hold: bool) -> int:
    try:
        return set_up_and_run(names, hold)
    finally:
        services.keep_logs()


def set_up_and_run(names: Sequence[str], hold: bool) -> int:
    lava = Lava()
    step(1, "LAVA's packages are installed: PostgreSQL, publisher, server and scheduler start")
    step(2, "the web server in front of it starts")
    daemons = services.start_server()
    step(3, "an administrator with a token")
    password = setup.administrator()
    step(4, f"workers: {', '.join(setup.WORKERS)}")
    daemons += setup.start_workers(setup.WORKERS, lava)
    step(5, "a server that takes artefacts (it started with the web server)")
    step(6, "the kernels and file systems that devices boot")
    duts = Duts(Cache(), Path(services.ARTEFACTS_FOLDER) / "dut")
    lab = Lab(lava, OUT, SUITE, services.ARTEFACTS + "/", duts)
    step(7, "device types and devices")
    setup.add_devices(lava)
    step(8, "health checks, which run now")
    wrong = lab.health_checks()
    step(9, "jobs; the one that is called shards is step 10, a night")
    for name in names:
        wrong += lab.scenario(name, SCENARIOS[name])
    say("\n".join(["", *wrong]) if wrong else "\nLAVA's results are as expected.")
    if hold:
        input(f"LAVA runs; its administrator is {setup.ADMIN}, password {password}. Enter ends it. ")
    return 1 if wrong else 0
