# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from checks import bare, fresh
from testbed.errors import UsageError
from testbed.machine import initramfs
from testbed.make import debian
from testbed.make.debian import Unable
from testbed.tests.support import FolderTest

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'


class LocalRoot(bare.Root):
    """Runs the command on this machine."""

    def command(self, script: str, **_: object) -> list[str]:
        return ["sh", "-c", script]


class StepTest(FolderTest):
    def do(self, step: fresh.Step) -> list[str]:
        report = fresh.Report()
        fresh.do(LocalRoot(self.folder, []), step, report, {})
        self.assertEqual(len(report.times), 1)
        return report.wrong

    def test_as_it_must(self) -> None:
        self.assertEqual(self.do(fresh.Step("x", "echo hello; exit 3", exit=3, says=("^hel",))), [])
        self.assertIn("root$ echo hello; exit 3\nhello\n", self.said.getvalue())

    def test_exit_status(self) -> None:
        self.assertEqual(self.do(fresh.Step("x", "exit 1")), ["x: exit status 1, not 0"])

    def test_traceback(self) -> None:
        self.assertEqual(self.do(fresh.Step("x", "echo Traceback")), ["x: says 'Traceback'"])

    def test_silence(self) -> None:
        self.assertEqual(self.do(fresh.Step("x", "echo b", says=("a",))), ["x: does not say 'a'"])

    def test_untested(self) -> None:
        logs = self.folder / "build/check"
        logs.mkdir(parents=True)
        (logs / "reports.log").write_text("test_a (x.T.test_a) ... ok\n"
                                          "test_b (x.T.test_b) ... skipped 'needs ssh-keygen'\n")
        self.assertEqual(fresh.untested(self.folder),
                         ["reports: test_b (x.T.test_b) ... skipped 'needs ssh-keygen'"])

    def test_the_user_gets_the_cache_of_root(self) -> None:
        """Also with an empty cache, which is not this machine's."""
        last = fresh.steps(Path("/x/root/.cache/kts"), fresh.Wanted())[-1]
        self.assertEqual(last.mounts, ("copy:/x/root/.cache/kts:/home/tester/.cache/kts",))

    def test_no_such_commit(self) -> None:
        with self.assertRaisesRegex(UsageError, "no commit here is called no-such"):
            fresh.publish(self.folder, "no-such")


class BareTest(unittest.TestCase):
    def test_suite(self) -> None:
        self.assertEqual(debian.suite_of_host(DEBIAN), "bookworm")
        with self.assertRaisesRegex(Unable, "runs fedora, not Debian"):
            debian.suite_of_host("ID=fedora\n")

    def test_no_archive(self) -> None:
        with (mock.patch.object(debian, "output", return_value=""),
              self.assertRaisesRegex(Unable, "no Debian archive can be reached")):
            debian.archive("bookworm")

    def test_no_root(self) -> None:
        with (mock.patch("os.geteuid", return_value=1000),
              self.assertRaisesRegex(Unable, "only root")):
            fresh.run(fresh.Wanted())


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class ContainerTest(unittest.TestCase):
    """A root folder with busybox."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "shared"
        self.root = Path(folder.name) / "root"
        for name in ("bin", "dev", "mnt", "proc", "sys", "tmp"):
            (self.root / name).mkdir(parents=True)
        self.folder.mkdir()
        shutil.copy(initramfs.busybox(), self.root / "bin/busybox")
        for applet in ("ls", "mkdir", "readlink", "sh", "touch", "umount"):
            (self.root / "bin" / applet).symlink_to("busybox")

    def enter(self, script: str, *mounts: str, options: Sequence[str] = ()) -> str:
        done = subprocess.run(
            [bare.CONTAINER, *options, self.root, *mounts, "--", "/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_what_is_written_stays(self) -> None:
        self.enter("echo x >/file")
        self.assertEqual((self.root / "file").read_text(), "x\n")

    def test_copy_of_the_root(self) -> None:
        self.enter("echo x >/file && test -s /file", options=["--copy"])
        self.assertFalse((self.root / "file").exists())

    def test_bind_is_shared(self) -> None:
        self.enter("echo x >/mnt/there/file", f"bind:{self.folder}:/mnt/there")
        self.assertEqual((self.folder / "file").read_text(), "x\n")

    def test_copy_is_not(self) -> None:
        (self.folder / "file").write_text("old")
        self.enter("echo new >/mnt/there/file && test -s /mnt/there/file",
                   f"copy:{self.folder}:/mnt/there")
        self.assertEqual((self.folder / "file").read_text(), "old")

    def test_namespaces(self) -> None:
        here = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "uts", "ipc")]
        there = self.enter("for n in mnt pid uts ipc; do readlink /proc/self/ns/$n; done")
        self.assertFalse(set(here) & set(there.split()))

    def test_no_devices_of_the_machine(self) -> None:
        self.assertEqual(self.enter("ls /dev").split(), [
            "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
            "urandom", "zero"])
        self.enter("! touch /proc/sys/kernel/x 2>/dev/null && ! mkdir /sys/x 2>/dev/null")


if __name__ == "__main__":
    unittest.main()
