# SPDX-License-Identifier: GPL-2.0-only
"""Many runs: the history, and what KernelCI gets of one."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import tempfile
import unittest
from contextlib import closing
from pathlib import Path

from reports import history, kcidb, results_json
from reports.tests.runs import run


class HistoryTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "history.sqlite"

    def filled(self) -> sqlite3.Connection:
        connection = history.opened(self.file)
        for second, status in enumerate(("pass", "fail", "pass")):
            history.add(connection, run(f"20260101T00000{second}Z", a=status, b="pass"))
        return connection

    def test_rows_and_strips(self) -> None:
        with closing(self.filled()) as connection:
            rows = history.rows(connection)
            self.assertEqual([row.name[-2] for row in rows], ["0", "1", "2"])
            self.assertEqual(rows[1].counts, {"pass": 1, "fail": 1})
            strips = history.strips(connection, rows)
            self.assertEqual([(strip.case, strip.statuses) for strip in strips],
                             [("a_test: a", ["pass", "fail", "pass"])])

    def test_again_replaces(self) -> None:
        with closing(self.filled()) as connection:
            history.add(connection, run("20260101T000001Z", a="pass"))
            self.assertEqual(history.rows(connection)[1].counts, {"pass": 1})

    def test_page(self) -> None:
        with closing(self.filled()) as connection:
            page = history.page(connection)
        self.assertIn("3 runs", page)
        self.assertIn("a_test: a: pass", page)
        self.assertIn("<polyline", page)

    def test_explored_races_are_counted_apart(self) -> None:
        with closing(self.filled()) as connection:
            for second, status in ((4, "pass"), (5, "fail")):
                explored = run(f"20260101T00000{second}Z", r=status)
                explored.environment = {**explored.environment, "again": {"points": "4"}}
                explored.tests[0].cases[0].measurements = {"schedules": 100, "orders": 90 + second}
                history.add(connection, explored)
            self.assertEqual(len(history.rows(connection)), 3)
            self.assertEqual(history.races(connection), [
                history.Race("a_test: r", 2, 200, 189, 1, "20260101T000005Z")])
            page = history.page(connection)
        self.assertIn("200 schedules in all runs", page)

    def test_page_of_nothing(self) -> None:
        with closing(history.opened(self.file)) as connection:
            self.assertIn("0 runs", history.page(connection))

    def test_curve(self) -> None:
        self.assertEqual(history.curve("x", [1, 2]).points, "0.0,30.0 300.0,2.0")

    def test_numbers(self) -> None:
        self.assertEqual(history.curve("x", [0.000172468, 70914]).change, "0.0001725, now 70,910")

    def test_older_word(self) -> None:
        """Schema 2 said "variant" where today's says "boot", and 1 "broken" for "error"."""
        for version, status in ((1, "broken"), (2, "error")):
            with closing(history.opened(self.file)) as connection:
                history.add(connection, run(a="error", b="pass"))
                connection.executescript(
                    f"UPDATE result SET status = '{status}' WHERE name = 'a'; "
                    "ALTER TABLE result RENAME COLUMN boot TO variant; "
                    f"PRAGMA user_version = {version}")
            for _ in range(2):
                with closing(history.opened(self.file)) as connection:
                    self.assertEqual(history.rows(connection)[0].counts, {"error": 1, "pass": 1})
                    self.assertEqual(connection.execute("SELECT DISTINCT boot FROM result").fetchall(),
                                     [("default",)])

    def test_foreign_files(self) -> None:
        self.file.write_text("this is no database" * 100)
        with self.assertRaisesRegex(history.HistoryError, "not a database"):
            history.opened(self.file)
        other = self.folder / "other.sqlite"
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        with self.assertRaisesRegex(history.HistoryError, "not a history of"):
            history.opened(other)

    def test_good_results_are_added_beside_bad_ones(self) -> None:
        good = self.folder / "good.json"
        good.write_text(results_json.render(run(a="pass")))
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            code = history.main([str(self.file), "--add", str(self.folder / "nothing"), str(good)])
        self.assertEqual(code, 3)
        self.assertIn("does not exist", errors.getvalue())
        with closing(history.opened(self.file)) as connection:
            self.assertEqual(len(history.rows(connection)), 1)


class KcidbTest(unittest.TestCase):
    def test_statuses_and_links(self) -> None:
        data = kcidb.render(run(a="pass", b="fail", c="skip", d="xfail", e="error"), "my_ci")
        self.assertEqual([test["status"] for test in data["tests"]],
                         ["PASS", "FAIL", "SKIP", "FAIL", "ERROR"])
        build = data["builds"][0]
        self.assertEqual(build["checkout_id"], data["checkouts"][0]["id"])
        for test in data["tests"]:
            self.assertEqual(test["build_id"], build["id"])
            self.assertTrue(test["id"].startswith("my_ci:"))
        self.assertEqual(len({test["id"] for test in data["tests"]}), 5)
        self.assertEqual(data["incidents"][0]["test_id"], data["tests"][3]["id"])
        self.assertEqual(data["incidents"][0]["issue_id"], data["issues"][0]["id"])

    def test_path(self) -> None:
        data = kcidb.render(run(**{"a.default": "pass"}), "my_ci")
        self.assertEqual(data["tests"][0]["path"], "kvm_tdx_selftests.a_test.a_default")

    def test_origin(self) -> None:
        with self.assertRaisesRegex(ValueError, "lower-case"):
            kcidb.render(run(a="pass"), "My CI")


if __name__ == "__main__":
    unittest.main()
