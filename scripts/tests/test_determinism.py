# SPDX-License-Identifier: GPL-2.0-only
"""What counts as a difference between two runs."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import unittest
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent.parent / "determinism"
CONSOLE = b"[0.0] Linux\nBochs ends at tick 7; instructions: 3 4\n"


def load() -> Any:
    loader = importlib.machinery.SourceFileLoader("determinism", str(PATH))
    spec = importlib.util.spec_from_loader("determinism", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


determinism = load()


class DifferencesTest(unittest.TestCase):
    def differences(self, **changed: bytes) -> list[str]:
        first = {"console": CONSOLE, "ktap": b"ok 1 a\n"}
        found: list[str] = determinism.differences(first, first | changed)
        return found

    def test_none(self) -> None:
        self.assertEqual(self.differences(), [])

    def test_the_first_line_that_differs_is_shown(self) -> None:
        [complaint] = self.differences(ktap=b"ok 1 a\nok 2 b\n")
        self.assertRegex(complaint, r"(?s)ktap: line 2.*\(its end\).*ok 2 b")

    def test_count_of_instructions(self) -> None:
        [complaint] = self.differences(console=CONSOLE.replace(b"3 4", b"3 5"))
        self.assertIn("instructions: 3 5", complaint)

    def test_names_of_this_host(self) -> None:
        line = b"000i[      ] reading configuration from /tmp/x\n"
        self.assertEqual(determinism.without_names(line + CONSOLE), CONSOLE)

    def test_a_file_too_many(self) -> None:
        self.assertEqual(self.differences(more=b""), ["more: not in both runs"])

    def test_nothing_proves_nothing(self) -> None:
        self.assertEqual(determinism.differences({}, {}), ["nothing was left of the runs"])
        silent = {"console": b"[0.0] Linux\n"}
        self.assertIn("how many instructions", determinism.differences(silent, silent)[0])


if __name__ == "__main__":
    unittest.main()
