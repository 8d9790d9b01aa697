# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from reports.load import load, write_plan
from reports.model import Boot, Exit, Outcome, Planned, Run, Status

A, B, C = "# run a\nok 1 a\n", "# run b\nok 2 b\n", "# run c\nok 3 c\n"


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        (self.folder / "ktap").mkdir()

    def ktap(self, text: str, name: str = "one_test", boot: str = "default") -> None:
        (self.folder / "ktap" / f"{name}.{boot}.ktap").write_text("KTAP version 1\n" + text)

    def load(self, outcome: Outcome, *tests: Planned) -> Run:
        write_plan(self.folder, [Boot(outcome=outcome, detail="said so", tests=list(tests))])
        return load(self.folder)

    def one(self, outcome: Outcome, text: str, end: int | None) -> Run:
        self.ktap(text)
        return self.load(outcome, Planned("one_test", ["a", "b", "c"], end))

    def assert_cases(self, run: Run, *expected: tuple[str, Status, str]) -> None:
        self.assertEqual([(case.name, case.status, case.reason) for _, case in run.cases()],
                         list(expected))


class Ended(Folder):
    def test_all_reported(self) -> None:
        run = self.one(Outcome.OK, "1..3\n" + A + B + C, 0)
        self.assert_cases(run, ("a", Status.PASS, ""), ("b", Status.PASS, ""),
                          ("c", Status.PASS, ""))
        self.assertEqual((run.problems, run.deaths, run.exit_code), ([], [], Exit.PASSED))

    def test_cases_apart(self) -> None:
        """A program that ran once for each of its cases, in one boot."""
        boots = []
        for name in ("a.tdx", "b.tdx"):
            self.ktap(f"1..1\n# run {name}\nok 1 {name}\n", boot=f"tdx.{name}")
            boots.append(Boot("tdx", outcome=Outcome.OK, part=name,
                              tests=[Planned("one_test", [name], 0)]))
        write_plan(self.folder, boots)
        run = load(self.folder)
        self.assert_cases(run, ("a.tdx", Status.PASS, ""), ("b.tdx", Status.PASS, ""))
        self.assertEqual([case.boot for _, case in run.cases()], ["tdx", "tdx"])
        self.assertEqual((len(run.tests), run.problems), (1, []))

    def test_program_died_during_a_case(self) -> None:
        run = self.one(Outcome.OK, "1..3\n" + A + "# run b\n# measure retries=3\n", 139)
        why = "the test program ended early with status 139"
        self.assert_cases(run, ("a", Status.PASS, ""),
                          ("b", Status.FAIL, f"test program died during this case: {why}"),
                          ("c", Status.ERROR, f"not run: {why}"))
        self.assertEqual(run.tests[0].cases[1].measurements, {"retries": 3})

    def test_program_stopped_between_cases(self) -> None:
        run = self.one(Outcome.OK, "1..3\n" + A + B, 0)
        self.assertEqual(run.tests[0].cases[2].status, Status.ERROR)
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_lost_result_line(self) -> None:
        run = self.one(Outcome.OK, "1..3\n" + A + "# run b\n" + C, 0)
        self.assert_cases(run, ("a", Status.PASS, ""), ("c", Status.PASS, ""),
                          ("b", Status.ERROR, "its result line was lost"))

    def test_bail_out(self) -> None:
        run = self.one(Outcome.OK, "1..3\n" + A + "# run b\nBail out! no tracefs\n", 1)
        self.assertEqual(run.tests[0].count(Status.ERROR), 2)
        self.assertEqual(run.tests[0].cases[1].reason, "the test bailed out: no tracefs")
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_no_output(self) -> None:
        run = self.load(Outcome.OK, Planned("one_test", ["a"], 127))
        self.assert_cases(run, ("a", Status.ERROR, "not run: the test program said nothing"))

    def test_no_output_and_no_cases(self) -> None:
        run = self.load(Outcome.OK, Planned("one_test", [], None))
        self.assertEqual(run.problems, ["boot default: one_test: has no case at all"])

    def test_all_skipped_at_once(self) -> None:
        run = self.one(Outcome.OK, "1..0 # SKIP no /dev/kvm\n", 4)
        self.assertEqual({case.reason for _, case in run.cases(Status.SKIP)}, {"no /dev/kvm"})
        self.assertEqual(run.exit_code, Exit.SKIPPED)

    def test_results_that_cannot_be_whole(self) -> None:
        for text, status, doubt in (
                ("1..4\n" + A + B + C, 0, "1 of 4 cases without a result"),
                ("1..3\n" + A + B + C, 139, "ended with status 139 after its last case"),
                ("1..3\n" + A + B + C, 1, "its exit status 1 contradicts its results"),
                ("1..3\n" + A + B + C + "Bail out! late\n", 0, "bailed out: late")):
            run = self.one(Outcome.OK, text, status)
            self.assertEqual(run.problems, [f"boot default: one_test: {doubt}"])
            self.assertEqual(run.exit_code, Exit.ERROR)


class Died(Folder):
    def test_during_a_case(self) -> None:
        for outcome, word in ((Outcome.PANIC, "panicked"), (Outcome.HANG, "hung"),
                              (Outcome.DIED, "died")):
            run = self.one(outcome, "1..3\n" + A + "# run b\n# last words\n", None)
            self.assert_cases(
                run, ("a", Status.PASS, ""),
                ("b", Status.FAIL, f"the kernel under test {word} during this case"),
                ("c", Status.ERROR, f"not run: the machine {word} before"))
            self.assertEqual(run.deaths, [f"boot default: the kernel under test {word}: said so"])
            self.assertEqual(run.exit_code, Exit.FAILED)

    def test_an_earlier_program_is_not_blamed_on_the_kernel(self) -> None:
        self.ktap("1..1\n# run a\n", "one_test")
        self.ktap("1..1\n# run b\n", "two_test")
        run = self.load(Outcome.PANIC, Planned("one_test", ["a"], None),
                        Planned("two_test", ["b"]), Planned("three_test", ["c"]))
        self.assert_cases(
            run,
            ("a", Status.FAIL,
             "test program died during this case: the test program ended early"),
            ("b", Status.FAIL, "the kernel under test panicked during this case"),
            ("c", Status.ERROR, "not run: the machine panicked before"))

    def test_after_the_last_case(self) -> None:
        run = self.one(Outcome.HANG, "1..3\n" + A + B + C, 0)
        self.assertEqual(run.count(Status.PASS), 3)
        self.assertEqual(run.exit_code, Exit.FAILED)

    def test_before_the_first_test(self) -> None:
        plan = Planned("one_test", ["a"])
        self.assertEqual(self.load(Outcome.PANIC, plan).exit_code, Exit.FAILED)
        run = self.load(Outcome.HANG, plan)
        self.assertEqual(run.problems, ["boot default: hung before the first test: said so"])
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_runner_died(self) -> None:
        run = self.one(Outcome.RUNNING, "1..3\n" + A + "# run b\n", None)
        self.assert_cases(run, ("a", Status.PASS, ""),
                          ("b", Status.ERROR, "the runner ended during this case"),
                          ("c", Status.ERROR, "not run: the runner ended before"))
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_somebody_killed_the_emulator(self) -> None:
        run = self.one(Outcome.ERROR, "1..3\n" + A + "# run b\n", None)
        self.assert_cases(run, ("a", Status.PASS, ""),
                          ("b", Status.ERROR, "during this case: said so"),
                          ("c", Status.ERROR, "not run: said so"))
        self.assertEqual(run.problems, ["boot default: did not come to its end: said so"])
        self.assertEqual(run.exit_code, Exit.ERROR)

    def test_no_boot(self) -> None:
        run = self.load(Outcome.ERROR, Planned("one_test", ["a"]))
        self.assert_cases(run, ("a", Status.ERROR, "not run: said so"))
        self.assertEqual(run.problems, ["boot default: could not be booted: said so"])


class Folders(Folder):
    def test_boots_are_merged(self) -> None:
        self.ktap("1..1\n" + A)
        self.ktap("1..1\n# run b\nok 1 b\n", boot="nested_off")
        write_plan(self.folder, [
            Boot("default", outcome=Outcome.OK, tests=[Planned("one_test", ["a"], 0)]),
            Boot("nested_off", outcome=Outcome.OK, tests=[Planned("one_test", ["b"], 0)])])
        run = load(self.folder)
        [test] = run.tests
        self.assertEqual([case.label for case in test.cases], ["a", "b [nested_off]"])
        self.assertEqual(run.exit_code, Exit.PASSED)

    def test_plan_as_the_runner_may_write_it(self) -> None:
        """Only the keys that the format requires."""
        self.ktap("1..1\n" + A)
        (self.folder / "environment.json").write_text('{"seed": 7}')
        for key in ("boot", "variant"):     # older runs have the latter
            (self.folder / "plan.json").write_text(json.dumps({"boots": [
                {key: "default", "on": "native", "outcome": "ok", "detail": "", "seconds": 1,
                 "tests": [{"name": "one_test", "cases": ["a"]}], "console": ""}]}))
            run = load(self.folder)
            self.assertEqual(run.environment, {"seed": 7})
            self.assertEqual(run.exit_code, Exit.PASSED)

    def test_unusable_plan(self) -> None:
        self.ktap("1..1\n" + A)
        for text in (b"", b"{", b"[]", b'{"boots": [{}]}', b'{"boots": [{"outcome": "ok"}]}',
                     b'{"boots": 3}', b"\xff", b'{"boots": ["x"]}'):
            (self.folder / "plan.json").write_bytes(text)
            run = load(self.folder)
            self.assertEqual(run.count(Status.PASS), 1)
            self.assertEqual(len(run.problems), 2)
            self.assertEqual(run.exit_code, Exit.ERROR)

    def test_empty_folder(self) -> None:
        self.assertEqual(load(self.folder).exit_code, Exit.ERROR)
        self.assertEqual(load(self.folder / "none").exit_code, Exit.ERROR)


if __name__ == "__main__":
    unittest.main()
