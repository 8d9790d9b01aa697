# SPDX-License-Identifier: GPL-2.0-only
"""The rehearsal without its boot: what goes in, and what comes out."""

from __future__ import annotations

import base64
import io
import os
import stat
import tarfile
import tempfile
import threading
from pathlib import Path
from unittest import mock

from testbed import cli, rehearsal
from testbed.errors import HarnessError, UsageError
from testbed.machine import native
from testbed.machine.stream import Begin, End, Event, File, Output
from testbed.machine.watchdog import Outcome
from testbed.make import packages, programs
from testbed.make.cache import Cache
from testbed.options import Options
from testbed.plan import Pattern
from testbed.rehearsal import root, scenes
from testbed.rehearsal.scenes import Line
from testbed.tests.support import FolderTest
from testbed.tests.test_initramfs import Entry, entries

TYPED = (Line("modprobe a"), Line("./run_tests.sh", ends=()), Line("certify", ends=(1, 4)))


def options(**more: object) -> Options:
    values: dict[str, object] = {
        "on": "emulated", "patterns": (), "seed": 42, "out": Path("out"), "kernel": None, "bochs": None,
        "debug_kernel": "", "refresh_kernel": False, "nightly": False, "jobs": 1,
        "fail_fast": False, "verbose": False, "may_install": False, "allow_host_wide": False}
    return Options(**{**values, **more})     # type: ignore[arg-type]


def archive(**files: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo("./" + name.replace("__", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo("./results/latest")
        info.type, info.linkname = tarfile.SYMTYPE, "run2"
        tar.addfile(info)
    return base64.encodebytes(data.getvalue())


class ScenesTest(FolderTest):
    def typed(self, scene: str, times: int = 1, **more: object) -> list[str]:
        return [line.text for line in scenes.lines(scene, options(**more), times)]

    def test_what_is_typed(self) -> None:
        chosen = (Pattern("a*", None), Pattern("b", "c*"))
        run, certify = self.typed("native", patterns=chosen)
        self.assertEqual(run, "./run_tests.sh --on native --out /root/out/results --seed 0x2a "
                              "--tests 'a*' --tests 'b:c*'")
        self.assertIn("reports.certify /root/out/results/latest", certify)
        self.assertIn("--seed 0x2a --repeat 2", self.typed("native", times=2)[0])
        self.assertEqual(self.typed("modules")[:2], ["modprobe kvm_hold", "modprobe tdx_view"])
        self.assertTrue(self.typed("host-wide")[0].endswith(" --allow-host-wide"))
        self.assertEqual(self.typed("kselftest", patterns=chosen[:1]), [
            "cd /root/kselftest && ./run_kselftest.sh -t 'kvm/x86/tdx:a*'"])
        self.assertNotIn("--allow-host-wide", " ".join(self.typed("modules")))

    def test_other_vms_beside_it(self) -> None:
        lines = self.typed("native", neighbours=3)
        for number, vm_type in enumerate(("tdx", "default", "tdx")):
            self.assertRegex(lines[number], rf"^systemd-run .*=vm{number} .*manual_busy\.{vm_type}$")

    def test_only_for_a_rehearsal(self) -> None:
        for option in (["--scene", "native"], ["--neighbours", "1"]):
            arguments = cli.parser().parse_args(["--on", "bochs", "--list", *option])
            with self.assertRaisesRegex(UsageError, "only for --profile rehearsal"):
                cli.execute(arguments)

    def test_a_case_that_does_not_exist(self) -> None:
        """Refused before anything boots."""
        arguments = cli.parser().parse_args(["--profile", "rehearsal", "--on", "bochs", "--tests", "a_test:b"])
        with (mock.patch.object(packages, "require"), mock.patch.object(programs, "build"),
              mock.patch.object(programs, "listing", return_value="a_test:c\tdefault\t-\t20\tc\n"),
              mock.patch.object(rehearsal, "boot", side_effect=AssertionError("it boots")),
              self.assertRaisesRegex(UsageError, "a_test:b: no such case .*; nearest: a_test:c")):
            cli.execute(arguments)


class RootTest(FolderTest):
    def build(self) -> dict[str, Entry]:
        tar = self.folder / "root.tar"
        with tarfile.open(tar, "w") as debian:
            for name, kind, link in (("./bin", tarfile.SYMTYPE, "usr/bin"), ("./usr/bin/a", tarfile.REGTYPE, ""),
                                     ("./usr/bin/b", tarfile.LNKTYPE, "./usr/bin/a"),
                                     ("./etc/hostname", tarfile.REGTYPE, ""), ("./dev/null", tarfile.CHRTYPE, "")):
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.mode, info.uid = kind, link, 0o4755, 7
                debian.addfile(info)
        modules = self.folder / "7.2.0-x"
        (modules / "updates").mkdir(parents=True)
        (modules / "updates/kvm_hold.ko").touch()
        (modules / "build").symlink_to("/nowhere")
        fork_point = self.script("fork_point", "")
        self.script("a_test", "")
        with (mock.patch.object(programs, "FOLDER", self.folder / "bin"),
              mock.patch.object(programs, "FORK_POINT", {"/bin/fork_point": fork_point})):
            return entries(root.build(tar, modules, None, None))

    def test_what_is_in_it(self) -> None:
        there = self.build()
        for name in ("root/kvm-tdx-selftests/run_tests.sh", "root/kvm-tdx-selftests/build/tests/a_test",
                     "root/kvm-tdx-selftests/docs/findings.md", "root/kvm-tdx-selftests/reports/certify.py",
                     "root/kvm-tdx-selftests/testbed/profiles/certify.toml", "usr/local/sbin/fork_point",
                     "usr/lib/modules/7.2.0-x/updates/kvm_hold.ko", "usr/bin/b", "init", "dev/console",
                     "etc/sysctl.d/90-server.conf"):
            self.assertIn(name, there)
        self.assertNotIn("usr/lib/modules/7.2.0-x/build", there)
        self.assertNotIn("dev/null", there)
        self.assertFalse([name for name in there if "test_rehearsal" in name])

    def test_debian_as_it_is(self) -> None:
        """Owner and mode, but what the rehearsal's own files replace."""
        there = self.build()
        self.assertEqual(there["usr/bin/a"].mode, stat.S_IFREG | 0o4755)
        self.assertEqual(there["usr/bin/a"].owner, (7, 0))
        self.assertEqual(there["etc/hostname"].data, b"rehearsal\n")


class Server:
    """Plays a ForkServer: the events of each job, and how it ends."""

    def __init__(self, *events: Event, outcome: Outcome = Outcome("ok")) -> None:
        self._events, self._outcome = events, outcome
        self.plan = ""

    def run(self, plan: str, ticks: int, watchdog: object, on_event: object, log: Path) -> Outcome:
        self.plan = plan
        for event in self._events:
            on_event(event)     # type: ignore[operator]
        return self._outcome


class Endless(Server):
    """One scene cannot be played, the other one runs until the server is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._begun, self._over = threading.Event(), threading.Event()

        self.outlived = False       # a scene the server

    def run(self, plan: str, ticks: int, watchdog: object, on_event: object, log: Path) -> Outcome:
        if "modprobe" not in plan:
            self._begun.wait(20)
            raise HarnessError("the first one")
        self._begun.set()
        self.outlived = not self._over.wait(5)
        return Outcome("died")

    def close(self) -> None:
        self._over.set()


def played(status: int, *, certified: int = 4, loaded: int = 0) -> list[Event]:
    ends = {"line1": loaded, "line2": status, "line3": certified}
    events: list[Event] = []
    for name, end in ends.items():
        events += [Begin(name), Output(b"text\n"), End(name, end)]
    return events


class PlayTest(FolderTest):
    def play(self, *events: Event, outcome: Outcome = Outcome("ok")) -> rehearsal.Played:
        self.server = Server(*events, outcome=outcome)
        self.results = Path(tempfile.mkdtemp(dir=self.folder)) / "native"
        return rehearsal.play(self.server, "native", TYPED, self.results)  # type: ignore[arg-type]

    def test_played(self) -> None:
        sent = archive(results__run2__a=b"x", results__run1__a=b"y", certificate__c=b"z")
        one = self.play(*played(0), File("out", sent))
        self.assertEqual((one.status, one.remarks), (0, []))
        self.assertEqual(self.server.plan, "modprobe a\n./run_tests.sh\ncertify\n")
        self.assertIn("native: # modprobe a\nnative: text\n", self.said.getvalue())
        folder = self.results
        self.assertEqual((folder / "a").read_bytes(), b"x")
        self.assertEqual((folder / "before/run1/a").read_bytes(), b"y")
        self.assertEqual((folder / "certificate/c").read_bytes(), b"z")

    def test_the_tests_decide(self) -> None:
        self.assertEqual(self.play(*played(1, certified=1)).status, 1)

    def test_what_else_may_not_fail(self) -> None:
        for events, wrong in ((played(0, loaded=1), "ended with 1: modprobe a"),
                              (played(0, certified=0), "ended with 0: certify"),
                              (played(0)[:-3], "did not end: certify")):
            one = self.play(*events)
            self.assertEqual((one.status, one.remarks), (3, [wrong]))

    def test_a_machine_that_dies(self) -> None:
        one = self.play(*played(0)[:4], outcome=Outcome("died", "it is gone"))
        self.assertEqual(one.status, 3)
        self.assertIn("died: it is gone", one.remarks[-1])

    def test_an_end_in_the_middle_ends_the_other_scenes(self) -> None:
        """As an interrupt is: what still runs ends with the server."""
        server = Endless()
        with (mock.patch.object(rehearsal, "boot", return_value=server), mock.patch.object(rehearsal, "wait_for"),
              self.assertRaisesRegex(HarnessError, "the first one")):
            rehearsal.run(options(out=self.folder, jobs=2, scenes=("native", "modules")), Cache(self.folder))
        self.assertFalse(server.outlived)

    def test_the_worst_counts(self) -> None:
        self.assertEqual(max((0, 4, 1, 0), key=rehearsal.severity), 1)
        self.assertEqual(max((0, 4), key=rehearsal.severity), 4)
        self.assertEqual(max((1, 3, 0), key=rehearsal.severity), 3)

    def test_results_that_are_cut_or_foreign(self) -> None:
        whole = b"".join(archive(results__run2__a=b"x" * 4000).split())
        for data in (b"", whole[:40], b"!!!!" + whole):
            with self.subTest(data[:8]), self.assertRaises(HarnessError):
                rehearsal.unpack(data, self.folder)
        foreign = {"results__run2__x": b"", "results__run2__..__..__..__y": b""}
        rehearsal.unpack(archive(**foreign), self.folder)
        self.assertTrue((self.folder / "x").exists())
        self.assertFalse((self.folder.parent / "y").exists())

    def test_results_say_that_it_was_one(self) -> None:
        with mock.patch.dict(os.environ, {"KTS_REHEARSAL": "1"}):
            self.assertIs(native.ThisHost(options()).environment()["rehearsal"], True)
        self.assertNotIn("rehearsal", native.ThisHost(options()).environment())
