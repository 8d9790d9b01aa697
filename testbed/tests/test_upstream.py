# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of the kernel's own selftests, from the events of a boot."""

from __future__ import annotations

import base64
import unittest
from unittest import mock

from testbed import upstream
from testbed.errors import HarnessError
from testbed.machine.stream import Begin, Booted, Done, End, Event, File, Output
from testbed.machine.watchdog import Outcome
from testbed.tests.support import FolderTest
from testbed.upstream import Observer, Program

PROGRAMS = (Program("one_test"), Program("x86/two_test"), Program("three_test"))


def observe(*events: Event, outcome: str = "ok") -> upstream.Report:
    observer = Observer(PROGRAMS)
    for event in events:
        observer(event)
    return observer.finish(Outcome(outcome))


class ObserverTest(unittest.TestCase):
    def statuses(self, *events: Event, outcome: str = "ok") -> list[str]:
        return [result.status for result in observe(*events, outcome=outcome).results]

    def test_exit_codes(self) -> None:
        events: list[Event] = []
        for status in (0, 4, 254):
            events += [Begin("limited"), End("limited", status)]
        self.assertEqual(self.statuses(*events), ["pass", "skip", "fail"])

    def test_hang(self) -> None:
        self.assertEqual(self.statuses(Begin("limited"), End("limited", 137))[0], "hang")

    def test_dead_kernel(self) -> None:
        events = (Booted("7.2"), Begin("limited"), End("limited", 0), Begin("limited"))
        self.assertEqual(self.statuses(*events, outcome="panic"), ["pass", "panic", "not run"])

    def test_report(self) -> None:
        report = observe(Begin("limited"), Output(b"==== Test Assertion Failure\n"),
                         End("limited", 254), File("dmesg", b"fine\n[1] WARNING: mmu.c:1\n"), Done())
        self.assertEqual([result.program for result in report.failed], ["one_test"])
        self.assertIn("Assertion", report.failed[0].output)
        self.assertEqual(report.messages, ["[1] WARNING: mmu.c:1"])


class CountersTest(FolderTest):
    def test_those_of_a_kernel_with_gcov_are_kept(self) -> None:
        folder = self.folder / "counters"
        observer = Observer(PROGRAMS, counters=folder)
        observer(File("counters", base64.b64encode(b"an archive")))
        self.assertEqual((folder / "own.tgz").read_bytes(), b"an archive")


class PlanTest(FolderTest):
    def test_settings_come_before_the_program(self) -> None:
        with mock.patch("testbed.upstream.run_boot", return_value=Outcome("panic")), \
                mock.patch("testbed.upstream.initramfs.build", return_value=b"") as built:
            upstream.run(mock.Mock(), self.folder / "bzImage", self.folder, self.folder, programs=(
                Program("one_test"), Program("x86/two_test", "-a", settings=("/sys/a 1", "/sys/b 2"))))
        self.assertEqual(built.call_args.args[1],
                         "limited 60 one_test\n/sys/a 1\n/sys/b 2\nlimited 60 two_test -a\n")


class BuildTest(FolderTest):
    def test_failure(self) -> None:
        self.use_scripts()
        self.script("make", "echo 'kvm_util.c:1: error: no such thing'; exit 2\n")
        with self.assertRaisesRegex(HarnessError, "no such thing"):
            upstream.build(self.folder, self.folder)

    def test_boot_that_never_came_is_the_harness_failure(self) -> None:
        with mock.patch("testbed.upstream.run_boot", return_value=Outcome("hang", "no boot")), \
                self.assertRaisesRegex(HarnessError, "no boot"):
            upstream.run(mock.Mock(), self.folder / "bzImage", self.folder, self.folder, programs=())
