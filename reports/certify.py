# SPDX-License-Identifier: GPL-2.0-only
"""Certify a run: each requirement, the cases that show it, and a verdict.

    python3 -m reports.certify RESULTS --out DIR        certificate.html, .pdf, evidence.tar.gz
    python3 -m reports.certify --verify DIR/evidence.tar.gz

PASS: every mandatory requirement was shown, nothing failed.  INCOMPLETE: something
mandatory was not shown; an emulated host never gets more than that.  FAIL: a case
failed, or a mandatory requirement hit a known issue that the profile does not waive.

The evidence includes the requirements and waivers it was judged by: --verify derives the
verdict from these again, and reports where this suite's own differ.

Exit: 0 PASS (or verified), 1 FAIL (or not genuine), 2 wrong usage, 3 unusable results or
files, 4 INCOMPLETE.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from . import evidence, template
from .evidence import EvidenceError
from .findings import stories
from .model import Case, Exit, Json, Run, Status
from .places import Place
from .read import ResultsError, read
from .template import NoJinja

FOLDER = Path(__file__).parent
REQUIREMENTS = FOLDER / "requirements.toml"
PROFILE = FOLDER.parent / "testbed/profiles/certify.toml"
RULES = "rules.json"        # in the evidence: the rules of the verdict
PLACES = {"hardware": "on the host as it is", "host-wide": "with --allow-host-wide",
          "kmod": "with the modules of kmod/", "emulated": "on the emulated host only"}
# For each place, the cases that a requirement may name.
PLACES_OF = {
    "hardware": {Place.STOCK, Place.HUGETLB},
    "host-wide": {Place.STOCK, Place.HUGETLB, Place.HOST_WIDE, Place.GUEST_KERNEL},
    "kmod": {Place.STOCK, Place.HUGETLB, Place.BPF, Place.HOST_WIDE, Place.VIEW, Place.HOLD},
    "emulated": set(Place),
}
SOFTTDX_VERSION = "1.5.9999"    # version of softtdx
# The platform in a certificate: key of the environment, and its label.
PLATFORM = {
    "cpu": "CPU", "microcode": "microcode", "bios": "BIOS", "product": "machine",
    "tdx_module": "TDX module", "seam_loader": "SEAM loader", "kernel": "kernel",
    "kernel_version": "kernel build", "kernel_source": "kernel source", "config_hash": "kernel configuration",
    "backports": "KVM judged as", "tainted": "kernel taint", "suite": "suite", "seed": "seed",
    "started": "started", "emulator": "emulator",
}


class Verdict(Enum):
    PASS = "PASS"
    FAIL = "FAIL"
    INCOMPLETE = "INCOMPLETE"

    @property
    def exit(self) -> int:
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCOMPLETE: 4}[self]


@dataclass(frozen=True)
class Requirement:
    id: str
    text: str
    where: str
    cases: tuple[str, ...]      # TEST:CASE globs
    without: tuple[str, ...] = ()

    @property
    def mandatory(self) -> bool:
        """What every host can show: without fault injection and our kernel modules."""
        return self.where == "hardware"

    def names(self, full_name: str) -> bool:
        """Whether TEST:CASE is one of its cases."""
        return (any(fnmatchcase(full_name, glob) for glob in self.cases)
                and not any(fnmatchcase(full_name, glob) for glob in self.without))


@dataclass(frozen=True)
class Finding:
    """A requirement, and this run's results for it."""

    requirement: Requirement
    verdict: Verdict
    counts: Mapping[str, int]
    remarks: Sequence[str]


@dataclass(frozen=True)
class Rules:
    """The rules for the verdict on a run."""

    requirements: Sequence[Requirement]
    waivers: Mapping[str, str]      # waived known issues: name -> reason

    def to_json(self) -> Json:
        return {"requirements": [asdict(one) for one in self.requirements],
                "waivers": dict(self.waivers)}

    @classmethod
    def from_json(cls, data: Json) -> Rules:
        return cls([_requirement(item) for item in data["requirements"]], data["waivers"])


def _requirement(item: Json) -> Requirement:
    return Requirement(item["id"], item["text"], item["where"], tuple(item["cases"]),
                       tuple(item.get("without", ())))


def requirements(path: Path = REQUIREMENTS) -> list[Requirement]:
    found = [_requirement(item) for item in tomllib.loads(path.read_text())["requirement"]]
    if len({one.id for one in found}) != len(found) or any(one.where not in PLACES for one in found):
        raise ValueError(f"{path}: an id twice, or a place that is none of {', '.join(PLACES)}")
    return found


def own_rules(profile: Path = PROFILE) -> Rules:
    """The rules of this suite."""
    waivers = tomllib.loads(profile.read_text()).get("waive", {})
    return Rules(requirements(), {str(name): str(why) for name, why in waivers.items()})


def differences(theirs: Rules, ours: Rules) -> Iterator[str]:
    """For the verifier: where the evidence's rules differ from this suite's."""
    for name in sorted(theirs.waivers.keys() - ours.waivers.keys()):
        yield f"waived there, not here: {name} ({theirs.waivers[name]})"
    for name in sorted(ours.waivers.keys() - theirs.waivers.keys()):
        yield f"waived here, not there: {name}"
    here = {one.id: one for one in ours.requirements}
    there = {one.id: one for one in theirs.requirements}
    for name in [one.id for one in theirs.requirements if here.get(one.id) != one]:
        yield f"requirement {name} is {'another one' if name in here else 'none'} here"
    for name in [one.id for one in ours.requirements if one.id not in there]:
        yield f"requirement {name} is not there"


# The verdict.


def judge(run: Run, requirement: Requirement, waived: Mapping[str, str]) -> Finding:
    cases = [case for test, case in run.cases() if requirement.names(f"{test.name}:{case.name}")]
    remarks = list(_remarks(cases, waived))
    statuses = {case.status for case in cases if not _waiver(case, waived)}
    if Status.FAIL in statuses or Status.XFAIL in statuses:
        verdict = Verdict.FAIL
    elif not cases or statuses & {Status.SKIP, Status.ERROR}:
        verdict = Verdict.INCOMPLETE
    else:
        verdict = Verdict.PASS
    counts = {status.value: sum(case.status is status for case in cases) for status in Status}
    return Finding(requirement, verdict, counts, remarks or ([] if cases else ["no case ran"]))


def _waiver(case: Case, waived: Mapping[str, str]) -> str | None:
    return waived.get(case.reason.partition(":")[0]) if case.status is Status.XFAIL else None


def _remarks(cases: Sequence[Case], waived: Mapping[str, str]) -> Iterator[str]:
    skipped: dict[str, int] = {}
    for case in cases:
        if why := _waiver(case, waived):
            yield f"{case.name}: {case.reason} (waived: {why})"
        elif case.status is Status.SKIP:
            skipped[case.reason] = skipped.get(case.reason, 0) + 1
        elif case.status is not Status.PASS:
            yield f"{case.status.value}: {case.name}: {case.reason} {case.mismatch}".rstrip()
    for reason, count in skipped.items():
        yield f"{count} skipped: {reason}"


def not_hardware(run: Run) -> str:
    """Why this is not a run on hardware, whatever --on said; empty if it is."""
    if not run.boots or any(boot.on != "native" for boot in run.boots):
        return "it ran on an emulated host"
    if str(run.environment.get("tdx_module", "")).startswith(SOFTTDX_VERSION):
        return "the TDX module is the software one"
    if run.environment.get("rehearsal"):
        return "it was a rehearsal on an emulated host"
    told = run.environment.get("virtual")
    if told is None:
        return "the results do not tell whether the host is a machine"
    return str(told)


def doubts(run: Run) -> list[str]:
    """Facts that could have hidden a failure."""
    return ["the kernel had warned before this run (taint W), and WARN_ONCE sites were not armed "
            "again: reboot, or --allow-host-wide"] if run.environment.get("warnings") == "used up" else []


def overall(run: Run, findings: Sequence[Finding]) -> Verdict:
    """A known issue counts where it is mandatory, a failure everywhere."""
    failed = any(case.status is Status.FAIL for _, case in run.cases())
    if run.deaths or failed or any(finding.verdict is Verdict.FAIL for finding in findings
                                   if finding.requirement.mandatory):
        return Verdict.FAIL
    shown = all(finding.verdict is Verdict.PASS for finding in findings
                if finding.requirement.mandatory)
    clean = shown and not run.problems and not doubts(run) and not not_hardware(run)
    return Verdict.PASS if clean else Verdict.INCOMPLETE


def stamp(run: Run) -> str:
    """The notice on each page of a run that was not on hardware."""
    if not not_hardware(run):
        return ""
    return "REHEARSAL" if run.environment.get("rehearsal") else "EMULATED HOST"


def not_run(run: Run) -> list[Json]:
    """The skipped cases by reason, the commonest first."""
    lacking: dict[str, list[str]] = {}
    for test, case in run.cases(Status.SKIP):
        lacking.setdefault(case.reason, []).append(f"{test.name}:{case.name}")
    return [{"reason": reason, "cases": cases}
            for reason, cases in sorted(lacking.items(), key=lambda item: -len(item[1]))]


def found(run: Run, waivers: Mapping[str, str]) -> list[Json]:
    """The known issues that the run met, with their stories."""
    met: dict[str, list[str]] = {}
    for test, case in run.cases(Status.XFAIL):
        met.setdefault(case.reason.partition(":")[0], []).append(f"{test.name}:{case.name}")
    told = stories()
    return [{"id": name, "title": told[name].title if name in told else "not in docs/findings.md",
             "kernels": told[name].kernels if name in told else "", "cases": cases,
             "waived": waivers.get(name, "")} for name, cases in sorted(met.items())]


def certificate(run: Run, anonymous: bool, rules: Rules) -> Json:
    """The certificate as data."""
    findings = [judge(run, requirement, rules.waivers) for requirement in rules.requirements]
    environment = {key: value for key, value in run.environment.items() if key != "identity"}
    return {
        "schema": 3, "verdict": overall(run, findings).value, "emulated": bool(not_hardware(run)),
        "not_hardware": not_hardware(run), "stamp": stamp(run), "run": run.name,
        "summary": run.summary, "not_run": not_run(run), "findings": found(run, rules.waivers),
        "platform": {title: str(environment[key]) for key, title in PLATFORM.items()
                     if environment.get(key)},
        "identity": {} if anonymous else dict(run.environment.get("identity", {})),
        "binaries": dict(run.environment.get("binaries", {})), "waivers": dict(rules.waivers),
        "deaths": run.deaths, "problems": [*run.problems, *doubts(run)],
        "requirements": [
            {"id": finding.requirement.id, "text": finding.requirement.text,
             "where": PLACES[finding.requirement.where],
             "mandatory": finding.requirement.mandatory, "cases": list(finding.requirement.cases),
             "verdict": finding.verdict.value, "counts": dict(finding.counts),
             "remarks": list(finding.remarks)} for finding in findings],
    }


# The documents.


def page(data: Json) -> str:
    return template.page("certificate.html.j2", {"certificate": data})


def pdf(html: Path, target: Path) -> None:
    try:
        subprocess.run(["weasyprint", "-q", html, target], check=True)
    except FileNotFoundError as error:
        raise EvidenceError("weasyprint is not installed (Debian: apt-get install weasyprint); "
                            "--no-pdf does without") from error
    except subprocess.CalledProcessError as error:
        raise EvidenceError(f"weasyprint failed: {error}") from error


def certify(args: argparse.Namespace) -> Verdict:
    rules = own_rules()
    data = certificate(read(args.results), args.anonymous, rules)
    html = page(data)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    if (out / evidence.ARCHIVE).exists():
        raise EvidenceError(f"{out} has a certificate already: name another folder")
    (out / "certificate.json").write_text(json.dumps(data, indent=1) + "\n")
    (out / "certificate.html").write_text(html, encoding="utf-8")
    (out / RULES).write_text(json.dumps(rules.to_json(), indent=1) + "\n")
    documents = ["certificate.json", "certificate.html", RULES]
    if not args.no_pdf:
        pdf(out / "certificate.html", out / "certificate.pdf")
        documents.append("certificate.pdf")
    archive = evidence.pack(args.results, out, documents, args.anonymous)
    if args.sign:
        evidence.sign(archive, args.sign)
    print(f"{data['verdict']}{' (emulated host)' if data['emulated'] else ''}: {archive}")
    return Verdict(data["verdict"])


def verify(args: argparse.Namespace) -> int:
    """Check hashes and signature, and derive the verdict again from the evidence."""
    with evidence.unpacked(args.verify) as folder:
        recorded: dict[str, Any] = json.loads((folder / "certificate.json").read_text())
        if not (folder / RULES).is_file():
            raise EvidenceError(f"no {RULES} in the archive: made by a suite before it had one")
        rules = Rules.from_json(json.loads((folder / RULES).read_text()))
        again = certificate(read(folder / "results"), not recorded["identity"], rules)
    said = {key: recorded[key] for key in ("verdict", "emulated", "waivers")}
    found = {key: again[key] for key in said}
    if said != found:
        print(f"NOT GENUINE: the certificate says {said}, the evidence {found}")
        return 1
    for line in differences(rules, own_rules()):
        print(f"judged by other rules than this suite's: {line}")
    signature = evidence.verify_signature(args.verify, args.signers, args.signer)
    print(f"verified: {said['verdict']}{' (emulated host)' * said['emulated']}; {signature}")
    return 0


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(prog="python3 -m reports.certify", description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("results", type=Path, nargs="?", metavar="RESULTS")
    new.add_argument("--out", type=Path, metavar="DIR")
    new.add_argument("--anonymous", action="store_true",
                     help="without host name, serial numbers and kernel logs")
    new.add_argument("--no-pdf", action="store_true")
    new.add_argument("--sign", type=Path, metavar="KEY", help="sign with this SSH key")
    new.add_argument("--verify", type=Path, metavar="ARCHIVE")
    new.add_argument("--signers", type=Path, metavar="FILE",
                     help="with --verify: allowed signers, as ssh-keygen(1) has them")
    new.add_argument("--signer", metavar="NAME", help="with --signers: who must have signed")
    return new


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    if not args.verify and not (args.results and args.out):
        parser().error("give RESULTS and --out, or --verify")
    try:
        return verify(args) if args.verify else certify(args).exit
    except (EvidenceError, NoJinja, ResultsError) as error:
        print(f"certify: {error}", file=sys.stderr)
        return Exit.ERROR


if __name__ == "__main__":
    sys.exit(main())
