# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import time

from testbed.machine.host import lines_since
from testbed.machine.native import run_test, run_tests
from testbed.machine.stream import Begin, End, Event, Output
from testbed.machine.watchdog import Limits, Outcome, Watchdog
from testbed.tests.support import FolderTest

OK = Outcome("ok")
HANG = Outcome("hang", "stuck")
LIMITS = Limits(step=0.5, case_factor=1, case_grace=0.2)


class NativeTest(FolderTest):
    def go(self, text: str) -> Outcome:
        self.events: list[Event] = []
        watchdog = Watchdog(LIMITS, 60, time.monotonic())
        watchdog.see(Begin("x"), time.monotonic())
        return run_test(self.script("a_test", text), ["--seed", "1"], watchdog, self.events.append)

    def test_output_and_status(self) -> None:
        self.assertEqual(self.go('echo "$@"; printf half; exit 4'), Outcome("ok"))
        self.assertEqual(self.events, [
            Begin("a_test"), Output(b"--seed 1\n"), Output(b"half"), End("a_test", 4),
        ])

    def test_signal(self) -> None:
        self.go("kill -SEGV $$")
        self.assertEqual(self.events[-1], End("a_test", 139))

    def test_cleaning_up_after_the_last_output_is_waited_for(self) -> None:
        self.go(f"exec >&-; sleep 0.3; touch {self.folder}/clean")
        self.assertTrue((self.folder / "clean").exists())
        self.assertEqual(self.events[-1], End("a_test", 0))

    def test_hang_is_told_to_end_and_can_undo(self) -> None:
        outcome = self.go(
            f"exec 2>/dev/null; trap 'touch {self.folder}/undone; exit 1' TERM\n"
            "echo '# run x (limit 0.1 s)'; while :; do sleep 0.05; done")
        self.assertEqual(outcome.kind, "hang")
        self.assertIn("case x did not end", outcome.detail)
        self.assertTrue((self.folder / "undone").exists())

    def test_a_hang_does_not_end_the_rest(self) -> None:
        for outcomes, ran in (([OK, OK], 2), ([HANG, OK, HANG, OK], 4), ([OK, HANG, HANG, OK], 3)):
            with self.subTest(outcomes):
                left = list(outcomes)
                found = run_tests("abcd"[:len(outcomes)], lambda test: left.pop(0), lambda: False)
                self.assertEqual(len(outcomes) - len(left), ran)
                self.assertEqual(found.kind, "hang" if HANG in outcomes else "ok")
        self.assertEqual(run_tests("ab", lambda test: HANG, lambda: True), Outcome("hang", "a: stuck"))

    def test_messages_of_this_run(self) -> None:
        log = "[    1.000000] old\n  more of it\n[   20.500000] new\n  more\n[   21.000000] last\n"
        self.assertEqual(lines_since(log, 20.5), "[   20.500000] new\n  more\n[   21.000000] last\n")
        self.assertEqual(lines_since(log, 0), log)
