# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import select
import tempfile
import unittest
from pathlib import Path
from threading import Thread

from checks import watch


class WatchTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "log"
        self.shown = ""
        self.group = watch.Group()

    def write(self, text: str) -> None:
        self.shown += text

    def run_script(self, script: str, *, terminal: bool = False, period: float = 60) -> int:
        display = watch.Display("name", "what", terminal, self.write)
        ended = watch.run(self.group, ["sh", "-c", script], self.log.parent, self.log, display,
                          terminal=terminal, period=period)
        display.end("ended")
        return ended.code

    def test_short(self) -> None:
        self.assertEqual(self.run_script("echo out; echo err >&2; exit 4"), 4)
        self.assertEqual(self.shown, "name            what ... ended\n")
        self.assertEqual(self.log.read_text(), "out\nerr\n")

    def test_a_boot_is_told_at_once(self) -> None:
        self.run_script("echo 'boot tdx: bochs'; echo '  ok case'")
        self.assertEqual(self.shown, "    name: boot tdx: bochs\nname            what ... ended\n")

    def test_what_it_is_doing_is_told_every_period(self) -> None:
        self.run_script("echo '  CC      a.o'; echo '  CC      b.o'; sleep 0.5", period=0.1)
        told = self.shown.splitlines()[:-1]
        self.assertGreaterEqual(len(told), 2)
        self.assertRegex(told[-1], r"^    name: 0\.\d s: 2 objects built, CC      b\.o$")

    def test_silence(self) -> None:
        self.run_script("sleep 0.3", period=0.1)
        self.assertIn("nothing printed so far", self.shown)

    def test_terminal(self) -> None:
        self.run_script("echo 'boot tdx: bochs'", terminal=True)
        self.assertEqual(self.shown, "\r\033[Kname: boot tdx: bochs"
                                     "\r\033[Kname            what ... ended\n")

    def test_end(self) -> None:
        """The processes that the command started end, too."""
        pids = self.log.with_name("pids")
        running = Thread(target=self.run_script, args=(f"sleep 1000 & echo $! $$ >{pids}; wait",))
        running.start()
        while not pids.exists() or not pids.read_text().strip():
            self.assertTrue(running.is_alive())
        processes = [os.pidfd_open(int(pid)) for pid in pids.read_text().split()]
        self.group.end()        # also for a command that is just being started
        running.join(30)
        self.assertFalse(running.is_alive())
        for process in processes:
            # It has a signal, but may not have had a CPU yet: wait for its end.
            self.assertTrue(select.select([process], [], [], 30)[0])
            os.close(process)

    def test_cpu_time(self) -> None:
        display = watch.Display("name", "what", False, self.write)
        ended = watch.run(self.group, ["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done"],
                          self.log.parent, self.log, display, terminal=False)
        self.assertGreater(ended.cpu, 0.01)
        self.assertLess(watch.run(self.group, ["true"], self.log.parent, self.log, display,
                                  terminal=False).cpu, ended.cpu)


if __name__ == "__main__":
    unittest.main()
