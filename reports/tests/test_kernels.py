# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import contextlib
import io
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from reports import kernels, results_json
from reports.kernels import Column
from reports.model import Exit, Run
from reports.tests.runs import run


def on(kernel: str, /, **statuses: str | tuple[str, float]) -> Run:
    one = run(**statuses)
    one.environment = {"kernel": kernel, "kernel_source": f"linux {kernel}-1"}
    return one


def columns() -> list[Column]:
    return [Column("6.12", on("6.12.9", old="xfail", here="skip", bad="pass"), report="A/report.html"),
            Column("6.16", None, "the file is gone"),
            Column("6.17", on("6.17.8", old="xfail", here="xfail", bad="fail")),
            Column("6.18", on("6.18.2", old="pass", here="pass", bad="pass"))]


class Matrix(unittest.TestCase):
    def test_known_issue_is_named_once_with_cases_and_kernels(self) -> None:
        self.assertIn("\nwhy xfail\n"
                      "  a_test: here: 6.17.8\n"
                      "  a_test: old: 6.12.9, 6.17.8\n", kernels.render(columns()))

    def test_failure_and_verdict(self) -> None:
        text = kernels.render(columns())
        self.assertIn("\na_test: bad\n  6.17.8     FAIL: why fail\n", text)
        self.assertIn("6.16: not run: the file is gone\n", text)
        self.assertTrue(text.endswith("FAILED: 3 of 4 kernels ran, not all well on 6.17.8.\n"))
        self.assertIs(kernels.exit_code(columns()), Exit.FAILED)

    def test_all_well(self) -> None:
        well = [columns()[0], columns()[3]]
        self.assertEqual(kernels.verdict(well), "PASSED: 2 of 2 kernels ran.")
        self.assertNotIn("Failures", kernels.page(well))

    def test_nothing_ran(self) -> None:
        nothing = [Column("6.1", None, "gone")]
        self.assertIs(kernels.exit_code(nothing), Exit.ERROR)
        self.assertEqual(kernels.verdict(nothing), "ERROR: 0 of 1 kernels ran.")

    def test_page(self) -> None:
        page = kernels.page(columns())
        for part in ('<a href="A/report.html">6.12.9</a>', "not run: the file is gone", "<h3>why xfail</h3>",
                     "<h2>Failures</h2>", "why fail"):
            self.assertIn(part, page)


class CommandLine(unittest.TestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def main(self, *arguments: Path | str) -> tuple[int, str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = kernels.main(list(map(str, arguments)))
        return code, output.getvalue()

    def test_page_of_runs(self) -> None:
        results = [self.folder / name for name in ("one.json", "other.json")]
        for path, kernel in zip(results, ("6.17.8", "6.18.2")):
            path.write_text(results_json.render(on(kernel, a="pass")))
        code, text = self.main(*results, "--html", self.folder / "kernels.html")
        self.assertEqual(code, Exit.PASSED)
        self.assertIn("PASSED: 2 of 2 kernels ran.", text)
        self.assertIn("6.17.8", (self.folder / "kernels.html").read_text())

    def test_no_results(self) -> None:
        page = self.folder / "kernels.html"
        code, text = self.main(self.folder / "nothing", "--html", page)
        self.assertEqual(code, Exit.ERROR)
        self.assertIn("does not exist", text)
        self.assertFalse(page.exists())


if __name__ == "__main__":
    unittest.main()
