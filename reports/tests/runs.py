# SPDX-License-Identifier: GPL-2.0-only
"""Runs made by hand, for the tests of what works on several of them."""

from __future__ import annotations

from reports.model import Case, Run, Status, Test


def run(name: str = "20260101T000000Z", /, **statuses: str | tuple[str, float]) -> Run:
    """One test "a_test" with the cases given as name="pass" or name=("pass", seconds)."""
    cases = []
    for case, value in statuses.items():
        status, seconds = value if isinstance(value, tuple) else (value, 0.1)
        cases.append(Case(case, Status(status), "" if status == "pass" else f"why {status}", seconds,
                          boot="default"))
    return Run(name, {"kernel": "7.2", "started": f"2026-01-01T00:00:{name[13:15]}+00:00"},
               [Test("a_test", cases=cases)])
