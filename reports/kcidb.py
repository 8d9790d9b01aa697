# SPDX-License-Identifier: GPL-2.0-only
"""Print the results of a run as KCIDB JSON (schema 5.3), for KernelCI.

    python3 -m reports.kcidb RESULTS --origin NAME [--commit HASH --tree NAME] >report.json

Each case is a test with the path kvm_tdx_selftests.<test>.<case>; a known issue is a
FAIL with an incident.  The data is validated with KernelCI's kcidb_io if Python finds
it; --require-schema makes a missing kcidb_io an error.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .model import Case, Exit, Json, Run, Status, Test
from .read import ResultsError, read

VERSION = {"major": 5, "minor": 3}
ROOT = "kvm_tdx_selftests"
STATUS = {Status.PASS: "PASS", Status.FAIL: "FAIL", Status.SKIP: "SKIP",
          Status.XFAIL: "FAIL", Status.ERROR: "ERROR"}
ORIGIN = re.compile(r"[a-z0-9_]+")


def render(run: Run, origin: str, commit: str = "", tree: str = "") -> Json:
    if not ORIGIN.fullmatch(origin):
        raise ValueError(f"origin {origin!r}: lower-case letters, digits and _ only")
    ident = f"{origin}:{run.name}"
    started = str(run.environment.get("started", ""))
    when = {"start_time": started} if started else {}
    checkout: Json = {"id": ident, "origin": origin, **when,
                      "comment": str(run.environment.get("kernel", "unknown kernel"))}
    if commit:
        checkout |= {"git_commit_hash": commit}
    if tree:
        checkout |= {"tree_name": tree}
    build: Json = {"id": ident, "checkout_id": ident, "origin": origin, "status": "PASS", **when,
                   "architecture": "x86_64",
                   "comment": str(run.environment.get("kernel_source", "")),
                   "misc": {"config_hash": run.environment.get("config_hash", "")}}
    tests = [_test(run, test, case, ident, origin) for test, case in run.cases()]
    return {"version": VERSION, "checkouts": [checkout], "builds": [build], "tests": tests,
            **_issues(run, ident, origin)}


def _test(run: Run, test: Test, case: Case, ident: str, origin: str) -> Json:
    out: Json = {
        "id": _test_id(ident, test, case), "build_id": ident, "origin": origin,
        "path": _path(test, case), "status": STATUS[case.status], "duration": case.seconds,
        "environment": {"comment": str(run.environment.get("cpu", ""))},
        "misc": {"boot": case.boot, "measurements": case.measurements,
                 "reason": case.reason, "suite": run.environment.get("suite", "")},
    }
    if text := "\n".join(part for part in (case.reason, case.mismatch, *case.diagnostics) if part):
        out["log_excerpt"] = text.replace("\0", "")[-16000:]
    return out


def _test_id(ident: str, test: Test, case: Case) -> str:
    return f"{ident}/{test.name}/{case.name}/{case.boot}"


def _path(test: Test, case: Case) -> str:
    """Dots separate; names keep letters, digits, _ and -."""
    return ".".join([ROOT, *(re.sub(r"[^A-Za-z0-9_-]", "_", name)
                             for name in (test.name, case.name))])


def _issues(run: Run, ident: str, origin: str) -> Json:
    """The known issues that occurred, as "L1: what it is"."""
    issues: dict[str, Json] = {}
    incidents = []
    for test, case in run.cases(Status.XFAIL):
        name = case.reason.partition(":")[0] or "unknown"
        issue = f"{origin}:{ROOT}_{name}"
        issues[issue] = {"id": issue, "version": 1, "origin": origin, "comment": case.reason}
        incidents.append({"id": f"{_test_id(ident, test, case)}/{name}", "origin": origin,
                          "issue_id": issue, "issue_version": 1, "present": True,
                          "test_id": _test_id(ident, test, case)})
    return {"issues": list(issues.values()), "incidents": incidents} if issues else {}


def own_validator() -> Any:
    """The schema of KernelCI's kcidb_io that we write, or None without kcidb_io."""
    try:
        schema = import_module("kcidb_io").schema
    except ImportError:
        return None
    return getattr(schema, f"V{VERSION['major']}_{VERSION['minor']}", schema.LATEST)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m reports.kcidb", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--origin", required=True, help="your CI system, as KernelCI knows it")
    parser.add_argument("--commit", default="", help="hash of the kernel's commit")
    parser.add_argument("--tree", default="", help="as mainline or kvm-x86")
    parser.add_argument("--require-schema", action="store_true",
                        help="fail if kcidb_io is not installed")
    args = parser.parse_args(arguments)
    try:
        data = render(read(args.results), args.origin, args.commit, args.tree)
    except (ResultsError, ValueError) as error:
        print(f"kcidb: {error}", file=sys.stderr)
        return Exit.ERROR
    validator = own_validator()
    if validator is not None:
        validator.validate(data)
    elif args.require_schema:
        print("kcidb: --require-schema: Python does not find kcidb_io", file=sys.stderr)
        return Exit.ERROR
    print(json.dumps(data, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
