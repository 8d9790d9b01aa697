# SPDX-License-Identifier: GPL-2.0-only
"""Forks of a machine, with a script in the place of the emulator."""

from __future__ import annotations

import sys
import time
from threading import Thread

from testbed.errors import HarnessError
from testbed.machine.forks import ForkServer
from testbed.machine.stream import Booted, Done, Event, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog
from testbed.tests.support import FolderTest

LIMITS = Limits(boot=5, step=5, case_factor=1, case_grace=0.5, dying=0.3, power_off=0.3)

# Says what it is told to, then serves as emulator/server.h has it: a job's text is a script.
SERVER = """
import os, signal, sys
print(sys.argv[1], flush=True)
if "panic" in sys.argv[1]:
    sys.exit(1)
requests, answers = map(int, os.environ["KTS_FORK_SERVER"].split(","))
lines = os.fdopen(requests, "rb", buffering=0)
pids = {}
def say(text):
    os.write(answers, text.encode() + b"\\n")
def ended(*_):
    for name, pid in list(pids.items()):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            del pids[name]
            killed = os.WIFSIGNALED(status)
            how = f"killed {os.WTERMSIG(status)}" if killed else f"exited {os.WEXITSTATUS(status)}"
            say(f"ended {name} {how}")
signal.signal(signal.SIGCHLD, ended)
say("ready")
for line in iter(lines.readline, b""):
    words = line.decode().split()
    if words[0] == "kill":
        if words[1] in pids:
            os.kill(pids[words[1]], signal.SIGKILL)
        continue
    _, name, limit, console, results, length, *schedules = words
    text = b""
    while len(text) < int(length):
        text += lines.read(int(length) - len(text))
    if text == b"refuse":
        say(f"failed {name} 12")
        continue
    if text == b"end":
        os._exit(3)
    files = [os.open(path, os.O_WRONLY) for path in (console, results)]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        os.dup2(files[0], 1)
        os.dup2(files[1], 3)
        for file in files:
            os.close(file)
        os.execvp("sh", ["sh", "-c", text.decode(), limit])
    for file in files:
        os.close(file)
    pids[name] = pid
    say(f"started {name} {pid}")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
"""


class ForksTest(FolderTest):
    def server(self, says: str = "Linux boots") -> ForkServer:
        script = self.folder / "emulator.py"
        script.write_text(SERVER)
        server = ForkServer([sys.executable, str(script), says], 20)
        self.addCleanup(server.close)
        return server

    def fork(self, server: ForkServer, text: str) -> Outcome:
        self.events: list[Event] = []
        self.log = self.folder / "console.log"
        watchdog = Watchdog(LIMITS, 60, time.monotonic())
        return server.run(text, 7, watchdog, self.events.append, self.log)

    def test_ok(self) -> None:
        server = self.server()
        self.assertIsNone(server.failure())
        outcome = self.fork(server, "echo limit $0; (echo @@boot 7.2; echo @@done) >&3")
        self.assertEqual(outcome, Outcome("ok"))
        self.assertEqual(self.events, [Booted("7.2"), Done()])
        self.assertEqual(self.log.read_text(), "Linux boots\nlimit 7\n")

    def test_one_after_the_other(self) -> None:
        server = self.server()
        for number in range(3):
            self.assertEqual(self.fork(server, f"echo @@done {number} >&3"), Outcome("ok"))
            self.assertEqual(self.events, [Done(number)])

    def test_at_once(self) -> None:
        """The first waits for what the second does."""
        server = self.server()
        flag = self.folder / "flag"
        found: list[Outcome] = []
        first = Thread(target=lambda: found.append(self.fork(
            server, f"while [ ! -e {flag} ]; do sleep 0.05; done; echo @@done >&3")))
        first.start()
        second = Watchdog(LIMITS, 60, time.monotonic())
        server.run(f"echo @@done >&3; >{flag}", 7, second, lambda event: None, self.folder / "other")
        first.join()
        self.assertEqual(found, [Outcome("ok")])

    def test_one_dies_alone(self) -> None:
        server = self.server()
        outcome = self.fork(server, "echo @@boot 7.2 >&3; echo last words; kill -SEGV $$")
        self.assertEqual(outcome.kind, "died")
        self.assertIn("status -11", outcome.detail)
        self.assertIn("last words", outcome.detail)
        self.assertEqual(self.fork(server, "echo @@done >&3"), Outcome("ok"))

    def test_panic(self) -> None:
        outcome = self.fork(self.server(), "echo 'Kernel panic - not syncing: test'; exit 97")
        self.assertEqual(outcome, Outcome("panic", "Kernel panic - not syncing: test"))

    def test_silent(self) -> None:
        outcome = self.fork(self.server(), "echo CPUs are at 1 2; exit 98")
        self.assertEqual(outcome.kind, "hang")
        self.assertIn("CPUs are at 1 2", outcome.detail)

    def test_emulator_hangs(self) -> None:
        outcome = self.fork(self.server(), "printf '@@begin t\\n# run x (limit 0.1 s)\\n' >&3; exec sleep 60")
        self.assertEqual(outcome.kind, "hang")
        self.assertIn("case x did not end", outcome.detail)
        self.assertIn(Output(b"# run x (limit 0.1 s)\n"), self.events)

    def test_who_listens_gives_up(self) -> None:
        """A mutant is killed: the machine ends."""
        server = self.server()

        def enough(event: Event) -> None:
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            server.run("echo @@boot 7 >&3; exec sleep 60", 7, Watchdog(LIMITS, 60, time.monotonic()),
                       enough, self.folder / "log")
        server.close()

    def test_boot_fails(self) -> None:
        server = self.server("Kernel panic - not syncing: no init")
        self.assertEqual(server.failure(), Outcome("panic", "Kernel panic - not syncing: no init"))
        self.assertIn(b"no init", server.console)

    def test_no_fork(self) -> None:
        server = self.server()
        with self.assertRaisesRegex(HarnessError, "cannot fork: Cannot allocate memory"):
            self.fork(server, "refuse")

    def test_server_ends(self) -> None:
        server = self.server()
        with self.assertRaisesRegex(HarnessError, "fork server ended: .*status 3"):
            self.fork(server, "end")
        with self.assertRaises(HarnessError):
            self.fork(server, "true")


