# SPDX-License-Identifier: GPL-2.0-only
"""The command line of mutants/coverage: run the suite on a kernel that counts, and report."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from testbed import exit_status
from testbed.errors import HarnessError
from testbed.make import kernel, packages, programs
from testbed.make.cache import Cache
from testbed.progress import say
from testbed.results import COUNTERS

from mutants import counters, unreached
from mutants.cli import origin
from mutants.counters import Function
from mutants.unreached import GAPS, Line

Counts = Mapping[str, Sequence[Function]]       # of the suite, and of the kernel's own selftests

SUITE, OWN = "suite", "kernel's own"


def path(text: str) -> Path:
    """As the user means it: the programs below run elsewhere."""
    return Path(text).resolve()


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="mutants/coverage",
        description="Run the suite on a kernel that counts what it executes, and tell which lines, "
                    "branches and functions of the mapping path it does not.",
        epilog="exit status: 0; 1 if a part of the mapping path is not executed and "
               "mutants/unreached.toml does not say why; 2 wrong usage; 3 harness error")
    new.add_argument("--tests", metavar="GLOB[:CASE]", action="append", default=[],
                     help="run only these; may be repeated")
    new.add_argument("--nightly", action="store_true", help="run the long cases, too")
    new.add_argument("--jobs", metavar="N", help="emulated hosts at once")
    new.add_argument("--kernel", type=path, metavar="DIR",
                     help="kernel source tree (default: the newest in Debian)")
    new.add_argument("--run", type=path, metavar="DIR", action="append", default=[],
                     help="take the counters of this run, in place of a new one; may be repeated")
    new.add_argument("--own", action="store_true",
                     help="run the kernel's own KVM selftests, too, and show both")
    new.add_argument("--out", type=path, metavar="DIR", default=programs.ROOT / "results/coverage",
                     help="write the report here (default: results/coverage)")
    return new


def run(command: Sequence[str]) -> None:
    """The suite, or the kernel's selftests. Cases may fail: what was executed counts all the same."""
    status = subprocess.run(command, check=False, cwd=programs.ROOT).returncode
    if status not in (0, 1):
        raise HarnessError(f"{' '.join(command)} ended with status {status}")


def run_suite(arguments: argparse.Namespace) -> Path:
    """The folder of its results."""
    command = [str(programs.ROOT / "run_tests.sh"), "--on", "auto", "--debug-kernel", "coverage", "--seed", "1",
               "--no-install", "--out", str(arguments.out / "run")]
    for option, values in (("--tests", arguments.tests), ("--kernel", [arguments.kernel]),
                           ("--jobs", [arguments.jobs])):
        for value in values:
            command += [option, str(value)] if value else []
    command += ["--nightly"] if arguments.nightly else []
    run(command)
    latest: Path = arguments.out / "run/latest"
    return latest.resolve()


def run_own(arguments: argparse.Namespace) -> Path:
    """The folder of their counters; with --run those of an earlier run."""
    folder: Path = arguments.out / "own"
    if arguments.run and folder.exists():
        return folder
    command = [sys.executable, "-m", "testbed.upstream", "--counters", str(folder / COUNTERS),
               *([str(arguments.kernel)] if arguments.kernel else [])]
    run(command)
    return folder


def archives(folders: Iterable[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in (folder / COUNTERS).glob("*.tgz"))


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else ""


def lines_of(found: Sequence[Function]) -> str:
    return share(sum(one.lines_executed for one in found), sum(len(one.lines) for one in found))


def branches_of(found: Sequence[Function]) -> str:
    taken = [count > 0 for one in found for counts in one.branches.values() for count in counts]
    return share(sum(taken), len(taken))


def functions_of(found: Sequence[Function]) -> str:
    return share(sum(one.count > 0 for one in found), len(found))


MEASURES: Mapping[str, Callable[[Sequence[Function]], str]] = {
    "lines": lines_of, "branches": branches_of, "functions": functions_of}


def table(counts: Counts) -> list[str]:
    """Markdown: by file, of each that ran."""
    many = len(counts) > 1
    heads = [f"{name}, {who}" if many else name for name in MEASURES for who in counts]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    files = list(dict.fromkeys(one.file for one in counts[SUITE]))
    for name in [*files, "all"]:
        part = {who: [one for one in found if name in (one.file, "all")]
                for who, found in counts.items()}
        lines.append(f"| {name} | " + " | ".join(
            measure(part[who]) for measure in MEASURES.values() for who in counts) + " |")
    return lines


def reachable(found: Sequence[Function], lines: Sequence[Line]) -> str:
    """The goals: what nothing here can execute is left out."""
    argued = [line for line in lines if line.argument and line.argument.word not in GAPS]
    whole = sum(len(one.lines) for one in found) - sum(not line.executed for line in argued)
    done = sum(one.lines_executed for one in found)
    arms = sum(len(counts) for one in found for counts in one.branches.values())
    missing = sum(line.missing for line in lines)
    arms_left = arms - sum(line.missing for line in argued)
    return (f"Of what this machine can execute: lines {share(done, whole)}, branches "
            f"{share(arms - missing, arms_left)}.")


def listing(lines: Sequence[Line]) -> list[str]:
    """By function; what nothing is said about comes first."""
    by_function: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        by_function.setdefault((line.function.file, line.function.name), []).append(line)
    text = []
    for (file, name), each in sorted(by_function.items(), key=lambda item: all(
            line.argument for line in item[1])):
        text += ["", f"### {name}() of {file}" + ("" if each[0].function.count else ", never called"), ""]
        for line in each:
            what = f"{line.missing} branches" if line.executed else "never"
            why = f": {line.argument.word}: {line.argument.why}" if line.argument else ""
            text.append(f"- {line.number} `{line.text}` {what}{why}")
    return text


def only_own(own: Sequence[Function], lines: Sequence[Line]) -> list[str]:
    """Of the lines that the suite does not execute those that the kernel's own selftests do."""
    executed = {(one.file, number) for one in own for number, count in one.lines.items() if count}
    return [f"- {line.function.file}:{line.number} {line.function.name}() `{line.text}`" for line in lines
            if not line.executed and (line.function.file, line.number) in executed]


def html(found: Sequence[Function], source: Path, out: Path) -> None:
    trace = out / "coverage.info"
    trace.write_text(counters.tracefile(found, source))
    counters.call("genhtml", "--quiet", "--branch-coverage", "--prefix", str(source),
                  "--title", "kvm-tdx-selftests", "--output-directory", str(out / "html"), str(trace))


def execute(arguments: argparse.Namespace) -> int:
    packages.require(["tests", "emulator", "bochs", "reports", "kernel", "coverage"], may_install=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = {SUITE: arguments.run or [run_suite(arguments)]}
    if arguments.own:
        runs[OWN] = [run_own(arguments)]
    cache = Cache()
    source = origin(arguments.kernel, cache)
    with tempfile.TemporaryDirectory(prefix="kts-coverage-") as name:
        work = Path(name)
        (work / "kernel").mkdir()
        tree = kernel.provide(cache, arguments.kernel, "coverage", False, work / "kernel").tree
        assert tree is not None
        counts = {}
        for who, folders in runs.items():
            (work / who).mkdir()
            counts[who] = counters.read(archives(folders), tree, source.path, work / who)
    return report(counts, source.path, source.identity, arguments.out)


def report(counts: Counts, source: Path, identity: str, out: Path) -> int:
    found, known = counts[SUITE], unreached.load()
    lines = list(unreached.missed(found, source, known))
    summary = [*table(counts), "", reachable(found, lines)]
    text = [f"# What is executed of the mapping path: {identity}", "", *summary, ""]
    if OWN in counts:
        only = only_own(counts[OWN], lines)
        summary.append(f"Lines that only the kernel's own selftests execute: {len(only)}.")
        text += ["## Executed by the kernel's own selftests only", "", *only, ""]
    text += ["## Never executed, or never both ways", *listing(lines), ""]
    (out / "coverage.md").write_text("\n".join(text))
    html(found, source, out)
    say("\n".join(summary))
    for complaint in unreached.stale(found, lines, known):
        say(f"{unreached.FILE.name}: {complaint}")
    open_ = sum(line.argument is None and not line.executed for line in lines)
    say(f"lines that are not executed and of which nothing is said: {open_}\n"
        f"report: {out / 'coverage.md'} and {out / 'html/index.html'}")
    return int(open_ > 0)


def main() -> int:
    return exit_status.of("mutants/coverage", lambda: execute(parser().parse_args()))
