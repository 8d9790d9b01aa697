# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree as ET

from reports import html, junit, results_json, summary
from reports.load import load
from reports.model import Case, Run, Status, Test
from reports.write import write

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "sample" / "20260101T120000Z"


class Junit(unittest.TestCase):
    def setUp(self) -> None:
        self.root = ET.fromstring(junit.render(load(SAMPLE)).encode())

    def test_counts(self) -> None:
        counts = {key: self.root.get(key) for key in ("tests", "failures", "errors", "skipped")}
        self.assertEqual(counts, {"tests": "17", "failures": "4", "errors": "4", "skipped": "3"})
        self.assertEqual([suite.get("name") for suite in self.root],
                         ["map_level_test", "map_retry_test", "harness"])

    def test_cases(self) -> None:
        cases = {case.get("name"): case for case in self.root.iter("testcase")}
        self.assertEqual(len(cases), 17)
        failure = cases["thp_2m.default"].find("failure")
        assert failure is not None
        self.assertEqual(failure.get("message"), "map_level_test.c:88: level of gfn 0x40000")
        self.assertIn("expected 2M, got 4K", failure.text or "")
        self.assertIsNotNone(cases["lost.default"].find("error"))
        self.assertIsNotNone(cases["legacy_2m.default [legacy_mmu]"].find("failure"))
        skipped = cases["root_reload.default"].find("skipped")
        assert skipped is not None
        self.assertIn("known issue: L1", skipped.get("message", ""))
        self.assertEqual(cases["loop.default"].get("time"), "2.010")

    def test_timestamp(self) -> None:
        self.assertEqual(self.root[0].get("timestamp"), "2026-01-01T12:00:00")

    def test_what_xml_cannot_carry(self) -> None:
        nasty = "".join(map(chr, range(0x20))) + "\ufffe\ud800]]><&\""
        case = Case(nasty, Status.FAIL, nasty, diagnostics=[nasty])
        run = Run(environment={nasty: nasty}, tests=[Test(nasty, cases=[case])], deaths=[nasty])
        ET.fromstring(junit.render(run).encode())


class Html(unittest.TestCase):
    def test_stands_alone(self) -> None:
        text = html.render(load(SAMPLE))
        self.assertNotRegex(text, r"(?i)\b(src|href)\s*=|url\(|@import|https?:")

    def test_escapes(self) -> None:
        text = html.render(load(SAMPLE))
        self.assertEqual(text.count("<script>"), 1)
        self.assertIn("&lt;script&gt;alert", text)

    def test_order(self) -> None:
        text = html.render(load(SAMPLE))
        titles = re.findall("<h[12]>(.*?)</h[12]>", text)
        self.assertEqual(titles, [
            "FAILED: 3 of 16 cases failed and the kernel crashed.", "The run itself",
            "Failures", "Errors: not judged", "Known issues",
            "Why cases were skipped", "Measurements", "Every case", "Environment", "Boots",
            "Irregular test output"])

    def test_tags_match(self) -> None:
        for run in (load(SAMPLE), Run(), Run(tests=[Test("t", notes=["odd"])])):
            Balanced(self).feed(html.render(run))

    def test_how_to_run_it_again(self) -> None:
        self.assertIn("./run_tests.sh --tests map_level_test:thp_2m.default --seed 4660",
                      html.render(load(SAMPLE)))


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = ("meta", "input")

    def __init__(self, test: unittest.TestCase) -> None:
        super().__init__()
        self._test = test
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._test.assertEqual(self._open.pop(), tag)


class Summary(unittest.TestCase):
    def test_table(self) -> None:
        lines = summary.render(load(SAMPLE)).splitlines()
        self.assertEqual(lines[:4], [
            "test            pass  fail  skip  xfail  error    time",
            "map_level_test     3     2     1      0      3  0.30 s",
            "map_retry_test     3     1     1      1      1  4.92 s",
            "all                6     3     2      1      4  5.23 s"])
        self.assertEqual(lines[-1], "FAILED: 3 of 16 cases failed and the kernel crashed.")

    def test_failure_tells_expected_and_seen(self) -> None:
        self.assertIn("  map_level_test: thp_2m.default\n"
                      "      map_level_test.c:88: level of gfn 0x40000\n"
                      "      expected 2M, got 4K\n", summary.render(load(SAMPLE)))

    def test_cases_not_run_take_one_line(self) -> None:
        self.assertIn("legacy_1g.default [legacy_mmu] and 2 more\n", summary.render(load(SAMPLE)))

    def test_skip_reasons_are_counted(self) -> None:
        cases = [Case("a", Status.SKIP, "no node 1"), Case("b", Status.SKIP, "no TDX"),
                 Case("c", Status.SKIP, "no TDX")]
        text = summary.render(Run(tests=[Test("t", cases=cases)]))
        self.assertIn("skipped:\n      2 no TDX\n      1 no node 1\n", text)

    def test_empty(self) -> None:
        self.assertEqual(summary.render(Run()), "ERROR: no case was run.\n")

    def test_progress_line(self) -> None:
        self.assertEqual(summary.progress_line("map_test", Case("a", seconds=0.034)),
                         "  ok    map_test: a (0.03 s)")
        case = Case("b", Status.FAIL, "wrong level", 1, boot="small", expected="2M", seen="4K")
        self.assertEqual(summary.progress_line("map_test", case),
                         "  FAIL  map_test: b [small] (1.00 s): wrong level: expected 2M, got 4K")
        self.assertIn("\x1b[31mFAIL", summary.progress_line("map_test", case, colour=True))

    def test_colour_only_on_a_terminal(self) -> None:
        terminal = mock.Mock(isatty=lambda: True)
        self.assertFalse(summary.wants_colour(io.StringIO()))
        with mock.patch.dict("os.environ", {"TERM": "xterm"}, clear=True):
            self.assertTrue(summary.wants_colour(terminal))
        with mock.patch.dict("os.environ", {"NO_COLOR": "1"}):
            self.assertFalse(summary.wants_colour(terminal))


class Written(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name) / SAMPLE.name
        shutil.copytree(SAMPLE, self.folder)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "reports", *arguments], cwd=ROOT,
                              capture_output=True, text=True, check=False)

    def test_again_gives_the_same(self) -> None:
        names = ("results.json", "junit.xml", "report.html")
        write(self.folder)
        first = [(self.folder / name).read_bytes() for name in names]
        run = write(self.folder)
        self.assertEqual([(self.folder / name).read_bytes() for name in names], first)
        self.assertEqual(results_json.parse(first[0].decode()).summary, run.summary)

    def test_command(self) -> None:
        done = self.command(str(self.folder))
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertTrue(done.stdout.endswith("the kernel crashed.\n"))
        data = json.loads((self.folder / "results.json").read_text())
        self.assertEqual((data["exit"], data["summary"]["error"]), (1, 4))

    def test_usage(self) -> None:
        self.assertEqual(self.command().returncode, 2)
        self.assertEqual(self.command(str(self.folder / "none")).returncode, 2)
        self.assertEqual(self.command("--help").returncode, 0)

    def test_without_jinja2(self) -> None:
        code = ("import runpy, sys; sys.modules['jinja2'] = None;"
                "runpy.run_module('reports', run_name='__main__')")
        done = subprocess.run([sys.executable, "-c", code, str(self.folder)], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("python3-jinja2", done.stderr)
        self.assertTrue((self.folder / "junit.xml").exists())
        self.assertFalse((self.folder / "report.html").exists())


if __name__ == "__main__":
    unittest.main()
