# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import base64
import json

from reports import model
from testbed.machine.stream import Begin, Booted, End, Event, File, Output
from testbed.results import Recorder, Results, new_folder
from testbed.tests.support import FolderTest


class ResultsTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.results = Results(new_folder(self.folder / "out"), {"seed": "0x1"})
        planned = [model.Planned("a_test", ["x", "y"]), model.Planned("b_test", ["z"])]
        self.boot = model.Boot("cpus4", tests=planned)
        self.results.add(self.boot)
        self.recorder = Recorder(self.results, self.boot, "cpus4", verbose=False)

    def test_folders_are_unique_within_a_second(self) -> None:
        folders = {new_folder(self.folder / "many") for _ in range(5)}
        self.assertEqual(len(folders), 5)
        self.assertIn((self.folder / "many/latest").resolve(), folders)

    def test_files(self) -> None:
        lines = [b"1..2\n", b"# run x (limit 1 s)\n", b"not ok 1 x\n", b"\xff\n"]
        output = [Output(line) for line in lines]
        events: list[Event] = [Booted("7.2.12"), Begin("a_test"), *output, End("a_test", 1)]
        for event in events:
            self.recorder(event)
        folder = self.results.folder
        self.assertEqual((folder / "ktap/a_test.cpus4.ktap").read_bytes(), b"".join(lines))
        self.assertTrue(self.recorder.failed)
        self.assertEqual(self.recorder.begun, {"a_test"})
        self.assertIn("a_test: x [cpus4]", self.said.getvalue())
        boot = json.loads((folder / "plan.json").read_text())["boots"][0]
        self.assertEqual(boot["outcome"], "running")
        self.assertEqual([test["exit"] for test in boot["tests"]], [1, None])

    def test_environment(self) -> None:
        self.recorder(Booted("7.2.12"))
        self.recorder(File("environment", b"cpu=TCG\nkvm.tdp_mmu=Y\ncmdline=a=b c\n"))
        self.recorder(File("dmesg", b"[0] x\n"))
        self.recorder(File("counters", base64.b64encode(b"an archive")))
        environment = json.loads((self.results.folder / "environment.json").read_text())
        self.assertEqual(environment["kernel"], "7.2.12")
        self.assertEqual(environment["cpu"], "TCG")
        self.assertEqual(environment["boots"]["cpus4"]["cmdline"], "a=b c")
        self.assertEqual(environment["boots"]["cpus4"]["kvm"], {"kvm.tdp_mmu": "Y"})
        self.assertEqual((self.results.folder / "dmesg.cpus4.txt").read_bytes(), b"[0] x\n")
        self.assertEqual((self.results.folder / "counters/cpus4.tgz").read_bytes(), b"an archive")

    def test_module_that_was_refused(self) -> None:
        self.recorder(File("environment", b"not_loaded.kvm_intel=invalid module format\n"))
        self.assertIn("boot cpus4: the kernel refused the module kvm_intel: invalid module format",
                      self.said.getvalue())
