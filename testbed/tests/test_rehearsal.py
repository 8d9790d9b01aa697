# SPDX-License-Identifier: GPL-2.0-only
"""The rehearsal without its boot: what goes in, and what comes out."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from unittest import mock

from testbed import rehearsal
from testbed.errors import HarnessError
from testbed.machine import native
from testbed.machine.stream import Begin, End, Event, Output
from testbed.make import programs
from testbed.options import Options
from testbed.plan import Pattern
from testbed.tests.support import FolderTest

SAMPLE = programs.ROOT / "reports/tests/sample/20260101T120000Z"


def options(**more: object) -> Options:
    values: dict[str, object] = {
        "on": "emulated", "patterns": (), "seed": 42, "out": Path("out"), "kernel": None, "bochs": None,
        "debug_kernel": False, "refresh_kernel": False, "nightly": False, "jobs": 1,
        "fail_fast": False, "verbose": False, "may_install": False, "allow_host_wide": False}
    return Options(**{**values, **more})     # type: ignore[arg-type]


def archive(**files: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo("./" + name.replace("__", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo("./latest")
        info.type, info.linkname = tarfile.SYMTYPE, "run2"
        tar.addfile(info)
    return base64.encodebytes(data.getvalue())


class RehearsalTest(FolderTest):
    def test_what_is_typed(self) -> None:
        typed = rehearsal.arguments(options(patterns=(Pattern("a*", None), Pattern("b", "c*")),
                                            allow_host_wide=True))
        self.assertEqual(typed, ["--seed", "0x2a", "--tests", "a*", "--tests", "b:c*", "--allow-host-wide"])
        self.assertEqual(rehearsal.arguments(options(), 2), ["--seed", "0x2a", "--repeat", "2"])

    def test_other_vms_beside_it(self) -> None:
        with (mock.patch.object(rehearsal, "python", return_value=[]),
              mock.patch.object(rehearsal, "suite", return_value=[])):
            alone = rehearsal.root([], [], 0, self.folder)
            beside = rehearsal.root([], [], 2, self.folder)
        self.assertNotIn(b"neighbour_test", alone)
        for vm_type in (b"tdx", b"default"):
            self.assertIn(b"neighbour_test --case manual_busy." + vm_type + b" >", beside)

    def test_what_is_seen(self) -> None:
        seen = rehearsal.Seen()
        events: list[Event] = [Begin("rehearsal"), Output(b"  ok one\n"), Output(rehearsal.MARK)]
        events += [Output(line) for line in archive(run2__a=b"x", run1__a=b"y").splitlines(True)]
        for event in (*events, End("rehearsal", 4)):
            seen(event)
        self.assertEqual(seen.status, 4)
        self.assertIn("ok one", self.said.getvalue())
        rehearsal.unpack(seen.archive, self.folder)
        self.assertEqual((self.folder / "a").read_bytes(), b"x")
        self.assertEqual((self.folder / "before/run1/a").read_bytes(), b"y")

    def test_results_that_are_cut_or_foreign(self) -> None:
        whole = b"".join(archive(run2__a=b"x" * 4000).split())
        for data in (b"", whole[:40], b"!!!!" + whole):
            with self.subTest(data[:8]), self.assertRaises(HarnessError):
                rehearsal.unpack(data, self.folder)
        foreign = {"run2__x": b"", "run2__..__..__y": b""}
        rehearsal.unpack(b"".join(archive(**foreign).split()), self.folder)
        self.assertTrue((self.folder / "x").exists())
        self.assertFalse((self.folder.parent / "y").exists())

    def test_python_there_can_start_the_suite(self) -> None:
        """Only the given files: no folder of this machine is read."""
        root = self.folder / "root"
        programs_folder = self.folder / "bin"
        self.script("a_test", "")
        with mock.patch.object(programs, "FOLDER", programs_folder):
            files = dict(rehearsal.python(self.folder)) | dict(rehearsal.suite())
        for name, path in files.items():
            target = root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        self.assertIn("/suite/build/tests/a_test", files)
        self.assertFalse([name for name in files if "/tests/test_" in name])
        results = self.folder / "results"
        shutil.copytree(SAMPLE, results)
        places = [root / "suite", *(path.parent for path in root.rglob("os.py")),
                  *root.rglob("lib-dynload"), *(path.parent for path in root.rglob("jinja2"))]
        done = subprocess.run(
            [files["/usr/bin/python3"], "-I", "-S", "-c",
             f"import sys; sys.path[:] = {list(map(str, places))}; "
             f"import pathlib, testbed.cli, reports.write; reports.write.write(pathlib.Path({str(results)!r}))"],
            capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue((results / "report.html").is_file())

    def test_results_say_that_it_was_one(self) -> None:
        with mock.patch.dict(os.environ, {"KTS_REHEARSAL": "1"}):
            self.assertIs(native.ThisHost(options()).environment()["rehearsal"], True)
        self.assertNotIn("rehearsal", native.ThisHost(options()).environment())
