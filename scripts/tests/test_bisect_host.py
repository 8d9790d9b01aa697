# SPDX-License-Identifier: GPL-2.0-only
"""Bisection on a machine: a folder plays it, and a script in the place of ssh reaches it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BISECT = ROOT / "scripts/bisect"
BAD = 6                 # the first commit whose case fails
COMMITS = 9

# A fake ssh: "ssh HOST COMMAND".  The machine's files are in $MACHINE.
SSH = """\
shift
[ ! -e "$MACHINE/down" ] || exit 255
case $1 in
"cat /proc/sys/kernel/random/boot_id") cat "$MACHINE/boot_id" ;;
"uname -r") cat "$MACHINE/running" ;;
*) sh -c "$1" ;;
esac
"""
# The lab's commands: a kernel is a number in a file, and is booted once.
INSTALL = """\
[ -z "${GIT_DIR+set}" ] || exit 9     # a git of the lab's would look into that
number=$(cat "$KTS_TREE/number")
grep -q "^$number$" "$MACHINE/unbuildable" && exit 125
echo "7.2.0${LOCALVERSION-}" >"$MACHINE/next"
echo "$number" >"$MACHINE/next_number"
"""
REBOOT = """\
[ "$KTS_HOST" = tdx7 ] || exit 1
rm -f "$MACHINE/down"
if [ -e "$MACHINE/next" ]; then
	grep -q "^$(cat "$MACHINE/next_number")$" "$MACHINE/unbootable" && touch "$MACHINE/down"
	mv "$MACHINE/next" "$MACHINE/running"; mv "$MACHINE/next_number" "$MACHINE/number"
else
	echo 7.1-usual >"$MACHINE/running"; echo 0 >"$MACHINE/number"
fi
echo "boot $(date +%s%N)" >"$MACHINE/boot_id"
"""
# A fake suite: writes the results that belong to the kernel's number.
SUITE = """\
case $* in "--on native --out "*" --tests a_test:one") ;; *) exit 2 ;; esac
out=$4/latest
number=$(cat "$MACHINE/number")
grep -q "^$number$" "$MACHINE/deadly" && { touch "$MACHINE/down"; exit 255; }
mkdir -p "$out"
status=pass; code=0
[ "$number" -lt BAD ] || { status=fail; code=1; }
echo '{"boots": [{"outcome": "ok", "detail": ""}]}' >"$out/plan.json"
echo '{"tests": [{"name": "a_test", "cases": [{"name": "one", "reason": "it is wrong",
"status": "'$status'"}]}]}' >"$out/results.json"
exit $code
"""


class HostTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.machine = self.folder / "machine"
        self.machine.mkdir()
        for name in ("unbuildable", "unbootable", "deadly"):
            self.file(name, "")
        self.file("boot_id", "boot 0\n")
        self.file("running", "7.1-usual\n")
        self.file("number", "0\n")
        self.script("machine/run_tests.sh", SUITE.replace("BAD", str(BAD)))
        self.tree = self.folder / "tree"
        self.tree.mkdir()
        self.git("init", "-q")
        self.commits = [self.commit(number) for number in range(COMMITS)]

    def file(self, name: str, text: str) -> None:
        (self.machine / name).write_text(text)

    def script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return path

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", "-C", self.tree, "-c", "user.name=T", "-c", "user.email=t@localhost",
                               *arguments], check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, number: int) -> str:
        (self.tree / "number").write_text(f"{number}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", f"KVM: change {number}")
        return self.git("rev-parse", "HEAD")

    def go(self, *more: str, limit: str = "0") -> subprocess.CompletedProcess[str]:
        cache = {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return subprocess.run(
            [sys.executable, BISECT, self.commits[0], self.commits[-1], "--runs", "2", "--out",
             self.folder / "out", "--host", "tdx7", "--ssh", self.script("ssh", SSH),
             "--install", str(self.script("install", INSTALL)), "--reboot",
             str(self.script("reboot", REBOOT)), "--boot-limit", limit, "--suite", self.machine,
             *more, "--", "--tests", "a_test:one"],
            cwd=self.tree, env={**os.environ, **cache, "MACHINE": str(self.machine)},
            capture_output=True, text=True, check=False)

    def expect_found(self, done: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"commit {self.commits[BAD]}", done.stdout)

    def steps(self) -> dict[str, str]:
        """Number in the subject -> reason, for each step of git bisect."""
        lines = map(json.loads, (self.folder / "out/steps.jsonl").read_text().splitlines())
        return {str(self.commits.index(line["commit"])): line["why"] for line in lines}

    def test_the_commit_is_found(self) -> None:
        done = self.go()
        self.expect_found(done)
        self.assertIn("it is wrong", done.stdout)

    def test_a_kernel_that_does_not_build_is_skipped(self) -> None:
        self.file("unbuildable", "4\n")
        self.expect_found(self.go())
        self.assertIn("does not build", self.steps()["4"])

    def test_after_a_kernel_that_does_not_boot_the_usual_one_comes_back(self) -> None:
        self.file("unbootable", "4\n")
        self.expect_found(self.go())
        self.assertIn("does not boot", self.steps()["4"])

    def test_a_kernel_that_dies_in_the_run_is_bad(self) -> None:
        self.file("deadly", "".join(f"{number}\n" for number in range(BAD, COMMITS)))
        done = self.go()
        self.expect_found(done)
        self.assertIn("the machine went down while the tests ran", done.stdout)

    def test_another_kernel_than_the_installed_one_ends_it(self) -> None:
        """A lab that always boots its usual kernel would make every commit good."""
        done = self.go("--install", "true")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("runs 7.1-usual, not a kernel with -kts-", done.stdout + done.stderr)

    def test_an_install_that_fails_ends_it(self) -> None:
        done = self.go("--install", "exit 3")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("--install ended with 3", done.stdout + done.stderr)

    def test_wait(self) -> None:
        self.expect_found(self.go("--wait", 'cat "$MACHINE/number" >>"$MACHINE/waited"',
                                  limit="60"))
        waited = (self.machine / "waited").read_text().split()
        self.assertEqual(waited[:2] + sorted(waited[2:]), ["0", str(COMMITS - 1), *sorted(self.steps())])

    def test_a_machine_that_stays_away_ends_it(self) -> None:
        done = self.go("--wait", "exit 7", limit="60")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("--wait ended with 7", done.stderr)

    def test_a_lost_connection_is_no_dead_machine(self) -> None:
        self.script("machine/run_tests.sh", "exit 255\n")
        done = self.go()
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("the connection to tdx7 broke", done.stdout + done.stderr)

    def test_a_run_without_results_tells_its_last_words(self) -> None:
        self.script("machine/run_tests.sh", "echo --modules: of another kernel; exit 3\n")
        done = self.go()
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("ended with 3 and left no results", done.stderr)
        self.assertIn("--modules: of another kernel", done.stderr)

    def test_a_refused_command_line_ends_it(self) -> None:
        self.script("machine/run_tests.sh", "echo --tests a_test:one: no such case; exit 2\n")
        done = self.go()
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(done.stderr, "bisect: --tests a_test:one: no such case\n")


if __name__ == "__main__":
    unittest.main()
