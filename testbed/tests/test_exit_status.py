# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import subprocess

from reports.model import Exit
from testbed import exit_status
from testbed.tests.support import FolderTest


class EndingTest(FolderTest):
    def test_a_program_is_missing(self) -> None:
        def start() -> int:
            return subprocess.run(["no-such-compiler", "--version"], check=False).returncode

        self.assertEqual(exit_status.of("x", start), Exit.ERROR)
        self.assertEqual(self.said.getvalue(), "x: no-such-compiler is not installed\n")

    def test_a_file_is_missing(self) -> None:
        """A bug of the testbed: with a traceback."""
        with self.assertRaises(FileNotFoundError):
            exit_status.of("x", lambda: len(open("/no/such/file", encoding="utf-8").read()))
