# SPDX-License-Identifier: GPL-2.0-only
"""Two runs compared, and results that are none."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from reports import compare, results_json
from reports.model import Run
from reports.tests.runs import run


def kinds(old: list[Run], new: list[Run], slower: float = 50) -> dict[str, str]:
    return {change.key[1]: change.kind for change in compare.compare(old, new, slower)}


class CompareTest(unittest.TestCase):
    def test_same(self) -> None:
        self.assertEqual(kinds([run(a="pass", b="fail")], [run(a="pass", b="fail")]), {})

    def test_each_kind(self) -> None:
        old = run(a="pass", b="fail", c="pass", d="pass", f="error", g=("pass", 1.0))
        new = run(a="fail", b="pass", c="skip", e="pass", f="error", g=("pass", 1.6))
        self.assertEqual(kinds([old], [new]), {
            "a": "failing", "b": "fixed", "c": "skipped", "d": "missing", "e": "new", "g": "slower"})

    def test_flaky(self) -> None:
        self.assertEqual(kinds([run(a="pass")], [run(a="pass"), run(a="fail")]), {"a": "flaky"})

    def test_slower_is_a_ratio_and_not_noise(self) -> None:
        self.assertEqual(kinds([run(a=("pass", 1.0))], [run(a=("pass", 1.4))]), {})
        self.assertEqual(kinds([run(a=("pass", 0.1))], [run(a=("pass", 0.4))]), {})
        self.assertEqual(kinds([run(a=("pass", 1.0))], [run(a=("pass", 1.4))], 30), {"a": "slower"})

    def test_text(self) -> None:
        text = compare.render(compare.compare([run(a="pass")], [run(a="fail")]))
        self.assertEqual(text, "new failures (1):\n  a_test: a: why fail\n")


class MainTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def main(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            return compare.main(arguments), out.getvalue()

    def test_exit(self) -> None:
        good = self.write("good.json", results_json.render(run(a="pass")))
        bad = self.write("bad.json", results_json.render(run(a="fail")))
        self.assertEqual(self.main(good, good), (0, "no difference\n"))
        self.assertEqual(self.main(good, bad)[0], 1)
        self.assertEqual(self.main(bad, good)[0], 0)

    def test_no_results(self) -> None:
        good = self.write("good.json", results_json.render(run(a="pass")))
        data = json.loads(Path(good).read_text())
        wrong = {
            "does not exist": str(self.folder / "nothing"),
            "neither a plan.json": str(self.folder),
            "schema 99": self.write("schema.json", json.dumps(data | {"schema": 99})),
            "cannot be used": self.write("cut.json", Path(good).read_text()[:100]),
        }
        for words, path in wrong.items():
            with self.subTest(words):
                code, text = self.main(good, path)
                self.assertEqual(code, 3)
                self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
