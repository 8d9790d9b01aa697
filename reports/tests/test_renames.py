# SPDX-License-Identifier: GPL-2.0-only
"""Cases under their earlier names: the table, and those who read old results."""

from __future__ import annotations

import sqlite3
import tempfile
import unittest
from contextlib import closing
from pathlib import Path
from unittest import mock

from reports import history, renames
from reports.compare import compare
from reports.model import Case, Run, Status, Test

TABLE = {"a_test:x": "b_test:y", "b_test:y": "b_test:z"}


def run(name: str, test: str, case: str) -> Run:
    return Run(name=name, tests=[Test(test, cases=[Case(case, Status.PASS, "")])])


class RenamesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.object(renames, "renames", lambda: TABLE))

    def test_current(self) -> None:
        self.assertEqual(renames.current("a_test", "x.tdx"), ("b_test", "z.tdx"))
        self.assertEqual(renames.current("b_test", "y"), ("b_test", "z"))
        self.assertEqual(renames.current("a_test", "other.tdx"), ("a_test", "other.tdx"))

    def test_compare(self) -> None:
        self.assertEqual(compare([run("1", "a_test", "x.tdx")], [run("2", "b_test", "z.tdx")]), [])

    def test_history(self) -> None:
        """In a new run, and in those that were added before the renaming."""
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "history.sqlite"
        with mock.patch.object(renames, "renames", dict):
            with closing(history.opened(path)) as connection:
                history.add(connection, run("1", "a_test", "x.tdx"))
        with closing(history.opened(path)) as connection:
            history.add(connection, run("2", "a_test", "x.tdx"))
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT run, test, name FROM result ORDER BY run").fetchall()
        self.assertEqual(rows, [("1", "b_test", "z.tdx"), ("2", "b_test", "z.tdx")])


class TableTest(unittest.TestCase):
    def test_each_ends(self) -> None:
        """Each new name is complete, different, and not an old one itself."""
        for old, new in renames.renames().items():
            with self.subTest(old):
                self.assertRegex(old, r"^\w+_test:[\w-]+$")
                self.assertRegex(new, r"^\w+_test:[\w-]+$")
                test, name = renames.current(*old.split(":"))
                self.assertNotEqual(f"{test}:{name}", old)
                self.assertNotIn(f"{test}:{name}", renames.renames())


if __name__ == "__main__":
    unittest.main()
