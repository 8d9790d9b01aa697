# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import contextlib
import io
from unittest import mock

from testbed import runner
from testbed.machine import host
from testbed.make import programs
from testbed.make.cache import Cache
from testbed.options import Options
from testbed.tests.support import FolderTest


class ProgramsTest(FolderTest):
    def prepare(self, built: str | None, can_build: bool) -> tuple[bool, str]:
        """Prepare with prebuilt programs: whether they were rebuilt, and the messages."""
        if built:
            (self.folder / "suite").write_text(f"{built}\n")
        (self.folder / "a_test").touch()
        options = mock.create_autospec(Options, on="native", nightly=False, patterns=())
        out = io.StringIO()
        with (mock.patch.object(programs, "FOLDER", self.folder),
              mock.patch.object(programs, "can_build", return_value=can_build),
              mock.patch.object(programs, "build") as build,
              mock.patch.object(programs, "listing", return_value=""),
              mock.patch.object(host, "suite_commit", return_value="new"),
              contextlib.redirect_stdout(out)):
            runner.prepare_tests(options, mock.create_autospec(Cache))
            self.assertEqual(programs.built_from(), built or "unknown")
        return build.called, out.getvalue()

    def test_old_programs_are_built_again(self) -> None:
        self.assertEqual(self.prepare("old", can_build=True), (True, ""))

    def test_old_programs_without_a_compiler_are_told(self) -> None:
        built, said = self.prepare("old", can_build=False)
        self.assertFalse(built)
        self.assertIn("built from old, this checkout is new", said)

    def test_current_programs_without_a_compiler(self) -> None:
        self.assertEqual(self.prepare("new", can_build=False), (False, ""))

    def test_programs_of_nobody_knows_when(self) -> None:
        self.assertIn("built from unknown", self.prepare(None, can_build=False)[1])
