# SPDX-License-Identifier: GPL-2.0-only
"""Inside of the namespaces: LAVA is set up step by step, and runs the jobs."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from lab import broken, services, setup, view
from lab.dut import Maker
from lab.lavacli import Lava
from lab.scenarios import Lab
from lab.setup import step
from testbed.make.cache import Cache
from testbed.progress import say

OUT = Path("/out")
SUITE = Path("/srv/suite")      # in memory, as all that need not be kept


def run(names: Sequence[str], port: socket.socket | None) -> int:
    """Set up LAVA and run the jobs; then let browsers see it at the port, if there is one."""
    shutil.move(OUT / SUITE.name, SUITE)
    try:
        return set_up_and_run(names, port)
    finally:
        services.keep_logs()


def set_up_and_run(names: Sequence[str], port: socket.socket | None) -> int:
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
    cache = Cache()
    maker = Maker(cache, Path(services.ARTEFACTS_FOLDER) / "dut")
    good = maker.make("good", maker.kernel())
    lab = Lab(lava, OUT, SUITE.as_uri(), services.ARTEFACTS + "/", good, lambda: broken.make(cache, maker))
    step(7, "device types and devices")
    setup.add_devices(lava)
    step(8, "health checks, which run now")
    wrong = lab.health_checks()
    step(9, "jobs; the one that is called shards is step 10, a night")
    wrong += lab.run(names)
    say("\n".join(["", *wrong]) if wrong else "\nLAVA's results are as expected.")
    if port:
        view.until_enter(port, f"LAVA runs at {view.url(port)}, its administrator is {setup.ADMIN}, "
                         f"password {password}. Enter ends it. ")
    return 1 if wrong else 0
