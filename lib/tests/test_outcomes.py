# SPDX-License-Identifier: GPL-2.0-only
"""How a test program reports and cleans up, whatever its cases do.

Runs unit/outcomes of the folder BUILD: python3 -m unittest discover -s lib/tests -t .
"""

from __future__ import annotations

import collections
import os
import platform
import re
import select
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("BUILD", "build") / "unit" / "outcomes"
LIMIT_S = 20.0  # generous: the machine may be busy

# Known issue L1 began with Linux 6.11.
_release = re.match(r"(\d+)\.(\d+)", platform.release())
L1_KNOWN = _release is not None and tuple(map(int, _release.groups())) >= (6, 11)
L1_REASON = ("KVM_PRE_FAULT_MEMORY never reloads an invalidated root: "
             "the fault is stale for ever")

SEGV = "the case's process was killed by signal 11 (Segmentation fault)"

DIFFERENT = ["outcomes.c:LINE: pages of gfn 0x10",
             "  expected: 4 (0x4)",
             "  got:      2 (0x2)"]

# name -> result line without its number, diagnostics
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "passes": ("ok", []),
    "fails_eq": ("not ok", DIFFERENT),
    "fails_true": ("not ok", [
        "outcomes.c:LINE: the condition",
        "  expected: errno == EXFULL",
        "  got:      false"]),
    "fails_errno": ("not ok", [
        "outcomes.c:LINE: close",
        "  expected: EFAULT (14)",
        "  got:      EBADF (9)"]),
    "fails_ok": ("not ok", [
        "outcomes.c:LINE: close",
        "  expected: success",
        "  got:      EBADF (9)"]),
    # A failing kernel is never a broken harness.
    "kvm_refuses_slot": ("not ok", [
        "slot.c:LINE: KVM_SET_USER_MEMORY_REGION2 of slot 0 at gpa 0x100000000",
        "  expected: success",
        "  got:      ENOTTY (25)"]),
    "kvm_refuses_attributes": ("not ok", [
        "vm.c:LINE: setting [0x100000000, +0x1000) private",
        "  expected: success",
        "  got:      ENOTTY (25)"]),
    "window_does_not_open": ("not ok", [
        "window.c:LINE: KVM_PRE_FAULT_MEMORY at gpa 0x100000000, whose page is missing",
        "  expected: KVM waits for a page of hva HVA, 0x1000 bytes",
        "  got:      it ended: ENOTTY (25), 0x1000 bytes left"]) if os.geteuid() == 0 else
    # userfaultfd(2) is root's.
    ("not ok # ERROR userfaultfd", [
        "uffd.c:LINE: harness error: userfaultfd: Operation not permitted"]),
    "undeclared": (
        "not ok # ERROR uffd_region_create() in a case that does not declare .needs_uffd", [
            "uffd.c:LINE: harness error: uffd_region_create() in a case that does not "
            "declare .needs_uffd"]),
    "guards_a_fix": ("not ok", [
        *DIFFERENT, 'this is what the kernel did before 0123456789ab ("KVM: Do right"), 6.1']),
    "expectations_hold": ("ok", []),
    "breaks": ("not ok # ERROR the harness", [
        "outcomes.c:LINE: harness error: the harness",
        "in two lines: Permission denied"]),
    "tells_moments": ("not ok", ["the case's process was killed by signal 9 (Killed)"]),
    "skips": ("ok # SKIP needs a full moon", []),
    "crashes": ("not ok", [SEGV]),
    "exits": ("not ok", ["the case's process exited with 3"]),
    "exits_quietly": ("not ok", ["the case's process exited with 0"]),
    "hangs": ("not ok # TIMEOUT 1 s", []),
    "aborts_in_thread": ("not ok", [
        "the case's process was killed by signal 6 (Aborted)"]),
    "known_issue_shows":
        (f"ok # XFAIL L1: {L1_REASON}", ["retries: 123"]) if L1_KNOWN else
        ("not ok", ["retries: 123",
                    f"known issue L1 is not known of KVM of Linux {platform.release()} "
                    "(docs/hardware.md: kernels with backports)"]),
    "declared_issue":
        (f"ok # XFAIL L1: {L1_REASON}" if L1_KNOWN else "not ok", DIFFERENT),
    "declared_issue_hangs":
        (f"ok # XFAIL L1: {L1_REASON}" if L1_KNOWN else "not ok # TIMEOUT 1 s", []),
    "issue_in_body": ("not ok", DIFFERENT),
    "declared_old_issue": ("not ok", DIFFERENT),
    "known_issue_hides":
        ("ok", [f"xpass: known issue L1 did not show ({L1_REASON})"] if L1_KNOWN else []),
    "measures": ("ok", [
        "measure attempts=500",
        "measure pages=1073741824",
        "measure rate=0.125"]),
    "long_diagnostics": ("not ok", [
        "x" * 200_000,
        "two",
        "lines",
        "ok 99 this is no result line",
        "outcomes.c:LINE: " + "x" * 200_000,
        "  expected: false",
        "  got:      false"]),
    "leaves_child": ("ok", []),
    "child_is_gone": ("ok", []),
    "changes_and_passes": ("ok", []),
    "keeps_a_change": ("ok", []),
    "change_is_kept": ("ok", []),
    "changes_and_fails": ("not ok", [
        "outcomes.c:LINE: failure after a change",
        "  expected: false",
        "  got:      false"]),
    "changes_and_crashes": ("not ok", [SEGV]),
    "changes_and_is_killed": ("not ok", [
        "the case's process was killed by signal 9 (Killed)"]),
    "changes_and_hangs": ("not ok # TIMEOUT 1 s", []),
    "changes_what_is_not_there": ("ok", []),
    "cannot_be_undone": ("not ok", ['not undone: DIR/stubborn "": Directory not empty']),
    "each_type.default": ("ok", []),
    "each_type.sw_protected": ("ok", []),
    "other_boot": ("ok", []),
    "host_wide": ("ok", []),
}
# These have tests of their own.
OTHERS = ["fails_in_threads", "threads_talk", "needs_much"]


class Program:
    """One run of the program, in a folder of its own.

    The program, its cases, what they start and the guardian hold one end of a
    pipe: end-of-file at our end tells that all of them have died.
    """

    def __init__(self, *args: str, ignore_sigpipe: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outcomes-"))
        (self.folder / "setting").write_text("before")
        self._alive, theirs = os.pipe()
        env = {**os.environ, "OUTCOMES_DIR": str(self.folder)}
        env.pop("KTS_TIME_SCALE", None)
        # A crash must stay a crash, not become a report of AddressSanitizer.
        env["ASAN_OPTIONS"] = "detect_leaks=0:handle_segv=0"
        self.process = subprocess.Popen(
            [PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=env, pass_fds=[theirs],
            restore_signals=not ignore_sigpipe)
        os.close(theirs)
        assert self.process.stdout and self.process.stderr
        self.stdout, self.stderr = self.process.stdout, self.process.stderr

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        self.all_dead()
        os.close(self._alive)
        self.stdout.close()
        self.stderr.close()
        shutil.rmtree(self.folder)

    def all_dead(self) -> bool:
        return bool(select.select([self._alive], [], [], LIMIT_S)[0])

    def finish(self) -> tuple[int, list[str], str]:
        """Exit status, lines of stdout, stderr."""
        stdout, stderr = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, stdout.splitlines(), stderr

    def wait_for_line(self, line: str) -> None:
        for seen in self.stdout:
            if seen.rstrip("\n") == line:
                return
        raise AssertionError(f"the program ended without {line!r}")

    def state(self) -> dict[str, str | None]:
        """The content of the folder: path -> text, None for a folder."""
        return {str(path.relative_to(self.folder)):
                path.read_text() if path.is_file() else None
                for path in self.folder.rglob("*")}


CHANGED: dict[str, str | None] = {
    "setting": "change twice", "folder": None, "folder/file": ""}
UNDONE: dict[str, str | None] = {"setting": "before"}


class OutcomesTest(unittest.TestCase):
    def start(self, *args: str, ignore_sigpipe: bool = False) -> Program:
        program = Program(*args, ignore_sigpipe=ignore_sigpipe)
        self.addCleanup(program.close)
        return program

    def run_cases(self, *args: str) -> tuple[int, list[str], str]:
        return self.start(*args).finish()

    def results(self, lines: list[str]) -> list[str]:
        return [line for line in lines if re.match("(not )?ok ", line)]


class WholeRunTest(unittest.TestCase):
    """One run of all the cases."""

    program: Program
    status: int
    lines: list[str]
    stderr: str
    nobody_left: bool
    left: dict[str, str | None]
    cases: dict[str, list[str]]  # case -> its lines, from "# run" to the result

    @classmethod
    def setUpClass(cls) -> None:
        cls.program = Program()
        cls.status, cls.lines, cls.stderr = cls.program.finish()
        cls.nobody_left = cls.program.all_dead()
        cls.left = cls.program.state()
        cls.cases = {}
        lines = cls.cases.setdefault("", [])
        for line in cls.lines:
            run = re.fullmatch(r"# run (\S+) \(limit \d+ s\)", line)
            if run:
                lines = cls.cases.setdefault(run[1], [])
            lines.append(line)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.program.close()

    def neutral(self, line: str) -> str:
        line = re.sub(r"^(\w+\.c):\d+:", r"\1:LINE:", line)
        line = re.sub(r"hva 0x[0-9a-f]+", "hva HVA", line)
        return line.replace(str(self.program.folder), "DIR")

    def test_header(self) -> None:
        header = [line for line in self.cases[""] if not line.startswith("# note: ")]
        self.assertEqual(header[:3], [
            "KTAP version 1", f"1..{len(EXPECTED) + len(OTHERS)}",
            "# outcomes: every outcome, on purpose"])
        self.assertRegex(header[3], r"^# seed 0x[0-9a-f]+$")
        self.assertEqual(len(header), 4)

    def test_every_case_ran_in_its_turn(self) -> None:
        names = [name for name in self.cases if name]
        self.assertCountEqual(names, [*EXPECTED, *OTHERS])
        for number, name in enumerate(names, 1):
            self.assertRegex(self.cases[name][-1], rf"^(not )?ok {number} {re.escape(name)}\b")

    def test_each_case(self) -> None:
        for name, (result, diagnostics) in EXPECTED.items():
            with self.subTest(name):
                run, *middle, seconds, last = self.cases[name]
                limit = 1 if "hangs" in name else 20
                self.assertEqual(run, f"# run {name} (limit {limit} s)")
                self.assertEqual([self.neutral(line.removeprefix("# ")) for line in middle],
                                 diagnostics)
                self.assertTrue(all(line.startswith("# ") for line in middle))
                self.assertRegex(seconds, r"^# measure seconds=[0-9.e-]+$")
                verdict, _, reason = result.partition(" # ")
                self.assertRegex(last, rf"^{verdict} \d+ {re.escape(name)}"
                                 + (re.escape(f" # {reason}") if reason else "") + "$")

    def test_one_of_many_failures_decides(self) -> None:
        for line in ("#   expected: 2 (0x2)", "#   got:      1 (0x1)"):
            self.assertEqual(self.cases["fails_in_threads"].count(line), 1)
        self.assertRegex(self.cases["fails_in_threads"][-1], r"^not ok \d+ fails_in_threads$")

    def test_lines_of_threads_do_not_mix(self) -> None:
        counts = collections.Counter(
            line[:len("# talker N line ")] for line in self.cases["threads_talk"]
            if re.fullmatch(r"# talker \d line \d+ of 500", line))
        self.assertEqual(sorted(counts.values()), [500] * 4)
        # "# run", seconds and the result, all intact
        self.assertEqual(len(self.cases["threads_talk"]), 4 * 500 + 3)

    def test_needs_are_checked(self) -> None:
        self.assertRegex(self.cases["needs_much"][-1], r"^ok \d+ needs_much # SKIP \S+")

    def test_unseen_complaints_are_no_pass(self) -> None:
        """Without a readable /dev/kmsg, cases that run kernel code skip with the reason."""
        self.assertIn("ok 1 needs_much # SKIP cannot read /dev/kmsg: ENOENT (2), and",
                      self.with_other_devices(""))

    def test_who_denies_is_named(self) -> None:
        """Root may lack access to a device by a security module or a container: no mount helps."""
        self.assertIn("SKIP cannot read /dev/kmsg: EACCES (13), denied to root: by SELinux",
                      self.with_other_devices("mknod /dev/kmsg c 1 11"))

    def with_other_devices(self, make: str) -> str:
        """The output in a /dev with only the nodes that `make` creates, none of which works."""
        command = (f"mount -t tmpfs -o nodev none /dev && {make or 'true'} && "
                   f"exec {PROGRAM} --case needs_much")
        done = subprocess.run(["unshare", "-m", "sh", "-c", command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if "unshare" in done.stderr or "mount" in done.stderr or "mknod" in done.stderr:
            self.skipTest(f"needs root: {done.stderr.strip()}")
        return done.stdout

    def test_exit_status(self) -> None:
        self.assertEqual((self.status, self.stderr), (1, ""))

    def test_all_is_undone_and_nobody_left(self) -> None:
        self.assertTrue(self.nobody_left)
        del self.left["child"]
        self.assertEqual(self.left, {**UNDONE, "stubborn": None, "stubborn/file": ""})


class OptionsTest(OutcomesTest):
    def test_pass_is_0(self) -> None:
        status, lines, _ = self.run_cases("--case", "passes", "--case", "skips")
        self.assertEqual(status, 0)
        self.assertEqual(self.results(lines),
                         ["ok 1 passes", "ok 2 skips # SKIP needs a full moon"])

    def test_moments_outlive_a_case(self) -> None:
        """The last ones, in order of time, with the threads' names."""
        _, lines, _ = self.run_cases("--events", "--case", "tells_moments", "--case", "passes")
        events = [line for line in lines if line.startswith("# event ")]
        self.assertEqual(len(events), 160)
        self.assertRegex(events[0], r"^# event 0\.0{9} case/\d+ event step 1842$")
        self.assertRegex(events[-2], r"^# event 0\.\d{9} other/\d+ event a note$")
        self.assertRegex(events[-1], r"^# event 0\.\d{9} case/\d+ end work: success$")

    def test_failed_broken_died_are_1(self) -> None:
        for case in ("fails_eq", "breaks", "crashes"):
            with self.subTest(case):
                self.assertEqual(self.run_cases("--case", "passes", "--case", case)[0], 1)

    def test_what_is_kept_and_not_undone_is_1(self) -> None:
        status, lines, _ = self.run_cases(
            "--nightly", "--case", "keeps_what_cannot_be_undone")
        self.assertEqual(status, 1)
        self.assertEqual(self.results(lines), ["ok 1 keeps_what_cannot_be_undone"])
        self.assertTrue(any("not undone: " in line for line in lines))

    def test_all_skipped_is_4(self) -> None:
        status, lines, _ = self.run_cases("--case", "skips")
        self.assertEqual(status, 4)
        self.assertIn("1..1", lines)

    def test_wrong_usage_is_2(self) -> None:
        for args in (["--no-such-option"], ["argument"], ["--seed", "x"], ["--seed", ""],
                     ["--case"], ["--case", "nothing like it"], ["--boot", "moon"]):
            with self.subTest(args):
                status, lines, stderr = self.run_cases(*args)
                self.assertEqual((status, lines), (2, []))
                self.assertTrue(stderr)

    def test_help(self) -> None:
        status, lines, stderr = self.run_cases("--help")
        self.assertEqual((status, stderr), (0, ""))
        for option in ("--list", "--case", "--boot", "--seed", "--nightly",
                       "--allow-host-wide", "--fail-fast", "--dry-run", "--verbose"):
            self.assertTrue(any(option in line for line in lines), option)

    def test_globs(self) -> None:
        _, lines, _ = self.run_cases("--case", "each_*", "--case", "[o-p]*")
        self.assertEqual(self.results(lines), [
            "ok 1 passes", "ok 2 each_type.default", "ok 3 each_type.sw_protected",
            "ok 4 other_boot"])

    def test_boot(self) -> None:
        _, lines, _ = self.run_cases("--boot", "cpus4")
        self.assertEqual(self.results(lines), ["ok 1 other_boot"])
        status, _, _ = self.run_cases("--boot", "default", "--case", "other_boot")
        self.assertEqual(status, 2)

    def test_seed(self) -> None:
        for given, said in (("0x1234", "0x1234"), ("17", "0x11")):
            _, lines, _ = self.run_cases("--seed", given, "--verbose", "--case", "passes")
            self.assertIn(f"# seed {said}", lines)
            self.assertIn(f"# seed is {said}", lines)

    def test_verbose_lines_are_optional(self) -> None:
        _, lines, _ = self.run_cases("--case", "passes")
        self.assertFalse([line for line in lines if line.startswith("# seed is")])

    def test_fail_fast(self) -> None:
        status, lines, _ = self.run_cases("--fail-fast", "--case", "passes",
                                          "--case", "fails_*", "--case", "skips")
        self.assertEqual(status, 1)
        result = self.results(lines)
        self.assertEqual(result[:2], ["ok 1 passes", "not ok 2 fails_eq"])
        self.assertEqual(len(result), 7)
        for line in result[2:]:
            self.assertIn(" # SKIP not run: --fail-fast", line)
        self.assertEqual(len([line for line in lines if line.startswith("# run ")]), 2)

    def test_list(self) -> None:
        status, lines, _ = self.run_cases("--list")
        self.assertEqual(status, 0)
        self.assertEqual(len(lines), len(EXPECTED) + len(OTHERS))
        self.assertIn("outcomes:passes\tdefault\t-\t20\tPasses", lines)
        self.assertIn("outcomes:hangs\tdefault\t-\t1\tNever ends", lines)
        self.assertIn("outcomes:each_type.default\tdefault\t-\t20\tOnce for each VM type", lines)
        self.assertIn("outcomes:other_boot\tcpus4\t-\t20\tFor hosts booted with four CPUs", lines)
        self.assertIn("outcomes:host_wide\tdefault\thost-wide\t20\tChanges what others see", lines)

    def test_list_of_a_selection(self) -> None:
        _, lines, _ = self.run_cases("--list", "--nightly", "--case", "*_waits")
        self.assertEqual([line.split("\t")[0] for line in lines],
                         ["outcomes:changes_and_waits", "outcomes:cannot_be_undone_and_waits"])

    def test_dry_run(self) -> None:
        program = self.start("--dry-run", "--case", "host_wide", "--case", "changes_*")
        status, lines, _ = program.finish()
        self.assertEqual((status, self.results(lines)), (0, []))
        self.assertIn("changes_and_passes: nothing outside of its own process", lines)
        self.assertTrue(any(re.match("host_wide:.*the weather", line) for line in lines))
        self.assertEqual(program.state(), UNDONE)


class KilledTest(OutcomesTest):
    """The program is killed while a case runs that changed the host."""

    def start_changed(self, case: str = "changes_and_waits") -> Program:
        program = self.start("--nightly", "--case", case)
        program.wait_for_line("# changed")
        self.assertEqual({**program.state(), **CHANGED}, program.state())
        return program

    def end(self, program: Program, number: int) -> int:
        program.process.send_signal(number)
        status = program.process.wait(LIMIT_S)
        self.assertTrue(program.all_dead(), "a process is left")
        return status

    def test_ctrl_c(self) -> None:
        program = self.start_changed()
        self.assertEqual(self.end(program, signal.SIGINT), 128 + signal.SIGINT)
        self.assertEqual(program.stdout.read(), "# ended by signal 2\n")
        self.assertEqual(program.state(), UNDONE)

    def test_sigterm(self) -> None:
        program = self.start_changed()
        self.assertEqual(self.end(program, signal.SIGTERM), 128 + signal.SIGTERM)
        self.assertEqual(program.state(), UNDONE)

    def test_sigkill(self) -> None:
        program = self.start_changed()
        self.assertEqual(self.end(program, signal.SIGKILL), -signal.SIGKILL)
        self.assertEqual(program.state(), UNDONE)

    def test_sigkill_and_a_step_that_cannot_be_undone(self) -> None:
        program = self.start_changed("cannot_be_undone_and_waits")
        self.end(program, signal.SIGKILL)
        self.assertEqual(program.state(), {**UNDONE, "stubborn": None, "stubborn/file": ""})

    def test_two_programs_at_once(self) -> None:
        one, other = self.start_changed(), self.start_changed()
        self.end(one, signal.SIGKILL)
        self.assertEqual(one.state(), UNDONE)
        self.assertEqual(other.state(), CHANGED)
        self.assertIsNone(other.process.poll())
        self.end(other, signal.SIGINT)
        self.assertEqual(other.state(), UNDONE)

    def test_nobody_listens(self) -> None:
        for ignore_sigpipe in (False, True):
            with self.subTest(ignore_sigpipe=ignore_sigpipe):
                program = self.start("--case", "changes_*", "--case", "hangs",
                                     ignore_sigpipe=ignore_sigpipe)
                program.wait_for_line("# run changes_and_passes (limit 20 s)")
                program.stdout.close()
                self.assertIn(program.process.wait(LIMIT_S), (1, -signal.SIGPIPE))
                self.assertTrue(program.all_dead(), "a process is left")
                self.assertEqual(program.state(), UNDONE)


if __name__ == "__main__":
    unittest.main()
