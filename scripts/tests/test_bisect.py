# SPDX-License-Identifier: GPL-2.0-only
"""What one run says of a kernel."""

from __future__ import annotations

import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any


def script(name: str) -> ModuleType:
    path = Path(__file__).parent.parent / name
    spec = spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bisect = script("bisect")
GOOD, BAD, SKIP, ABORT = bisect.Verdict
OK = [{"outcome": "ok", "detail": ""}]
PANIC = [{"outcome": "panic", "detail": "Kernel panic"}]


def results(*statuses: str) -> dict[str, Any]:
    cases = [{"name": f"case{i}", "status": status, "reason": "why"}
             for i, status in enumerate(statuses)]
    return {"tests": [{"name": "a_test", "cases": cases}]}


class JudgeTest(unittest.TestCase):
    def verdict(self, code: int, *statuses: str, boots: list[dict[str, Any]] = OK) -> Any:
        return bisect.judge(code, results(*statuses), boots)[0]

    def test_passed(self) -> None:
        self.assertIs(self.verdict(0, "pass", "pass"), GOOD)

    def test_some_skipped(self) -> None:
        self.assertIs(self.verdict(0, "pass", "skip"), GOOD)

    def test_failed(self) -> None:
        self.assertIs(self.verdict(1, "pass", "fail"), BAD)

    def test_known_issue_shows(self) -> None:
        """Bisect a known issue, too, when the user asks for it."""
        self.assertIs(self.verdict(0, "xfail"), BAD)

    def test_died_in_the_case(self) -> None:
        self.assertIs(self.verdict(1, "fail", boots=PANIC), BAD)

    def test_does_not_boot(self) -> None:
        self.assertIs(self.verdict(1, "error", boots=PANIC), SKIP)

    def test_all_skipped(self) -> None:
        self.assertIs(self.verdict(4, "skip"), SKIP)

    def test_does_not_build(self) -> None:
        self.assertIs(bisect.judge(5, None, [])[0], SKIP)

    def test_harness_error(self) -> None:
        self.assertIs(self.verdict(3, "error"), ABORT)
        self.assertIs(bisect.judge(3, None, [])[0], ABORT)

    def test_failure_beats_error(self) -> None:
        self.assertIs(self.verdict(1, "error", "fail"), BAD)


class OptionsTest(unittest.TestCase):
    def test_bad_command_lines(self) -> None:
        for words in ([], ["good"], ["good", "bad"], ["good", "bad", "--", "--seed", "1"],
                      ["--step", "good", "bad", "--", "--tests", "x"]):
            with self.subTest(words), self.assertRaises(SystemExit) as caught:
                bisect.parse(words)
            self.assertEqual(caught.exception.code, 2)

    def test_options_go_to_run_tests(self) -> None:
        args = bisect.parse(["v1", "v2", "--runs", "3", "--", "--tests", "x:y", "--seed", "1"])
        self.assertEqual((args.good, args.bad, args.runs), ("v1", "v2", 3))
        self.assertEqual(args.options, ["--tests", "x:y", "--seed", "1"])


if __name__ == "__main__":
    unittest.main()
