# SPDX-License-Identifier: GPL-2.0-only
"""Run the README's commands on a bare Debian, as a new user does.

    python3 -m checks.fresh [--suite trixie] [--whole | --checks 'GLOB...'] [--commit REV]

Clones the commit checked out here (or REV) into a bare Debian.  An ordinary user learns
what to install; root runs the suite, which installs it, and the checks; then the user
runs the suite as well.  This machine's cache is available, so nothing is compiled twice
with the same compiler; KTS_FRESH_COLD=1 starts with an empty cache.

Exit: 0 success, 1 failure, 4 not root, or no Debian archive can be reached.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from checks import bare
from checks.bare import UID, USER, Root
from reports.model import Exit
from testbed import exit_status
from testbed.make import debian, packages
from testbed.errors import UsageError
from testbed.make.cache import Cache
from testbed.make.debian import Unable
from testbed.progress import duration, say
from testbed.steps import CommandFailed, lines_of

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "repository.git"
CLONE = "kvm-tdx-selftests"
COLD = "KTS_FRESH_COLD"
SAMPLE = "SAMPLE"       # of scripts/check
# About a minute on two cores, with both emulated hosts.
SOME_TESTS = "--tests prefault_args_test --tests td_build_test"
FEW_TESTS = "--tests 'prefault_args_test:past_the_end*' --tests 'td_build_test:across*'"
SHORT_CHECKS = "!end-to-end !fresh"
APT_LINE = r"as root:\n  apt-get install --no-install-recommends -y \S"
BOTH_HOSTS = (r"^boot tdx\b.* bochs ", r"^boot default\b.* qemu ", r"^PASSED: ")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# unittest's reason for a test that a missing program skipped.
UNTESTED = re.compile(r"^(.*) \.\.\. skipped (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Wanted:
    """The options of the command line."""

    suite: str | None = None        # the release of this machine
    commit: str = "HEAD"
    tests: str = SOME_TESTS         # options of run_tests.sh
    checks: str = SHORT_CHECKS      # as in make check CHECKS=


@dataclass(frozen=True)
class Step:
    """A command, and its expected end."""

    title: str
    command: str
    user: bool = False
    exit: int = 0
    says: Sequence[str] = ()        # regular expressions
    says_not: Sequence[str] = ("Traceback",)
    folder: str = CLONE
    mounts: Sequence[str] = ()
    prepare: str = "true"
    needed: bool = False            # the later steps mean nothing without it


@dataclass
class Report:
    start: float = field(default_factory=time.monotonic)
    times: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def do(root: Root, step: Step, report: Report, environment: dict[str, str]) -> bool:
    """Run the step, print its output; whether it ended as expected."""
    say(f"\n== {step.title}: {'user' if step.user else 'root'}$ {step.command}")
    start, cpu = time.monotonic(), cpu_seconds()
    status, lines = 0, []
    try:
        # The container's parent takes only SIGKILL, which ends all of its processes.
        for line in lines_of(root.command(step.command, user=step.user, folder=step.folder,
                                          mounts=step.mounts, prepare=step.prepare,
                                          environment=environment), stop=signal.SIGKILL):
            lines.append(line)
            say(line)
    except CommandFailed as error:
        status = error.status
    text = "\n".join(lines)
    wrong = [] if status == step.exit else [f"exit status {status}, not {step.exit}"]
    wrong += [f"does not say {pattern!r}" for pattern in step.says
              if not re.search(pattern, text, re.MULTILINE)]
    wrong += [f"says {pattern!r}" for pattern in step.says_not
              if re.search(pattern, text, re.MULTILINE)]
    report.wrong += [f"{step.title}: {one}" for one in wrong]
    report.times.append(f"{duration(time.monotonic() - start):>12}  "
                        f"{duration(cpu_seconds() - cpu):>12}  {step.title}")
    return not wrong


def cpu_seconds() -> float:
    """The CPU time of all commands that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def clone(title: str, user: bool) -> Step:
    return Step(title, f"git clone -q file://$PWD/{REPOSITORY} {CLONE}", user=user, folder="",
                needed=True)


def steps(cache: Path, wanted: Wanted) -> list[Step]:
    """The steps; `cache` is this machine's folder for root's cache there."""
    shared = f"/home/{USER}/.cache/{cache.name}"
    return [
        clone("a user clones", user=True),
        Step("a user without packages", "./run_tests.sh", user=True, exit=3,
             says=("Python 3.11 or newer is needed; as root:\n  apt-get install .*python3",)),
        clone("root clones", user=False),
        Step("the suite", f"./run_tests.sh {wanted.tests}",
             says=("^packages are missing; installing them:\n  apt-get install", *BOTH_HOSTS),
             says_not=("Traceback", "no report.html")),
        Step("the report is written", "test -s results/latest/report.html"),
        Step("a user without the packages of the checks", "make check", user=True, exit=2,
             says=(APT_LINE, "Error 3")),
        Step("the checks", f"make check CHECKS='{wanted.checks}'",
             says=(", 0 failed, ",)),
        Step("a user with packages", f"./run_tests.sh {FEW_TESTS}", user=True, says=BOTH_HOSTS,
             mounts=(f"copy:{cache}:{shared}",), prepare=hand_over(shared)),
    ]


def hand_over(cache: str) -> str:
    """The cache as the user's own: its folders, and the files that are written; what the
    entries consist of can be read."""
    return (f"chown {UID}:{UID} /home/{USER}/.cache {cache} {cache}/* && "
            f"chown -R {UID}:{UID} {cache}/locks && chmod 755 {cache}/*/*")


def untested(clone_: Path) -> list[str]:
    """The unit tests that were skipped: none on a machine with all packages."""
    return [f"{log.stem}: {match[0]}" for log in sorted((clone_ / "build/check").glob("*.log"))
            for match in UNTESTED.finditer(log.read_text(errors="replace"))]


def publish(top: Path, commit: str = "HEAD") -> None:
    """Check out the commit in one repository for each of the two users."""
    try:
        what = git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    except subprocess.CalledProcessError as error:
        raise UsageError(f"no commit here is called {commit}") from error
    if commit == "HEAD" and (changed := git("status", "--porcelain", "--untracked-files=no")):
        say(f"not committed, so not under test: {', '.join(line[3:] for line in changed.splitlines())}")
    first = top / "root" / REPOSITORY
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", first], check=True)
    subprocess.run(["git", "-C", first, "fetch", "-q", "--depth=1", f"file://{ROOT}",
                    f"{what}:refs/heads/main"], check=True)
    second = top / "home" / USER / REPOSITORY
    shutil.copytree(first, second)
    for path in (second, *second.rglob("*")):
        shutil.chown(path, UID, UID)
    say(f"commit {git('log', '-1', '--format=%h %s', what)}")


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True,
                          check=True).stdout.rstrip()


def run(wanted: Wanted) -> int:
    if os.geteuid() != 0:
        raise Unable("only root can make and enter a root folder")
    packages.require(["fresh"], may_install=not os.environ.get("NO_INSTALL"))
    source = debian.archive(wanted.suite or debian.suite_of_host(Path("/etc/os-release").read_text()))
    cache = Cache()
    tarball = bare.tarball(cache, source)
    environment = {name: os.environ[name] for name in PROXIES if name in os.environ}
    mounts: list[str] = []
    cold = bool(os.environ.get(COLD))
    if not cold:
        # At the same path: cache entries refer to others by absolute paths.
        environment["XDG_CACHE_HOME"] = str(cache.folder.parent)
        mounts = [f"bind:{cache.folder}:{cache.folder}",
                  f"bind:{debs(cache, source)}:/var/cache/apt/archives"]
    if not cold and not wanted.suite and wanted.tests:
        # The same compilers build the same code on this machine, where all of it is checked.
        environment[SAMPLE] = "1"
    report = Report()
    with bare.root(cache, tarball, mounts) as root:
        publish(root.folder, wanted.commit)
        used = root.folder / "root/.cache" / cache.folder.name if cold else cache.folder
        for step in steps(used, wanted):
            values = {name: value for name, value in environment.items()
                      if not (step.user and name == "XDG_CACHE_HOME")}
            if not do(root, step, report, values) and step.needed:
                break
        report.wrong += untested(root.folder / "root" / CLONE)
    say(f"\nDebian {source.suite}, {'cold' if cold else 'warm'}, "
        f"{duration(time.monotonic() - report.start)}:")
    say("\n".join([f"{'':>12}  {'of CPUs':>12}", *report.times]))
    say("\n".join(f"FAILED: {one}" for one in report.wrong) or "all commands succeeded")
    return 1 if report.wrong else 0


def debs(cache: Cache, source: debian.Archive) -> Path:
    """Packages that were downloaded before."""
    folder = cache.folder / "roots" / source.suite / "archives"
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m checks.fresh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", metavar="NAME", help="release (default: this machine's own)")
    parser.add_argument("--commit", metavar="REV", default="HEAD",
                        help="what is cloned (default: the commit that is checked out)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--whole", action="store_true",
                        help="all of the suite, and all of the checks but this one")
    length.add_argument("--checks", metavar="'GLOB...'", default=SHORT_CHECKS,
                        help="of the checks these, as in make check CHECKS= "
                             "(default: '%(default)s')")
    args = parser.parse_args()
    wanted = Wanted(args.suite, args.commit, checks=args.checks)
    if args.whole:
        wanted = replace(wanted, tests="", checks="!fresh")
    try:
        return run(wanted)
    except Unable as error:
        say(f"cannot be run here: {error}")
        return Exit.SKIPPED


if __name__ == "__main__":
    sys.exit(exit_status.of("fresh", main))
