# SPDX-License-Identifier: GPL-2.0-only
"""The command line of scripts/lava/local: outside of the namespaces, and inside."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab import inside, root, services, suite, view
from lab.scenarios import SCENARIOS
from testbed import exit_status
from testbed.errors import HarnessError
from testbed.make import bochs_build, packages, source
from testbed.make.cache import Cache
from testbed.make.programs import ROOT
from testbed.progress import say

DESCRIPTION = """\
Start a LAVA server with two workers in namespaces on this machine, submit jobs made from
the templates in scripts/lava, and compare LAVA's results with the suite's. Leaves nothing
behind but OUT and, in the cache, the Debian it runs in.
"""
EPILOG = """\
exit status:
  0 LAVA's results are as expected    1 they are not
  2 wrong usage                       3 harness error
"""
# The first words of the command line inside: then the port's number, and the names of jobs.
INSIDE, NO_PORT = "--inside", -1


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(prog="scripts/lava/local", description=DESCRIPTION, epilog=EPILOG,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = "; ".join(f"{name}: {one.what}" for name, one in SCENARIOS.items())
    new.add_argument("jobs", nargs="*", metavar="JOBS", help=f"run only these: {jobs}")
    new.add_argument("--out", type=Path, default=ROOT / "results/lava", metavar="DIR",
                     help="write logs, job definitions and results here (default: results/lava)")
    new.add_argument("--hold", action="store_true",
                     help="keep LAVA running afterwards, until Enter is pressed")
    return new


def outside(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.jobs if name not in SCENARIOS]
    if unknown:
        parser().error(f"no jobs are named {', '.join(unknown)}")
    if os.geteuid() != 0:
        raise HarnessError("namespaces, mounts and a Debian root need root")
    packages.require(["lab"], may_install=True)
    cache = Cache()
    debian = root.provide(cache)
    # Steps that need the network: the namespace has none.
    source.distribution_tree(cache, refresh=False)
    cache.entry("sources", "bochs", "fetching Bochs", bochs_build.fetch)
    base: Path = arguments.out
    base.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix="run-", dir=base)).resolve()
    out.chmod(0o755)
    say(f"logs and results: {out}")
    suite.publish(out / inside.SUITE.name)
    port = view.listener() if arguments.hold else None
    number = port.fileno() if port else NO_PORT
    command = root.enter(debian, cache, out, [INSIDE, str(number), *arguments.jobs])
    return subprocess.run(command, pass_fds=[number] if port else [], check=False).returncode


def execute(words: Sequence[str]) -> int:
    if words[:1] != [INSIDE]:
        return outside(parser().parse_args(words))
    services.LOGS.mkdir()
    number = int(words[1])
    return inside.run(words[2:] or list(SCENARIOS),
                      None if number == NO_PORT else socket.socket(fileno=number))


def main() -> int:
    return exit_status.of("scripts/lava/local", lambda: execute(sys.argv[1:]))
