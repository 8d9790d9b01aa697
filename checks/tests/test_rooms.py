# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from checks import rooms


class RoomsTest(unittest.TestCase):
    """A small tree with one mistake, and the complaint about it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def complaints(self) -> list[str]:
        return rooms.complaints(self.root)

    def test_length(self) -> None:
        self.write("lib/short.c", "x\n" * 500)
        self.write("docs/long.md", "x\n" * 501)
        self.write(".gitignore", "build/\nsofttdx/out/\n")
        self.write("build/long.c", "x\n" * 501)
        self.write("softtdx/out/long.c", "x\n" * 501)
        self.assertEqual(self.complaints(), [])
        self.write("lib/long.c", "x\n" * 501)
        self.write("scripts/long", "#!/usr/bin/python3\n" + "x = 1\n" * 500)
        self.assertEqual(self.complaints(), ["lib/long.c has 501 lines; 500 are the most",
                                             "scripts/long has 501 lines; 500 are the most"])

    def test_python_downward(self) -> None:
        self.write("testbed/errors.py", "import os\nfrom reports.model import Exit\n")
        self.write("testbed/make/kernel.py", "from testbed import errors\n")
        self.write("testbed/cli.py", "from testbed.make import kernel\n")
        self.write("testbed/tests/test_cli.py", "from testbed import cli\n")
        self.write("reports/model.py", "import json\n")
        self.assertEqual(self.complaints(), [])

    def test_python_upward(self) -> None:
        self.write("testbed/machine/qemu.py", "")
        self.write("testbed/make/kernel.py", "def f():\n    from ..machine import qemu\n")
        self.write("testbed/cli.py", "")
        self.write("testbed/plan.py", "import testbed.cli\n")
        self.write("scripts/lava/lab/jobs.py", "")
        self.write("reports/html.py", "from lab import jobs\n")
        self.assertEqual(self.complaints(), [
            "reports.html uses lab.jobs, which is above it (reports must not use scripts)",
            "testbed.make.kernel uses testbed.machine.qemu, which is above it "
            "(testbed.make must not use testbed.machine)",
            "testbed.plan uses testbed.cli, which is above it (testbed.plan must not use testbed)",
        ])

    def test_python_circle(self) -> None:
        self.write("reports/html.py", "from . import model\n")
        self.write("reports/model.py", "from .html import page\n")
        (complaint,) = self.complaints()
        self.assertIn("circle", complaint)
        self.assertIn("reports.html <- reports.model", complaint)

    def test_c(self) -> None:
        self.write("include/vm.h", "")
        self.write("include/event.h", "")                       # a header without a C file
        self.write("lib/kvm/vm.c", '#include "vm.h"\n#include "event.h"\n')
        self.write("lib/observe/observe.c", '#include "vm.h"\n')
        self.assertEqual(self.complaints(), [])
        self.write("lib/base/report.c", '#include <stdio.h>\n # include "vm.h"\n')
        self.assertEqual(self.complaints(), [
            "report uses vm, which is above it (lib/base must not use lib/kvm)"])

    def test_c_header_upward(self) -> None:
        """A header outside of the rooms must not include what is above, either."""
        self.write("include/observe.h", "")
        self.write("lib/observe/observe.c", "")
        self.write("include/event.h", '#include "observe.h"\n')
        self.assertEqual(self.complaints(), [
            "event uses observe, which is above it (lib/base must not use lib/observe)"])

    def test_c_circle(self) -> None:
        self.write("include/observe.h", "")
        self.write("lib/observe/observe.c", '#include "observe/probes.h"\n')
        self.write("lib/observe/probes.h", '#include "observe.h"\n')
        (complaint,) = self.complaints()
        self.assertIn("circle: observe <- probes <- observe", complaint)

    def test_c_room_without_a_place(self) -> None:
        self.write("lib/cellar/wine.c", "")
        self.assertEqual(self.complaints(), ["lib/cellar: not in the table of checks/rooms.py"])

    def test_this_tree_has_what_the_table_names(self) -> None:
        paths = rooms.files(rooms.ROOT)
        arrows = rooms.python_arrows(rooms.ROOT, paths)
        for room in (name for row in rooms.PYTHON[2:] for name in row):
            with self.subTest(room):
                self.assertTrue(any(f"{module}.".startswith(f"{room}.") for module in arrows))
        self.assertIn("testbed.machine.emulated", arrows["testbed.cli"])


if __name__ == "__main__":
    unittest.main()
