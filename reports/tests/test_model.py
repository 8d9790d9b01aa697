# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import unittest

from reports import results_json
from reports.model import Boot, Case, Exit, Outcome, Planned, Run, Status, Test


def run_of(*statuses: Status, **fields: list[str]) -> Run:
    cases = [Case(f"case{number}", status) for number, status in enumerate(statuses)]
    return Run(tests=[Test("some_test", cases=cases)], **fields)  # type: ignore[arg-type]


class ExitCode(unittest.TestCase):
    def check(self, run: Run, code: Exit, verdict: str) -> None:
        self.assertEqual(run.exit_code, code)
        self.assertEqual(run.verdict, verdict)

    def test_passed(self) -> None:
        run = run_of(Status.PASS, Status.SKIP, Status.XFAIL)
        self.check(run, Exit.PASSED,
                   "PASSED: 1 of 3 cases passed, 1 skipped, 1 hit a known issue.")

    def test_a_failure_outweighs_a_harness_error(self) -> None:
        run = run_of(Status.PASS, Status.FAIL, Status.ERROR, problems=["no console"])
        self.check(run, Exit.FAILED, "FAILED: 1 of 3 cases failed.")

    def test_dead_kernel(self) -> None:
        self.check(run_of(Status.PASS, deaths=["boot default: panicked"]), Exit.FAILED,
                   "FAILED: the kernel crashed.")

    def test_error(self) -> None:
        self.check(run_of(Status.ERROR, Status.PASS), Exit.ERROR,
                   "ERROR: 1 of 2 cases could not be judged, none failed.")
        self.check(run_of(Status.PASS, problems=["no console"]), Exit.ERROR,
                   "ERROR: no case failed, but the run is incomplete.")

    def test_empty_is_error(self) -> None:
        self.check(Run(), Exit.ERROR, "ERROR: no case was run.")
        self.check(run_of(), Exit.ERROR, "ERROR: no case was run.")

    def test_all_skipped(self) -> None:
        self.check(run_of(Status.SKIP), Exit.SKIPPED, "SKIPPED: nothing was tested, 1 case skipped.")
        self.assertEqual(run_of(Status.SKIP, Status.XFAIL).exit_code, Exit.PASSED)


class ResultsJson(unittest.TestCase):
    def test_round_trip(self) -> None:
        case = Case("a", Status.FAIL, "wrong", 0.5, {"retries": 3}, "nested_off", "1", "2", ["x"])
        boot = Boot("nested_off", "qemu", Outcome.OK, "", 2.5, "console.nested_off.log",
                    [Planned("some_test")])
        run = Run("20260101T000000Z", {"seed": 1, "cpu": {"count": 4}},
                  [Test("some_test", "does things", [case, Case("b")], ["odd"])],
                  [boot], ["died"], ["problem"])
        self.assertEqual(results_json.parse(results_json.render(run)), run)

    def test_schema(self) -> None:
        data = run_of(Status.PASS, Status.XFAIL).to_json()
        self.assertEqual(data["schema"], 3)
        self.assertEqual(data["summary"],
                         {"pass": 1, "fail": 0, "skip": 0, "xfail": 1, "error": 0})
        self.assertEqual(data["tests"][0]["cases"][0],
                         {"name": "case0", "status": "pass", "reason": "", "seconds": 0.0,
                          "measurements": {}})

    def test_older_word(self) -> None:
        """Results of schema 1 say "broken" where today's say "error"."""
        data = run_of(Status.ERROR).to_json()
        data["boots"] = [Boot(outcome=Outcome.ERROR).to_json() | {"outcome": "broken"}]
        data["schema"], data["tests"][0]["cases"][0]["status"] = 1, "broken"
        run = Run.from_json(data)
        self.assertIs(run.tests[0].cases[0].status, Status.ERROR)
        self.assertIs(run.boots[0].outcome, Outcome.ERROR)
        with self.assertRaises(ValueError):
            Status("other")

    def test_older_key(self) -> None:
        """Results of schema 2 call the boot of a case, and a boot itself, its variant."""
        case = Case("a", boot="tdx")
        today = Run("x", tests=[Test("t", cases=[case])], boots=[Boot("tdx", outcome=Outcome.OK)])
        text = json.dumps(today.to_json() | {"schema": 2}).replace('"boot":', '"variant":')
        self.assertEqual(text.count('"variant": "tdx"'), 2)
        self.assertEqual(Run.from_json(json.loads(text)), today)

    def test_other_schema_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            Run.from_json({"schema": 4})


if __name__ == "__main__":
    unittest.main()
