# SPDX-License-Identifier: GPL-2.0-only
"""LAVA's side of the suite, without LAVA: job templates, and what devices tell of cases."""

from __future__ import annotations

import io
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LAVA = Path(__file__).parent.parent / "lava"
sys.path[:0] = [str(LAVA), str(LAVA.parent.parent)]

from lab import (                                       # noqa: E402
    broken, check, root, scenarios, services, submit, template, view,
)
from lab.dut import Dut, files_of                        # noqa: E402
from lab.lavacli import Result, parse_results            # noqa: E402
from mutants import mutant                               # noqa: E402
from reports import ktap                                 # noqa: E402
from reports import lava as to_lava                      # noqa: E402
from reports.model import Case, Run, Status, Test        # noqa: E402
from testbed.errors import UsageError                    # noqa: E402
from testbed.make.kernel import Kernel                   # noqa: E402
from testbed.make.source import Source                   # noqa: E402

NEEDED = {
    "emulated": {"SUITE": "file:///suite"},
    "kselftest": {"SUITE": "file:///suite", "KERNEL": "http://lab/k", "RAMDISK": "http://lab/r",
                  "CMDLINE": "console=ttyS0"},
    "tdx-host": {"SUITE": "git@lab:suite", "DEVICE_TYPE": "host", "KERNEL": "http://lab/k",
                 "RAMDISK": "http://lab/r", "ROOTFS": "http://lab/fs"},
}


class Templates(unittest.TestCase):
    def test_all_of_them_can_be_filled(self) -> None:
        self.assertEqual(template.names(), sorted(NEEDED))
        for name, values in NEEDED.items():
            text = template.fill(name, values)
            self.assertNotRegex(text, r"@[A-Z_]+(=|@)", name)
            self.assertTrue(text.startswith(f'job_name: "kvm-tdx-selftests {name}"\n'))

    def test_values_and_defaults(self) -> None:
        text = template.fill("emulated", NEEDED["emulated"] | {"OPTIONS": "--tests a:b*"})
        self.assertIn('repository: "file:///suite"', text)
        self.assertIn('OPTIONS: "--tests a:b*"', text)
        self.assertIn('PROFILE: "quick"', text)
        self.assertIn("job: {minutes: 90}", text)

    def test_an_at_sign_in_a_value(self) -> None:
        self.assertIn('"git@lab:suite"', template.fill("tdx-host", NEEDED["tdx-host"]))

    def refuse(self, why: str, name: str, **values: str) -> None:
        with self.assertRaisesRegex(UsageError, why):
            template.fill(name, values)

    def test_what_cannot_be_filled(self) -> None:
        self.refuse("needs SUITE=...", "emulated")
        self.refuse("has no SIUTE", "emulated", SIUTE="x")
        self.refuse("no template is named nothing", "nothing")
        self.refuse("neither quotes", "emulated", SUITE='x"; y')

    def test_shards(self) -> None:
        jobs = template.shards("emulated", NEEDED["emulated"] | {"NAME": "night"}, 2)
        self.assertEqual([re.findall(r'(?:job_name|SHARD): "(.*)"', job) for job in jobs],
                         [["night 1/2", "1/2"], ["night 2/2", "2/2"]])

    def test_what_dut_prints_fits_the_template(self) -> None:
        values = Dut(Path("/nowhere"), "tested").values("http://lab/dut")
        text = template.fill("kselftest", values | {"SUITE": "file:///suite"})
        self.assertIn('url: "http://lab/dut/tested.bzImage"', text)
        self.assertIn('url: "http://lab/dut/tested.cpio"', text)
        self.assertIn('-append "console=ttyS0', text)

    def test_what_a_device_has(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            installed = Path(name)
            for path in ("run_kselftest.sh", "kvm/x86/tdx/a_test", "kselftest-packages/kselftest.tar.gz"):
                (installed / path).parent.mkdir(parents=True, exist_ok=True)
                (installed / path).touch()
            self.assertEqual(list(files_of(installed)), [
                "/opt/kselftest/kvm/x86/tdx/a_test", "/opt/kselftest/run_kselftest.sh"])

    def test_the_rack_runs_what_is_tried_here(self) -> None:
        """Jobs differ in deployment, boot and the device under test only."""
        def tests(name: str) -> str:
            text = (LAVA / f"{name}.yaml.in").read_text()
            return text[text.index("  - test:"):].replace("ON=native", "ON=auto")

        self.assertEqual(tests("tdx-host"), tests("emulated"))

    def test_the_definition_knows_every_parameter(self) -> None:
        for job, definition in (("emulated", "kvm-tdx-selftests"), ("kselftest", "kselftest")):
            given = re.findall(r'^ {12}"?([A-Z]+)"?: "', (LAVA / f"{job}.yaml.in").read_text(), re.M)
            text = (LAVA / f"{definition}.yaml").read_text()
            known = re.findall(r'^  "?([A-Z]+)"?:', text, re.M)
            self.assertEqual(sorted(given), sorted(known), job)
            self.assertEqual(set(re.findall(r"\$([A-Z]+)", text)), set(known))


class Device(unittest.TestCase):
    """The scripts for a device, with fake LAVA commands that record their calls."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.calls = self.folder / "calls"
        self.calls.touch()
        (self.folder / "bin").mkdir()
        for name in ("lava-test-case", "lava-test-reference", "lava-test-raise", "lava-test-set"):
            self.program(f"bin/{name}", f'echo "{name} $*" >>{self.calls}')
        self.program("bin/dmesg", ":")

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run_script(self, *command: str | Path) -> str:
        """The output of the script; its calls are in self.calls."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(command, env=os.environ | {"PATH": path, "LAVA_JOB_ID": "7"},
                              capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


class Kselftest(Device):
    def told(self, printed: str) -> list[str]:
        """The results that LAVA gets from this output of the kernel's runner."""
        (self.folder / "output").write_text(printed)
        self.program("run_kselftest.sh", 'cat output')
        shown = self.run_script(LAVA / "device/run_kselftest", self.folder)
        self.assertEqual(shown, printed)    # and all of it is shown
        return [call.removeprefix("lava-test-case ") for call in self.called()]

    def program_output(self, ktap_text: str, end: str) -> str:
        lines = "".join(f"# {line}\n" for line in ktap_text.splitlines())
        return (f"TAP version 13\n1..1\n# timeout set to 900\n"
                f"# selftests: kvm/x86/tdx: a_test\n{lines}{end}\n")

    def test_each_kind_of_result(self) -> None:
        printed = self.program_output(
            "KTAP version 1\n1..7\n# a_test: what it is about\n"
            "# run a.default (limit 20 s)\n# measure retries=500\n# measure seconds=0.250\nok 1 a.default\n"
            "# run b\nnot ok 2 b\n# run c\nok 3 c # SKIP needs a [thing]\n"
            "# run d\nok 4 d # XFAIL known\n# run e\nnot ok 5 e # ERROR broke\n"
            "# run f\nnot ok 6 f # TIMEOUT 20 s\n# run g-h\nok 7 g-h\n",
            "not ok 1 selftests: kvm/x86/tdx: a_test # exit=1")
        self.assertEqual(self.told(printed), [
            "a_test.a.default --result pass --measurement 0.250 --units s", "a_test.b --result fail",
            "a_test.c --result skip", "a_test.d --result fail", "a_test.e --result unknown",
            "a_test.f --result fail", "a_test.g-h --result pass", "lava-test-set start measurements",
            "a_test.a.default.retries --result pass --measurement 500 --units retries",
            "lava-test-set stop", "a_test --result fail"])

    def test_the_program_died(self) -> None:
        printed = self.program_output("1..3\n# run a\nok 1 a\n# run b\n",
                                      "not ok 1 selftests: kvm/x86/tdx: a_test # exit=139")
        self.assertEqual(self.told(printed), ["a_test.a --result pass", "a_test.b --result fail",
                                              "a_test --result fail"])

    def test_cases_are_missing(self) -> None:
        printed = self.program_output("1..3\n# run a\nok 1 a\n", "ok 1 selftests: kvm/x86/tdx: a_test")
        self.assertEqual(self.told(printed), ["a_test.a --result pass", "a_test --result unknown"])

    def test_all_skipped(self) -> None:
        printed = self.program_output("1..0 # SKIP no KVM\n",
                                      "ok 1 selftests: kvm/x86/tdx: a_test # SKIP")
        self.assertEqual(self.told(printed), ["a_test --result skip"])

    def test_the_kernel_died(self) -> None:
        printed = self.program_output("1..3\n# run a\nok 1 a\n# run b\n", "Kernel panic - not syncing")
        self.assertEqual(self.told(printed), ["a_test.a --result pass"])

    def test_as_the_reports_see_it(self) -> None:
        text = ("KTAP version 1\n1..3\n# run a\n# measure seconds=0.5\nok 1 a\n# run b\nnot ok 2 b\n"
                "# run c\nok 3 c # SKIP why\n")
        told = dict(line.split(" --result ") for line in
                    self.told(self.program_output(text, "not ok 1 selftests: kvm/x86/tdx: a_test # exit=1")))
        log = ktap.parse(text.encode(), "a_test")
        expected = to_lava.results([Run(tests=[log.test])])
        self.assertEqual({name: told[name].split()[0] for name in expected}, expected)


class RunTests(Device):
    """run_tests in a suite with a fake run_tests.sh."""

    RESULTS = """mkdir -p results/20260101T000000Z
echo report >results/20260101T000000Z/report.html
echo console >results/20260101T000000Z/console.tdx.log
"""

    def told(self, suite: str, artefacts: str = "") -> list[str]:
        self.program("scripts/lava/device/run_tests", "")
        (self.folder / "scripts/lava/device/run_tests").write_text((LAVA / "device/run_tests").read_text())
        self.program("run_tests.sh", suite)
        self.program("bin/python3", 'echo "lava-test-case of $*"')     # the output of reports.lava
        self.run_script(self.folder / "scripts/lava/device/run_tests", artefacts, "--profile", "quick")
        return [re.sub(r" --measurement \S+ --units cpu_seconds$", "", call) for call in self.called()]

    def test_cpu_time(self) -> None:
        """That of children's children, too."""
        self.told(self.RESULTS + "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done'")
        measured = re.fullmatch(r"lava-test-case run_tests --result pass --measurement (\S+) --units cpu_seconds",
                                self.called()[0])
        assert measured, self.called()
        self.assertGreater(float(measured[1]), 0.01)

    def test_options_reach_the_suite(self) -> None:
        self.told(f'echo "$*" >{self.calls}')
        self.assertEqual(self.called()[0], "--out results --profile quick")

    def test_passed(self) -> None:
        self.assertEqual(self.told(self.RESULTS), [
            "lava-test-case run_tests --result pass",
            "lava-test-case of -m reports.lava results/20260101T000000Z"])

    def test_failed_and_skipped(self) -> None:
        self.assertEqual(self.told(self.RESULTS + "exit 1")[0], "lava-test-case run_tests --result fail")
        self.calls.write_text("")
        self.assertEqual(self.told(self.RESULTS + "exit 4")[0], "lava-test-case run_tests --result skip")

    def test_it_never_began(self) -> None:
        self.assertEqual(self.told("exit 3"), [
            "lava-test-case run_tests --result fail",
            "lava-test-raise run_tests.sh-ended-with-3-before-it-began"])

    def test_artefacts(self) -> None:
        self.program("bin/curl", "exit 0")
        self.assertEqual(self.told(self.RESULTS, "http://lab/")[1:-1], [
            "lava-test-reference results.tar.gz --result pass --reference http://lab/job-7.results.tar.gz",
            "lava-test-reference 20260101T000000Z.report.html --result pass "
            "--reference http://lab/job-7.20260101T000000Z.report.html",
            "lava-test-reference 20260101T000000Z.console.tdx.log --result pass "
            "--reference http://lab/job-7.20260101T000000Z.console.tdx.log"])

    def test_artefacts_that_nobody_takes(self) -> None:
        self.program("bin/curl", "exit 22")
        self.assertIn("lava-test-case results.tar.gz --result fail", self.told(self.RESULTS, "http://lab/"))


class Units(unittest.TestCase):
    def test_command_of(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            files = Path(name)
            (files / "lib/systemd/system").mkdir(parents=True)
            (files / "lib/systemd/system/a.service").write_text(
                '[Service]\nEnvironment=LEVEL=DEBUG HOST="*" ARGS=\nEnvironmentFile=-/etc/a\n'
                "EnvironmentFile=-/etc/not-there\nExecStart=/bin/a --level $LEVEL --host $HOST $ARGS -x\n")
            (files / "etc").mkdir()
            (files / "etc/a").write_text('# LEVEL="no"\nLEVEL="INFO"\n')
            self.assertEqual(services.command_of("a.service", {"ARGS": "--name one"}, files),
                             ["/bin/a", "--level", "INFO", "--host", "*", "--name", "one", "-x"])


class Root(unittest.TestCase):
    def test_how_to_fetch_is_this_machines_apt(self) -> None:
        self.assertEqual(root.fetching_options(
            'Acquire::http::Proxy "http://proxy:3128";\nAcquire::Languages "en";\n'
            'Acquire::https "";\nAcquire::Check-Date "false";\nAPT::Architecture "amd64";\n'),
            ['Acquire::http::Proxy "http://proxy:3128"', 'Acquire::Check-Date "false"'])

    @unittest.skipUnless(os.geteuid() == 0, "namespaces need root")
    def test_a_killed_parent_leaves_no_process(self) -> None:
        """Daemons of the namespace, too; each holds the pipe open for as long as it lives."""
        command = [*root.in_namespaces("--mount", "--pid"), "sh", "-c",
                   "setsid sleep 600 & echo ready; wait"]
        parent = subprocess.Popen([sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])",
                                   *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        self.assertEqual(parent.stdout.readline(), "ready\n")
        parent.kill()
        self.assertEqual(parent.communicate(timeout=60)[0], "")

    def test_the_suite_can_run_in_it(self) -> None:
        self.assertLessEqual({"qemu-system-x86", "g++", "zstd", "lava-server", "tini"}, set(root.wanted()))


class Nightly(unittest.TestCase):
    def test_the_command_of_the_documentation(self) -> None:
        """Options stand between the template and its values."""
        text = (LAVA.parent.parent / "docs/lab.md").read_text()
        command = re.search(r"scripts/lava/nightly (.*?)\n\n", text, re.DOTALL)
        assert command
        words = shlex.split(command[1].replace("\\\n", " "))
        found = submit.parser().parse_intermixed_args(words)
        self.assertEqual((found.template, found.shards), ("emulated", 4))
        self.assertEqual(template.parse(found.values)["PROFILE"], "full")


class Broken(unittest.TestCase):
    def test_kept_modules_are_loaded_in_their_order(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = [folder / name for name in ("bzImage", "kvm.ko", "kvm-intel.ko", "a.ko")]
            for file in files:
                file.touch()
            origin = Source(folder, "linux 1.2", fixed=True)
            broken.keep(Kernel(files[0], "linux 1.2", modules=tuple(files[1:])), broken.empty(folder / "kept"))
            kept = broken.kept(folder / "kept", origin)
        self.assertEqual([path.name for path in (kept.image, *kept.modules)], [path.name for path in files])

    def test_the_bug_is_in_the_catalogue_and_its_case_in_the_suite(self) -> None:
        self.assertIn(broken.FAILING, [one.id for one in mutant.load()])
        program = LAVA.parent.parent / f"tools/testing/selftests/kvm/x86_64/tdx/{scenarios.PROGRAM}.c"
        self.assertTrue(f'"{broken.FAILING_CASE}"' in program.read_text())


class View(unittest.TestCase):
    """A browser sees the web server behind the port, until somebody presses Enter."""

    def test_both_directions(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as web, view.listener() as port:
            read, write = os.pipe()
            seen: list[bytes] = []

            def browse() -> None:
                with socket.create_connection(port.getsockname()) as browser:
                    server, _ = web.accept()
                    with server:
                        browser.sendall(b"question")
                        seen.append(server.recv(100))
                        server.sendall(b"answer")
                    seen.append(browser.recv(100))
                    seen.append(browser.recv(100))      # the server hung up
                os.write(write, b"\n")

            thread = threading.Thread(target=browse)
            thread.start()
            with os.fdopen(read) as stdin, unittest.mock.patch("sys.stdin", stdin), \
                    unittest.mock.patch("sys.stdout", io.StringIO()):
                view.until_enter(port, "Enter ends it. ", web.getsockname())
            thread.join()
            os.close(write)
        self.assertEqual(seen, [b"question", b"answer", b""])


class Once(unittest.TestCase):
    def test_threads_that_ask_at_once(self) -> None:
        calls: list[int] = []
        barrier = threading.Barrier(4)

        def make() -> int:
            calls.append(0)
            return len(calls)

        made = scenarios.once(make)

        def ask(_: int) -> int:
            barrier.wait()
            return made()

        with ThreadPoolExecutor(4) as threads:
            self.assertEqual(list(threads.map(ask, range(4))), [1] * 4)
        self.assertEqual(len(calls), 1)


class Comparison(unittest.TestCase):
    """LAVA's results against the suite's."""

    RUN = Run(tests=[Test("a_test", cases=[
        Case("x", Status.PASS, seconds=0.25, measurements={"retries": 5, "seconds": 0.25}),
        Case("y", Status.SKIP)])])
    WHOLE = [
        Result("lava", "job", "pass"), Result("0_kvm-tdx-selftests", "run_tests", "pass"),
        Result("0_kvm-tdx-selftests", "a_test.x", "pass", measurement="0.2500000000", units="s"),
        Result("0_kvm-tdx-selftests", "a_test.y", "skip", measurement="0E-10", units="s"),
        Result("0_kvm-tdx-selftests", "a_test.x.retries", "pass", "measurements", "5.0000000000", "retries"),
        Result("0_kvm-tdx-selftests", "report.html", "pass", reference="http://lab/report.html")]

    def test_alike(self) -> None:
        self.assertEqual(check.compare_run([self.RUN], self.WHOLE), [])

    def complaints(self, *change: Result, without: int | None = None) -> list[str]:
        rows = [row for index, row in enumerate(self.WHOLE) if index != without]
        return check.compare_run([self.RUN], [*rows, *change])

    def test_what_differs(self) -> None:
        self.assertIn("a_test.y is not there", self.complaints(without=3))
        self.assertIn("a_test.y is there 2 times", self.complaints(self.WHOLE[3]))
        suite = "0_kvm-tdx-selftests"
        self.assertIn("a_test.z is there and should not", self.complaints(Result(suite, "a_test.z", "pass")))
        self.assertIn("a_test.y: pass, not skip",
                      self.complaints(Result(suite, "a_test.y", "pass"), without=3))
        self.assertEqual(self.complaints(without=4), ["a_test.x.retries measures None, not (5.0, 'retries')"])

    def test_whole_and_merged(self) -> None:
        def run(*cases: Case) -> Run:
            return Run(tests=[Test("a_test", cases=list(cases))])

        whole = run(Case("x", Status.PASS), Case("x", Status.PASS, boot="tdx"), Case("y", Status.SKIP))
        self.assertEqual(check.compare_cases(whole, run(*reversed(whole.tests[0].cases))), [])
        self.assertEqual(
            check.compare_cases(whole, run(Case("x", Status.PASS), Case("y", Status.PASS), Case("y", Status.SKIP))),
            ["a_test:x [tdx] pass is only in the whole run", "a_test:y pass is only in the merged run"])

    def test_what_lavacli_prints(self) -> None:
        printed = ('[{"suite": "0_a", "name": "x", "result": "pass", "measurement": "0.1000000000", '
                   '"unit": "s", "metadata": {"set": "m", "reference": "http://lab/x"}},'
                   '{"suite": "lava", "name": "job", "result": "fail", "measurement": "None", "unit": ""}]')
        self.assertEqual(parse_results(printed), [
            Result("0_a", "x", "pass", "m", "0.1000000000", "s", "http://lab/x"),
            Result("lava", "job", "fail", measurement="None")])


if __name__ == "__main__":
    unittest.main()
