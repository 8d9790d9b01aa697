# SPDX-License-Identifier: GPL-2.0-only
"""The runner as a whole, with scripts in the place of the tests."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from unittest import mock

from testbed import cli
from testbed.make import programs
from testbed.tests.support import FolderTest

TEST = """
case "$*" in *--list*)
	for case in one two; do printf 'NAME:%s\\tdefault\\t-\\t5\\tsummary of %s\\n' $case $case; done
	exit ;;
esac
printf '1..2\\n# run one (limit 5 s)\\nok 1 one\\n# run two (limit 5 s)\\n'
"""


class CliTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        tests = mock.patch.object(programs, "FOLDER", self.folder / "bin")
        tests.start()
        self.addCleanup(tests.stop)
        self.add_test("good_test", "echo ok 2 two")

    def add_test(self, name: str, end: str) -> None:
        self.script(name, TEST.replace("NAME", name) + end)

    def go(self, *arguments: str) -> int:
        command = ["run_tests.sh", "--out", str(self.folder / "out"), *arguments]
        with mock.patch.object(sys, "argv", command):
            return cli.main()

    def native(self, *arguments: str) -> int:
        return self.go("--on", "native", *arguments)

    def cases(self) -> dict[str, str]:
        results = json.loads(Path(self.folder / "out/latest/results.json").read_text())
        return {f"{test['name']}:{case['name']}": case["status"]
                for test in results["tests"] for case in test["cases"]}

    def test_backports_are_told(self) -> None:
        said = {"KTS_KVM_VERSION": "6.17", "KTS_FIXED": "E1,S1"}
        with mock.patch.dict(os.environ, said):
            self.assertEqual(self.native(), 0)
        environment = json.loads((self.folder / "out/latest/environment.json").read_text())
        self.assertEqual(environment["backports"], "KTS_KVM_VERSION=6.17 KTS_FIXED=E1,S1")
        with mock.patch.dict(os.environ, {"KTS_FIXED": "E1 S1"}):
            self.assertEqual(self.native(), 2)

    def test_jobs_follow_memory(self) -> None:
        """One for each CPU, as far as there is 1 GiB for each, but one in any case."""
        arguments = cli.parser().parse_args(["--on", "bochs"])
        for gib, wanted in ((100, 8), (3, 3), (0, 1)):
            with mock.patch("os.sched_getaffinity", return_value=range(8)), \
                    mock.patch("testbed.machine.host.available_memory", return_value=gib << 20):
                self.assertEqual(cli.jobs(arguments, "bochs"), wanted)
        arguments.jobs = 5
        self.assertEqual(cli.jobs(arguments, "bochs"), 5)

    def test_pass(self) -> None:
        self.assertEqual(self.native("--seed", "0x2a"), 0)
        self.assertEqual(self.cases(), {"good_test:one": "pass", "good_test:two": "pass"})
        environment = json.loads((self.folder / "out/latest/environment.json").read_text())
        self.assertEqual((environment["seed"], environment["on"]), ("0x2a", "native"))

    def test_fail(self) -> None:
        self.add_test("bad_test", "echo not ok 2 two; exit 1")
        self.assertEqual(self.native(), 1)
        self.assertEqual(self.cases()["bad_test:two"], "fail")
        self.assertEqual(self.cases()["good_test:two"], "pass")

    def test_fail_fast(self) -> None:
        self.add_test("bad_test", "echo not ok 2 two; exit 1")
        self.assertEqual(self.native("--fail-fast"), 1)
        self.assertNotIn("good_test:one", self.cases())

    def test_repeat(self) -> None:
        mark = self.folder / "second"
        self.add_test("flaky_test", f"if [ -e {mark} ]; then echo not ok 2 two; exit 1; fi\n"
                                    f"touch {mark}; echo ok 2 two")
        self.assertEqual(self.native("--repeat", "2", "--seed", "0x10"), 1)
        seeds = sorted(json.loads(path.read_text())["seed"]
                       for path in self.folder.glob("out/2*/environment.json"))
        self.assertEqual(seeds, ["0x10", "0x11"])
        self.assertIn("flaky: flaky_test: two\n", self.said.getvalue())
        self.assertIn("2 runs: 1 case flaky.", self.said.getvalue())
        self.assertEqual(self.native("--repeat", "0"), 2)

    def test_all_skipped(self) -> None:
        self.script("good_test", TEST.replace("NAME", "good_test").replace(
            "ok 1 one", "ok 1 one # SKIP none") + "echo 'ok 2 two # SKIP none'; exit 4")
        self.assertEqual(self.native(), 4)

    def test_broken(self) -> None:
        self.add_test("bad_test", "echo not ok 2 two '# ERROR no tracing'; exit 1")
        self.assertEqual(self.native(), 3)

    def test_list(self) -> None:
        self.assertEqual(self.native("--list", "--tests", "*:two"), 0)
        self.assertEqual(self.said.getvalue(), "good_test:two: summary of two\n")
        self.assertFalse((self.folder / "out").exists())

    def test_wrong_usage(self) -> None:
        self.assertEqual(self.native("--tests", "none"), 2)
        self.assertEqual(self.native("--kernel", "/"), 2)
        self.assertEqual(self.go("--on", "qemu", "--kernel", "/does/not/exist"), 2)
        self.assertEqual(self.go("--on", "qemu", "--modules", "/"), 2)
        self.assertEqual(self.go("--on", "qemu", "--modules", "/", "--kernel", "6.18"), 2)
        with mock.patch("sys.stderr"), self.assertRaises(SystemExit) as caught:
            self.go("--nonsense")
        self.assertEqual(caught.exception.code, 2)

    def test_native_installs_nothing(self) -> None:
        with mock.patch("testbed.make.packages.install") as install:
            self.native()
        install.assert_not_called()
