# SPDX-License-Identifier: GPL-2.0-only
"""The life of a boot, with a shell script in the place of an emulator."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.machine.emulator import Boot, run_boot
from testbed.machine.stream import Begin, Booted, Done, Event, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog
from testbed.make.programs import ROOT
from testbed.tests.support import FolderTest

LIMITS = Limits(boot=0.6, step=0.6, case_factor=1, case_grace=0.5, dying=0.3, power_off=0.3)
BOOT = Boot(Path("bzImage"), Path("initramfs"), 1, "")


class Script:
    """`$R` in the text is the file for the results."""

    name = "script"
    where_keys: Sequence[bytes] = (b"where?\n",)

    def __init__(self, text: str) -> None:
        self._text = text

    def version(self) -> str:
        return "0"

    def command(self, boot: Boot, results: str) -> Sequence[str]:
        return ["sh", "-c", f"R={results}; {self._text}"]


class EmulatorTest(FolderTest):
    def boot(self, text: str) -> Outcome:
        self.events: list[Event] = []
        self.log = self.folder / "console.log"
        watchdog = Watchdog(LIMITS, 60, time.monotonic())
        return run_boot(Script(text), BOOT, watchdog, self.events.append, self.log)

    def test_ok(self) -> None:
        outcome = self.boot("echo console; (echo @@boot 7.2; echo @@done) >$R")
        self.assertEqual(outcome, Outcome("ok"))
        self.assertEqual(self.events, [Booted("7.2"), Done()])
        self.assertEqual(self.log.read_text(), "console\n")

    def test_does_not_power_off(self) -> None:
        self.assertEqual(self.boot("echo @@done >$R; exec sleep 60"), Outcome("ok"))

    def test_panic(self) -> None:
        outcome = self.boot("echo 'Kernel panic - not syncing: test'; exec sleep 60")
        self.assertEqual(outcome, Outcome("panic", "Kernel panic - not syncing: test"))

    def test_panic_cut_in_two(self) -> None:
        outcome = self.boot("printf 'Kernel panic - not '; sleep 0.1; echo 'syncing: test'")
        self.assertEqual(outcome.kind, "panic")

    def test_hang_keeps_partial_results_and_asks_where(self) -> None:
        outcome = self.boot(
            "printf '@@begin t\\n# run x (limit 0.1 s)\\nhalf' >$R; echo last words; exec cat")
        self.assertEqual(outcome.kind, "hang")
        self.assertIn("case x did not end", outcome.detail)
        self.assertIn("last words", outcome.detail)
        self.assertEqual(self.events, [
            Begin("t"), Output(b"# run x (limit 0.1 s)\n"), Output(b"half"),
        ])
        self.assertEqual(self.log.read_text(), "last words\nwhere?\n")

    def test_busy_machine_is_no_hang(self) -> None:
        """Eight busy processes share the emulator's only CPU."""
        start = time.monotonic()
        outcome = self.boot(
            "taskset -p 1 $$ >/dev/null;"
            " for i in 1 2 3 4 5 6 7 8; do timeout 5 sh -c 'while :; do :; done' & all=\"$all $!\"; done;"
            " i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done;"
            " (echo @@boot 7.2; echo @@done) >$R; kill $all")
        self.assertEqual(outcome, Outcome("ok"))
        self.assertGreater(time.monotonic() - start, LIMITS.boot)

    def test_died(self) -> None:
        outcome = self.boot("echo @@boot 7.2 >$R; echo cannot go on >&2; exit 7")
        self.assertEqual(outcome.kind, "died")
        self.assertIn("status 7", outcome.detail)
        self.assertIn("cannot go on", outcome.detail)

    def test_emulator_does_not_outlive_the_runner(self) -> None:
        pid_file = self.folder / "pid"
        code = (
            "import time; from pathlib import Path\n"
            "from testbed.tests.test_emulator import *\n"
            f"run_boot(Script('echo $$ >{pid_file}; exec sleep 60'), BOOT,"
            f" Watchdog(Limits(), 60, time.monotonic()), print, Path('{self.folder}/log'))"
        )
        runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        pid = int(self.wait_for(lambda: pid_file.exists() and pid_file.read_text()))
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.wait_for(lambda: "" if running(pid) else "gone")

    def wait_for(self, what: Callable[[], object]) -> str:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if seen := what():
                return str(seen)
            time.sleep(0.02)
        return self.fail("waited in vain")


def running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
