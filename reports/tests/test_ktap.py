# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import random
import time
import unittest
from pathlib import Path

from reports.ktap import MAX_DIAGNOSTICS, MAX_LINE, Log, Parser, parse
from reports.model import Case, Status

RECORDED = Path(__file__).parent / "ktap"


def recorded(name: str) -> Log:
    return parse((RECORDED / f"{name}.ktap").read_bytes(), "map_level_test")


def statuses(log: Log) -> list[tuple[str, str]]:
    return [(case.name, case.status.value) for case in log.test.cases]


class Whole(unittest.TestCase):
    def setUp(self) -> None:
        self.log = recorded("whole")
        self.cases = {case.name: case for case in self.log.test.cases}

    def test_statuses(self) -> None:
        self.assertEqual(statuses(self.log), [
            ("anon_4k.default", "pass"), ("thp_2m.default", "fail"),
            ("hugetlb_1g.default", "skip"), ("root_reload.default", "xfail"),
            ("hangs.sw_protected", "fail"), ("lost.default", "error"),
            ("fixed.default", "pass")])

    def test_nothing_odd(self) -> None:
        self.assertEqual(self.log.test.notes, [])
        self.assertEqual(self.log.unfinished, {})

    def test_header(self) -> None:
        self.assertEqual(self.log.test.summary, "the level KVM maps a page at")
        self.assertEqual(self.log.seed, "0x1234")
        self.assertEqual(self.log.planned, 7)

    def test_measurements(self) -> None:
        case = self.cases["anon_4k.default"]
        self.assertEqual(case.measurements, {"attempts": 500, "retries": 500, "seconds": 0.25,
                                             "pages": 512, "rate": 5000.5})
        self.assertEqual(case.seconds, 0.25)
        self.assertEqual(case.diagnostics, [])

    def test_failure(self) -> None:
        case = self.cases["thp_2m.default"]
        self.assertEqual((case.expected, case.seen), ("2M", "4K"))
        self.assertEqual(case.reason, "map_level_test.c:88: level of gfn 0x40000")
        self.assertEqual(len(case.diagnostics), 6)

    def test_reasons(self) -> None:
        self.assertEqual([case.reason for case in self.log.test.cases][2:], [
            "needs a free 1G hugepage: echo 1 > nr_hugepages", "L1: endless retry",
            "timeout: 1.5 s", "tracing: lost 3 events",
            "known issue L2 did not show in 100 attempts"])


class Mangled(unittest.TestCase):
    def test_truncated(self) -> None:
        log = recorded("truncated")
        self.assertEqual(len(log.test.cases), 2)
        self.assertEqual(log.running, "hugetlb_1g.default")
        self.assertEqual(log.unfinished[log.running].status, Status.ERROR)
        self.assertIn("the last line is cut (line 20)", log.test.notes)

    def test_no_cut_passes(self) -> None:
        """Wherever the log ends, no case comes out better than it was."""
        data = (RECORDED / "whole.ktap").read_bytes()
        whole = dict(statuses(parse(data)))
        for end in range(len(data)):
            for name, status in statuses(parse(data[:end])):
                self.assertEqual(status, whole[name])

    def test_kernel_messages(self) -> None:
        log = recorded("kernel_messages")
        self.assertEqual(statuses(log), [
            ("first", "pass"), ("second", "fail"), ("third", "pass"), ("fourth", "skip"),
            ("fifth", "pass"), ("sixth", "pass")])
        first, second, third, fourth, _, sixth = log.test.cases
        self.assertEqual(first.measurements, {"attempts": 5})
        self.assertEqual(len(first.splat), 3)
        self.assertEqual(second.reason, "[   12.100000] BUG: kernel NULL pointer dereference")
        self.assertEqual(third.splat, ["[   12.200000] kvm: said before the newline"])
        self.assertEqual(fourth.reason, "needs two nodes")
        self.assertEqual(sixth.splat[0], "[   12.500000] kvm: quoted by the test")
        self.assertIn("outside any case: kernel: [   12.700000] kvm: after everything",
                      log.test.notes)

    def test_not_utf8(self) -> None:
        log = recorded("not_utf8")
        self.assertEqual(statuses(log), [("caf\\xe9", "fail"), ("second", "pass")])
        self.assertEqual(log.test.cases[0].diagnostics, ["bytes \\xff\\xfe and \\x00colour\\x07"])

    def test_empty(self) -> None:
        log = recorded("empty")
        self.assertEqual(log.test.cases, [])
        self.assertEqual(log.test.notes, ["no plan"])

    def test_duplicates(self) -> None:
        log = recorded("duplicates")
        self.assertEqual(statuses(log), [("a", "pass"), ("b", "pass"), ("a", "fail")])
        self.assertEqual(log.test.notes[0], "duplicate or missing number (line 6)")
        self.assertIn("second result of a case (line 8)", log.test.notes)

    def test_no_plan(self) -> None:
        self.assertEqual(recorded("no_plan").test.notes, ["no plan"])

    def test_bail_out(self) -> None:
        log = recorded("bail_out")
        self.assertEqual(log.bail_out, "cannot mount tracefs")
        self.assertEqual(log.running, "b")

    def test_nested(self) -> None:
        log = recorded("nested")
        self.assertEqual(statuses(log), [("suite", "fail"), ("lenient", "pass"),
                                         ("prefixed", "pass")])
        self.assertIn("    not ok 2 two", log.test.cases[0].diagnostics)
        self.assertEqual(log.test.notes, ["passed although a nested test failed (line 10)"])

    def test_indented(self) -> None:
        log = recorded("indented")
        self.assertEqual(statuses(log), [("a", "fail"), ("b", "pass")])
        self.assertEqual(log.test.cases[0].mismatch, "expected 1, got 2")

    def test_behind_diagnostic(self) -> None:
        log = recorded("behind_diagnostic")
        self.assertEqual(statuses(log), [("a", "pass"), ("b", "fail"), ("c", "skip"),
                                         ("d", "fail")])
        self.assertEqual(log.test.cases[0].seen, "4K")

    def test_contradictions(self) -> None:
        log = recorded("contradictions")
        self.assertEqual(statuses(log), [("a", "fail"), ("b", "fail"), ("c", "fail"),
                                         ("d", "error"), ("e", "pass")])
        self.assertIn("result that contradicts its directive (line 3, 4 times)", log.test.notes)

    def test_lost_result(self) -> None:
        log = recorded("lost_result")
        self.assertEqual(statuses(log), [("b", "pass")])
        self.assertEqual(log.running, "")
        self.assertEqual(log.unfinished["a"].diagnostics, ["a.c:1: half of a result"])

    def test_words_of_today_and_before(self) -> None:
        for got, xpass in (("got:  ", "xpass"), ("seen:", "news")):
            log = parse(b"1..2\n# a.c:1: x\n#   expected: 2M\n#   %s 4K\nnot ok 1 a\n"
                        b"# %s: known issue L2 did not occur\nok 2 b\n"
                        % (got.encode(), xpass.encode()))
            failed, passed = log.test.cases
            self.assertEqual(failed.mismatch, "expected 2M, got 4K")
            self.assertEqual(passed.reason, "known issue L2 did not occur")

    def test_skip_all(self) -> None:
        self.assertEqual(recorded("skip_all").skip_all, "no two-dimensional paging")

    def test_measurement_that_is_no_number(self) -> None:
        log = parse(b"1..1\n# measure a=nan b=inf c= =4 d=1e999 e=9" + b"9" * 5000 +
                    b" f=1\nok 1 x\n")
        self.assertEqual(log.test.cases[0].measurements, {"f": 1})

    def test_anything_goes(self) -> None:
        """Random bits of KTAP, spliced anyhow: no exception, and no pass out of nothing."""
        pieces = [b"ok ", b"not ", b"1 ", b"a", b"\n", b"#", b" # SKIP ", b"# run a", b"1..",
                  b"[   12.345678] ", b"\xff", b"\x00", b"    ", b"# measure x=", b"KTAP version 1",
                  b"Bail out!", b"=", b"\r", b"# kernel: ", b" # ERROR"]
        rng = random.Random(1)
        for _ in range(3000):
            data = b"".join(rng.choices(pieces, k=rng.randrange(40)))
            log = parse(data, "t")
            self.assertLessEqual(len(log.test.cases), data.count(b"ok"))


class Live(unittest.TestCase):
    def test_any_split_gives_the_same(self) -> None:
        for path in RECORDED.glob("*.ktap"):
            data = path.read_bytes()
            whole = parse(data, "t")
            for size in (1, 7, 64):
                parser, cases = Parser("t"), list[Case]()
                for start in range(0, len(data), size):
                    cases += parser.feed(data[start:start + size])
                self.assertEqual(parser.close(), whole, path.name)
                self.assertEqual(cases, whole.test.cases)

    def test_running_and_limit(self) -> None:
        parser = Parser()
        parser.feed(b"# run slow (limit 20 s)\n# he")
        self.assertEqual((parser.running, parser.limit), ("slow", 20.0))
        [case] = parser.feed(b"llo\nok 1 slow\n")
        self.assertEqual(case.diagnostics, ["hello"])
        self.assertEqual((parser.running, parser.limit), ("", None))


class Huge(unittest.TestCase):
    def seconds(self, data: bytes, chunk: int = 1 << 16) -> float:
        start = time.process_time()
        parser = Parser()
        for at in range(0, len(data), chunk):
            parser.feed(data[at:at + chunk])
        self.log = parser.close()
        return time.process_time() - start

    def assert_linear(self, make: bytes, times: int, chunk: int = 1 << 16) -> None:
        small = self.seconds(make * (times // 10), chunk)
        large = self.seconds(make * times, chunk)
        self.assertLess(large, 40 * small + 0.5)

    def test_many_cases(self) -> None:
        self.assert_linear(b"# run x (limit 2 s)\n# measure seconds=0.1\nok 1 x\n", 70_000)
        self.assertEqual(len(self.log.test.cases), 70_000)
        self.assertLess(len(self.log.test.notes), 10)

    def test_flood_in_one_case(self) -> None:
        self.seconds(b"# run x\n" + b"# again and again\n" * 200_000 + b"# t.c:1: end\nnot ok 1 x\n")
        [case] = self.log.test.cases
        self.assertEqual(len(case.diagnostics), MAX_DIAGNOSTICS + 1)
        self.assertEqual(case.diagnostics[MAX_DIAGNOSTICS // 2], "[199601 lines left out]")
        self.assertEqual(case.reason, "t.c:1: end")

    def test_endless_line(self) -> None:
        self.assert_linear(b"# ok 1 x [ <1 1..1 ", 500_000, chunk=512)
        self.assertLess(len(self.log.test.notes[0]), 100)
        self.seconds(b"# run x\n# " + b"y" * 3 * MAX_LINE + b"\nok 1 x\n", chunk=512)
        self.assertEqual(self.log.test.cases[0].status, Status.PASS)
        self.assertEqual(len(self.log.test.cases[0].diagnostics[0]), MAX_LINE - 2)

    def test_hostile_lines(self) -> None:
        for piece in (b"ok 1 x  ", b"[ ", b"<1", b"# ", b"1..", b"not ", b"a.c:1", b" ", b"\t#"):
            line = b"# " + piece * (MAX_LINE // len(piece)) + b"\n"
            self.assertLess(self.seconds(line * 5), 2, piece)


if __name__ == "__main__":
    unittest.main()
