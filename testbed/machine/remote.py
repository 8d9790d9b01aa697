# SPDX-License-Identifier: GPL-2.0-only
"""A machine of a lab as the host under test, reached by ssh: a kernel of its own each time.

How a kernel is installed there and how the machine is booted again is the lab's
matter: commands that run here, by sh, with what they need in their environment:

    KTS_HOST           the machine, as it was given
    KTS_TREE           the kernel tree to build (to install only)
    LOCALVERSION       "-kts-COMMIT" (too): make puts it into the kernel's release, by which
                       the machine is asked whether it really runs that kernel
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reports.model import Exit

SSH = "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
REBOOT = "systemctl reboot"     # on the machine
DOES_NOT_BUILD = 125            # exit status of the install command
CONNECTION = 255                # ssh's own errors
TOO_LATE = 124          # exit status of timeout(1)
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
PAUSE = 2.0                     # seconds between polls of a booting machine
LAST_WORDS = 12                 # lines


class RemoteError(Exception):
    """The lab or the harness failed: the kernel is not judged."""


class NoKernel(Exception):
    """The kernel does not build or does not boot."""


class Died(Exception):
    """The machine went down while the tests ran."""


@dataclass(frozen=True)
class Remote:
    """The machine, and the lab's commands; empty: the default ones."""

    host: str
    suite: str              # the suite's folder there
    install: str
    reboot: str = ""
    wait: str = ""
    limit: float = 900.0    # seconds that a boot may take
    ssh: str = SSH

    def boot(self, tree: Path, commit: str, log: Path) -> None:
        """Install and boot the kernel of `tree`."""
        release = f"-kts-{commit[:12]}"
        environment = {"KTS_TREE": str(tree), "LOCALVERSION": release}
        before = self._boot_id()
        code = self._here(self.install, log, environment)
        if code == DOES_NOT_BUILD:
            raise NoKernel(f"the kernel does not build; see {log}")
        if code:
            raise RemoteError(f"--install ended with {code}; see {log}")
        try:
            self._boot_again(before, log)
        except NoKernel:
            self._recover(log)
            raise
        running = self.ask("uname -r")
        if release not in running:
            raise RemoteError(f"{self.host} runs {running}, not a kernel with {release} in its release: "
                              "--install has to pass LOCALVERSION on to make, and to choose the "
                              "kernel for the next boot")

    def run(self, options: Sequence[str], out: Path, log: Path) -> int:
        """Run the suite there, copy the results to `out`/latest; the exit code of run_tests.sh."""
        before = self._boot_id()
        there = f"/tmp/kts-{time.time_ns():x}"
        command = shlex.join(["./run_tests.sh", "--on", "native", "--out", there, *options])
        code = self._ssh(f"cd {shlex.quote(self.suite)} && {command}", log)
        if code == CONNECTION:
            self._connection_lost(before, log)
        if code == Exit.USAGE:
            return code                 # nothing ran
        if not self._fetch(there, out, log):
            raise RemoteError(f"run_tests.sh on {self.host} ended with {code} and left no results in "
                              f"{there}; its last words:\n{last_words(log)}")
        return code

    def ask(self, command: str) -> str:
        done = self._run(command)
        if done.returncode:
            raise RemoteError(f"{self.host}: {command}: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()

    def _answer(self, command: str) -> str:
        """As above, but empty if the machine does not answer."""
        done = self._run(command)
        return "" if done.returncode else done.stdout.strip()

    # Boots.

    def _boot_id(self) -> str:
        return self.ask(BOOT_ID)

    def _boot_again(self, before: str, log: Path) -> None:
        """Wait for another boot than `before`; NoKernel if the machine does not come back."""
        if not self.reboot:
            self._ssh(REBOOT, log)      # the connection may break with it
        elif code := self._here(self.reboot, log):
            raise RemoteError(f"--reboot ended with {code}; see {log}")
        deadline = time.monotonic() + self.limit
        if self.wait and (code := self._here(self.wait, log, limit=self.limit)):
            raise NoKernel(f"the kernel does not boot: --wait ended with {code}")
        while self._answer(BOOT_ID) in ("", before):
            if time.monotonic() > deadline:
                raise NoKernel("the kernel does not boot: the machine was not back after "
                               f"{self.limit:.0f} s")
            time.sleep(PAUSE)           # a boot that fails does not report

    def _recover(self, log: Path) -> None:
        """Reboot into the usual kernel: the other one was chosen for one boot only."""
        if not self.reboot:
            raise RemoteError(f"{self.host} does not come back, and only a --reboot command can "
                              "switch it off and on")
        try:
            self._boot_again("", log)
        except NoKernel as error:
            raise RemoteError(f"{self.host} does not come back with its usual kernel either ({error}): "
                              "--install has to choose the kernel for one boot only (grub-reboot, "
                              "bootctl set-oneshot)") from error

    def _connection_lost(self, before: str, log: Path) -> NoReturn:
        now = self._answer(BOOT_ID)
        if now == before:
            raise RemoteError(f"the connection to {self.host} broke; see {log}")
        if not now:
            try:
                self._boot_again(before, log)
            except NoKernel:
                self._recover(log)
        raise Died(f"the machine went down while the tests ran; see {log}")

    # Processes.

    def _command(self, command: str) -> list[str]:
        return [*shlex.split(self.ssh), self.host, command]

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(command), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False)

    def _ssh(self, command: str, log: Path) -> int:
        with log.open("ab") as output:
            return subprocess.run(self._command(command), stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, check=False).returncode

    def _here(self, command: str, log: Path, environment: Mapping[str, str] | None = None,
              limit: float | None = None) -> int:
        told = {**os.environ, "KTS_HOST": self.host, **(environment or {})}
        with log.open("ab") as output:
            output.write(f"+ {command}\n".encode())
            output.flush()
            try:
                return subprocess.run(["sh", "-c", command], env=told, stdin=subprocess.DEVNULL,
                                      stdout=output, stderr=subprocess.STDOUT, timeout=limit,
                                      check=False).returncode
            except subprocess.TimeoutExpired:
                return TOO_LATE

    def _fetch(self, there: str, out: Path, log: Path) -> bool:
        """Fetch the results, and remove them there; whether there were any."""
        command = f"tar -C {there} -ch latest && rm -rf {there}"
        with log.open("ab") as complaints, subprocess.Popen(
                self._command(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=complaints) as process:
            unpacked = subprocess.run(["tar", "-C", out, "-x"], stdin=process.stdout,
                                      stderr=complaints, check=False)
        return not (process.returncode or unpacked.returncode)


def last_words(log: Path) -> str:
    """The last lines of a run and of the command that fetches its results."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-LAST_WORDS:])
