# SPDX-License-Identifier: GPL-2.0-only
"""The command line of mutants/run."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reports.model import Exit
from testbed import exit_status, plan
from testbed.errors import UsageError
from testbed.make import packages, source
from testbed.make.cache import Cache
from testbed.make.kernel import DEBUG, MAKE
from testbed.make.source import Source
from testbed.progress import duration, say

from mutants import generated, report, score
from mutants import mutant as catalogue
from mutants.generated import Generated
from mutants.hunt import Hunt, shard, summary
from mutants.lab import Lab
from mutants.mutant import Mutant
from mutants.scorer import Scorer
from mutants.trial import Kill
from mutants.verdict import GAP, KILLED, SURVIVED, UNRELIABLE, Verdict

ROOT = Path(__file__).parent.parent
KILLS = Path(__file__).parent / "killers.json"
EPILOG = """\
exit status:
  0 all killable mutants were killed               3 harness error  
  1 a mutant survived or caused only ERRORs, or    5 the unmodified kernel does not build
    an equivalent mutant was killed
  2 wrong usage
"""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        prog="mutants/run", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Seed bugs in the kernel, one at a time, and report which ones the tests catch.",
    )
    add = new.add_argument
    add("--only", metavar="GLOB", action="append", default=[],
        help="only these mutants (of the generated ones: or functions, or files); may be repeated")
    add("--generated", action="store_true",
        help="mutants made from the kernel's source, in place of those of the catalogue")
    add("--sample", type=int, metavar="N", help="of the generated ones a sample of N (with --seed)")
    add("--cases", type=int, default=0, metavar="N",
        help="a generated mutant meets at most N cases, the likely first (default: all that can notice it)")
    add("--list", action="store_true", help="list the mutants and exit")
    add("--tests", metavar="GLOB[:CASE]", action="append", default=[],
        help="these cases are likely to kill the mutants (the generated ones: meet no others); may be "
             "repeated (default: those that did)")
    add("--likely", action="store_true", help="run the likely cases only, not the whole suite")
    add("--shard", metavar="I/N", help="run only part I of N")
    add("--minutes", type=float, metavar="M",
        help="run a random sample: start no mutant after M minutes")
    add("--seed", type=int, metavar="N", help="seed for the sample (default: random, printed)")
    add("--again", action="store_true", help="ignore verdicts of earlier runs")
    add("--no-fork", action="store_true",
        help="a kernel and boots of its own for each mutant, also where many fit into one kernel")
    add("--compare", action="store_true",
        help="also run the kernel's own selftests on mutants they have not run on")
    add("--debug-kernel", default="", choices=tuple(name for name in DEBUG if name not in MAKE),
        help="put them into a kernel that checks itself; by default those that only this one sees")
    add("--kernel", type=Path, metavar="DIR",
        help="kernel source tree (default: the newest in Debian)")
    add("--jobs", type=int, default=min(os.cpu_count() or 1, 4), metavar="N",
        help="run up to N mutants in parallel (default: the number of CPUs, at most 4)")
    add("--out", type=Path, default=ROOT / "results" / "mutants", metavar="DIR",
        help="write the report and console logs here (default: results/mutants)")
    add("--remember", action="store_true",
        help=f"record which case killed which mutant in {KILLS.relative_to(ROOT)}: later runs try it first")
    add("--merge", type=Path, metavar="FILE", nargs="+",
        help="merge the mutants.json of several runs into one report and exit")
    return new


def chosen(arguments: argparse.Namespace) -> list[Mutant]:
    mutants = catalogue.load()
    for glob in arguments.only:
        if not any(fnmatch.fnmatchcase(mutant.id, glob) for mutant in mutants):
            raise UsageError(f"--only {glob}: no such mutant (--list shows them)")
    if arguments.only:
        mutants = [mutant for mutant in mutants
                   if any(fnmatch.fnmatchcase(mutant.id, glob) for glob in arguments.only)]
    if not arguments.list:
        mutants = seen_on(arguments.debug_kernel, mutants, named=bool(arguments.only))
    if arguments.shard:
        mutants = shard(mutants, *plan.parse_shard(arguments.shard))
    return mutants


def seen_on(debug: str, mutants: Sequence[Mutant], named: bool) -> list[Mutant]:
    """Those that this kernel shows; on one that checks itself by default those that others do not."""
    kernels = {debug} if debug and not named else {"", debug}
    seen = [mutant for mutant in mutants if mutant.debug in kernels]
    if not seen:
        raise UsageError("none of these mutants shows on this kernel: --list tells which "
                         "--debug-kernel does")
    return seen


def by_file(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Sort by changed file: the next mutant then recompiles the same one."""
    return sorted(mutants, key=lambda mutant: (mutant.files, mutant.id))


def load_kills(path: Path = KILLS) -> dict[str, Kill]:
    if not path.exists():
        return {}
    return {name: Kill(*where) for name, where in json.loads(path.read_text()).items()}


def save_kills(kills: dict[str, Kill], path: Path = KILLS) -> None:
    lines = [f" {json.dumps(name)}: {json.dumps([kill.test, kill.case, kill.boot])}"
             for name, kill in sorted(kills.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def origin(wanted: Path | None, cache: Cache) -> Source:
    return source.user_tree(wanted) if wanted else source.distribution_tree(cache, refresh=False)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.merge:
        verdicts = [verdict for path in arguments.merge for verdict in report.read(path)]
        return finish(arguments, catalogue.load(), verdicts, "several runs")
    if arguments.debug_kernel and (arguments.generated or arguments.compare):
        raise UsageError("--debug-kernel: not with --generated or --compare")
    if arguments.generated:
        return by_operators(arguments)
    mutants = chosen(arguments)
    if arguments.list:
        for mutant in mutants:
            where = f" (--debug-kernel {mutant.debug})" if mutant.debug else ""
            say(f"{mutant.id:<6} {', '.join(mutant.vm)}: {mutant.title}{where}")
        return 0
    packages.require(["tests", "emulator", "bochs", "reports", "kernel"], may_install=False)
    start = time.monotonic()
    cache = Cache()
    kills = load_kills()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Lab(cache, origin(arguments.kernel, cache), catalogue.load(), kills,
                                arguments.out, likely=arguments.tests,
                                fork=not arguments.no_fork, debug=arguments.debug_kernel)) as lab:
        verdicts = hunted(arguments, lab, mutants, start)
    if arguments.remember:
        kills |= {verdict.id: verdict.kill for verdict in verdicts
                  if verdict.kill and verdict.verdict == KILLED}
        save_kills(kills)
    say(f"took {duration(time.monotonic() - start)}, CPU {duration(cpu_seconds())}")
    return finish(arguments, mutants, verdicts, lab.origin)


def by_operators(arguments: argparse.Namespace) -> int:
    packages.require(["tests", "emulator", "bochs", "reports", "kernel", "generate"], may_install=False)
    start = time.monotonic()
    cache = Cache()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Scorer(cache, origin(arguments.kernel, cache), load_kills(), catalogue.load(),
                                   arguments.out, arguments.cases, arguments.tests)) as scorer:
        mutants = wanted(arguments, scorer.mutants)
        if arguments.list:
            for one in mutants:
                say(f"{one.id} {one.place}: {one.operator}: {one.title}")
            return 0
        scorer.survey(say)
        say(f"{len(mutants)} mutants of {scorer.origin}; consoles in {arguments.out}")
        hunt = Hunt(scorer, mutants, jobs=arguments.jobs, compare=False, say=say, again=arguments.again,
                    until=start + 60 * arguments.minutes if arguments.minutes else float("inf"),
                    whole=not arguments.likely)
        verdicts = {verdict.id: verdict for verdict in hunt.run()}
    report.write(arguments.out, mutants, list(verdicts.values()), scorer.origin)
    (arguments.out / "generated.md").write_text("\n".join(score.document(mutants, verdicts)) + "\n")
    say(f"took {duration(time.monotonic() - start)}, CPU {duration(cpu_seconds())}")
    say("\n".join(score.table(mutants, verdicts, lambda one: str(one.files[0]))))
    say(f"by function, and what lived: {arguments.out / 'generated.md'}")
    return int(any(verdict.verdict in score.LIVED for verdict in verdicts.values()))


def wanted(arguments: argparse.Namespace, mutants: Sequence[Generated]) -> list[Generated]:
    for glob in arguments.only:
        if not any(one.matches(glob) for one in mutants):
            raise UsageError(f"--only {glob}: no such mutant (--generated --list shows them)")
    found = [one for one in mutants
             if not arguments.only or any(one.matches(glob) for glob in arguments.only)]
    if arguments.sample:
        seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 16)
        say(f"a sample of {arguments.sample}, seed {seed}")
        found = generated.sample(found, arguments.sample, seed)
    return shard(found, *plan.parse_shard(arguments.shard)) if arguments.shard else found


def cpu_seconds() -> float:
    """Of all processes that have ended: compilers, emulators and their forks."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def hunted(arguments: argparse.Namespace, lab: Lab, mutants: Sequence[Mutant],
           start: float) -> list[Verdict]:
    """The verdicts, those of cases that always fail taken back."""
    order, until = by_file(mutants), float("inf")
    if arguments.minutes:
        seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 16)
        say(f"a sample of {arguments.minutes:g} minutes, seed {seed}")
        order, until = random.Random(seed).sample(order, len(order)), start + 60 * arguments.minutes
    say(f"{len(mutants)} mutants of {lab.origin}; consoles in {arguments.out}")
    hunt = Hunt(lab, order, jobs=arguments.jobs, compare=arguments.compare,
                again=arguments.again or bool(arguments.minutes), say=say, until=until,
                whole=not arguments.likely)
    verdicts = hunt.run()
    unreliable = lab.unreliable(verdicts)
    for verdict in verdicts:
        if verdict.id in unreliable:
            verdict.verdict = UNRELIABLE
            verdict.detail = f"{unreliable[verdict.id].name} fails without the mutant, too"
    return verdicts


def finish(arguments: argparse.Namespace, mutants: Sequence[Mutant],
           verdicts: Sequence[Verdict], kernel: str) -> int:
    arguments.out.mkdir(parents=True, exist_ok=True)
    report.write(arguments.out, mutants, verdicts, kernel)
    by_id = {verdict.id: verdict for verdict in verdicts}
    for mutant in mutants:
        verdict = by_id.get(mutant.id)
        if verdict and verdict.verdict != KILLED and mutant.status == "killable":
            say(f"{verdict.verdict}: {mutant.id} {mutant.title}")
        for text in verdict.errors if verdict else ():
            say(f"ERROR with {mutant.id}, where the kernel failed: {text}")
    say(f"{summary(mutants, verdicts)}\nreport: {arguments.out / 'mutants.html'}")
    killable = {mutant.id for mutant in mutants if mutant.status == "killable"}
    if any(verdict.verdict in ((SURVIVED, GAP) if verdict.id in killable else (KILLED,))
           for verdict in verdicts):
        return 1
    return 0 if all(verdict.verdict in (KILLED, SURVIVED) for verdict in verdicts) else Exit.ERROR


def main() -> int:
    return exit_status.of("mutants/run", lambda: execute(parser().parse_args()))


if __name__ == "__main__":
    sys.exit(main())
