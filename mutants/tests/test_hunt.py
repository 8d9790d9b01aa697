# SPDX-License-Identifier: GPL-2.0-only
"""Many mutants: what is left out, what is resumed, what is said in the end."""

from __future__ import annotations

import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from mutants import cli, hunt, report
from mutants.hunt import Hunt, shard, summary
from mutants.mutant import Edit, Mutant
from mutants.trial import Kill
from mutants.verdict import BROKEN_BUILD, GAP, KILLED, SURVIVED, Store, Verdict
from testbed.errors import HarnessError

KILL = Kill("a_test", "x", "default", "fail", "expected 1, got 2")


def mutant(name: str, status: str = "killable", vm: str = "default") -> Mutant:
    edit = Edit(Path("x.c"), "f", ("a",), "b")
    return Mutant(name, f"title of {name}", "symptom", (vm,), (edit,), status=status,
                  argument="because" if status == "equivalent" else "")


class FakeJudge:
    def __init__(self, *known: Verdict, fail: str = "", tough: str = "") -> None:
        self.known_verdicts = {verdict.id: verdict for verdict in known}
        self.judged: list[str] = []
        self._fail = fail
        self._tough = tough     # only the whole suite kills it
        self._lock = threading.Lock()

    def known(self, mutant: Mutant) -> Verdict | None:
        return self.known_verdicts.get(mutant.id)

    def compared(self, mutant: Mutant) -> bool:
        known = self.known(mutant)
        return known is not None and known.upstream is not None

    def judge(self, mutant: Mutant, *, whole: bool, compare: bool, again: bool) -> Verdict | None:
        if mutant.id == self._fail:
            raise HarnessError("no disk")
        with self._lock:
            self.judged.append(mutant.id)
        if mutant.id == self._tough and not whole:
            return None
        return Verdict(mutant.id, KILLED, KILL, upstream={"t": "fail"} if compare else None)


MUTANTS = [mutant(f"M{number}") for number in range(1, 6)]


class HuntTest(unittest.TestCase):
    def setUp(self) -> None:
        self.said: list[str] = []

    def hunt(self, judge: FakeJudge, jobs: int = 2, compare: bool = False, again: bool = False,
             until: float = float("inf"), whole: bool = True) -> list[Verdict]:
        return Hunt(judge, MUTANTS, jobs=jobs, compare=compare, again=again,
                    say=self.said.append, until=until, whole=whole).run()

    def test_all_in_order(self) -> None:
        verdicts = self.hunt(FakeJudge())
        self.assertEqual([verdict.id for verdict in verdicts], [each.id for each in MUTANTS])
        self.assertEqual(len(self.said), 5)
        self.assertIn("killed by a_test:x", self.said[0])

    def test_known_verdicts_are_kept(self) -> None:
        judge = FakeJudge(Verdict("M2", SURVIVED))
        self.assertEqual(self.hunt(judge)[1].verdict, SURVIVED)
        self.assertEqual(sorted(judge.judged), ["M1", "M3", "M4", "M5"])
        self.assertEqual(self.hunt(judge, again=True)[1].verdict, KILLED)

    def test_known_but_not_compared(self) -> None:
        judge = FakeJudge(Verdict("M2", SURVIVED))
        self.hunt(judge, compare=True)
        self.assertIn("M2", judge.judged)

    def test_the_whole_suite_comes_last(self) -> None:
        judge = FakeJudge(tough="M2")
        self.assertEqual(self.hunt(judge, jobs=1)[1].verdict, KILLED)
        self.assertEqual(judge.judged, ["M1", "M2", "M3", "M4", "M5", "M2"])

    def test_likely_cases_only(self) -> None:
        judge = FakeJudge(tough="M2")
        self.assertEqual(len(self.hunt(judge, whole=False)), 4)
        self.assertEqual(judge.judged.count("M2"), 1)
        self.assertIn("did not run the whole suite on mutants that the likely cases did not kill: M2",
                      self.said[-1])

    def test_time_is_up(self) -> None:
        self.assertEqual(self.hunt(FakeJudge(), until=0), [])

    def test_no_time_for_the_whole_suite(self) -> None:
        judge = FakeJudge(tough="M1")
        left = iter((0.0, 0.0, 2.0))     # the time that two mutants see, and the third
        with mock.patch("time.monotonic", lambda: next(left)):
            self.hunt(judge, jobs=1, until=1.0)
        self.assertEqual(judge.judged, ["M1", "M2"])
        self.assertIn("did not kill: M1", self.said[-1])

    def test_harness_error_ends_it(self) -> None:
        with self.assertRaisesRegex(HarnessError, "no disk"):
            self.hunt(FakeJudge(fail="M3"))

    def test_shards(self) -> None:
        parts = [shard(MUTANTS, number, 2) for number in (1, 2)]
        self.assertEqual([[each.id for each in part] for part in parts],
                         [["M1", "M3", "M5"], ["M2", "M4"]])


class ReportTest(unittest.TestCase):
    mutants = [mutant("M1"), mutant("M2"), mutant("M3", vm="tdx"), mutant("M4", "equivalent"),
               mutant("M5")]
    verdicts = [
        Verdict("M1", KILLED, KILL, upstream={"guest_memfd_test": "fail"}),
        Verdict("M2", SURVIVED, upstream={"guest_memfd_test": "pass"}),
        Verdict("M3", KILLED, KILL), Verdict("M4", SURVIVED, upstream={"guest_memfd_test": "pass"}),
    ]

    def test_summary(self) -> None:
        self.assertEqual(summary(self.mutants, self.verdicts),
                         "killed 2 of 3; the kernel's own selftests 1 of 3; 1 equivalent, "
                         "none of which was killed; 1 not tried")

    def test_killed_equivalent_is_said(self) -> None:
        self.assertIn("of which KILLED: M4", summary(self.mutants, [Verdict("M4", KILLED, KILL)]))

    def test_error_is_a_gap(self) -> None:
        """No kill, no harness error: the run fails, and names mutant and case."""
        gap = Verdict("M2", GAP, errors=["a_test:y: the window"])
        self.assertIn("killed 1 of 2, gaps (ERROR for FAIL): M2",
                      summary(self.mutants, [self.verdicts[0], gap]))
        self.assertIn("M2 gap; 1 ERROR, a_test:y: the window", hunt.line(self.mutants[1], gap))
        with tempfile.TemporaryDirectory() as name, mock.patch("mutants.cli.say") as say:
            arguments = cli.parser().parse_args(["--out", name])
            code = cli.finish(arguments, self.mutants, [self.verdicts[0], gap], "Linux")
        self.assertEqual(code, 1)
        self.assertIn(mock.call("ERROR with M2, where the kernel failed: a_test:y: the window"),
                      say.mock_calls)

    def test_error_beside_a_kill_is_said(self) -> None:
        verdict = Verdict("M1", KILLED, KILL, errors=["a_test:y: the window"])
        self.assertIn("killed by a_test:x; 1 ERROR, a_test:y: the window",
                      hunt.line(self.mutants[0], verdict))

    def test_line(self) -> None:
        broken = Verdict("M1", BROKEN_BUILD, detail="make\n  mmu.c:1: error")
        self.assertIn("broken build: mmu.c:1: error", hunt.line(self.mutants[0], broken))

    def test_files(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            report.write(folder, self.mutants, self.verdicts, "Linux <7.2>")
            page = (folder / "mutants.html").read_text()
            self.assertEqual(report.read(folder / "mutants.json"), self.verdicts)
        for text in ("title of M1", "a_test:x", "guest_memfd_test", "Linux &lt;7.2&gt;", "because"):
            self.assertIn(text, page)

    def test_kills_are_remembered(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "killers.json"
            self.assertEqual(cli.load_kills(path), {})
            cli.save_kills({"M1": KILL}, path)
            self.assertEqual(cli.load_kills(path), {"M1": Kill("a_test", "x", "default")})

    def test_store(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            store = Store(Path(name) / "new")
            self.assertIsNone(store.get("key"))
            store.put("key", self.verdicts[0].to_json())
            self.assertEqual(Verdict.from_json(store.get("key")), self.verdicts[0])

    def test_older_word(self) -> None:
        data = Verdict("M2", GAP, errors=["a_test:y"]).to_json()
        data["broken"] = data.pop("errors")
        self.assertEqual(Verdict.from_json(data).errors, ["a_test:y"])
