# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml, for CI systems."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from .model import Case, Run, Status, Test, as_text

_INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


def render(run: Run) -> str:
    root = ET.Element("testsuites", name="kvm-tdx-selftests")
    for test in run.tests:
        root.append(_suite(test, run))
    if run.deaths or run.problems:
        root.append(_harness(run))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    root.set("time", f"{run.seconds:.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(test: Test, run: Run) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(test.name), time=f"{test.seconds:.3f}")
    if stamp := _STAMP.fullmatch(run.name):
        suite.set("timestamp", stamp.expand(r"\1-\2-\3T\4:\5:\6"))
    properties = ET.SubElement(suite, "properties")
    for key, value in run.environment.items():
        ET.SubElement(properties, "property", name=_clean(key), value=_clean(as_text(value)))
    suite.extend(_testcase(test, case) for case in test.cases)
    return _counted(suite)


def _testcase(test: Test, case: Case) -> ET.Element:
    element = ET.Element("testcase", classname=_clean(test.name), name=_clean(case.label),
                         time=f"{case.seconds:.3f}")
    match case.status:
        case Status.FAIL:
            _add(element, "failure", case.reason or "failed", _details(case))
        case Status.ERROR:
            _add(element, "error", case.reason or "harness error", _details(case))
        case Status.SKIP:
            _add(element, "skipped", case.reason)
        case Status.XFAIL:
            _add(element, "skipped", f"known issue: {case.reason}")
    measured = [f"{key}={value}" for key, value in case.measurements.items()]
    if measured:
        ET.SubElement(element, "system-out").text = _clean("\n".join(measured))
    return element


def _harness(run: Run) -> ET.Element:
    """Errors outside of cases, as a suite: a CI that only reads cases sees them."""
    suite = ET.Element("testsuite", name="harness", time="0.000")
    for tag, messages in (("failure", run.deaths), ("error", run.problems)):
        for number, message in enumerate(messages, 1):
            name = f"{'kernel crash' if tag == 'failure' else 'problem'} {number}"
            case = ET.SubElement(suite, "testcase", classname="harness", name=name, time="0.000")
            _add(case, tag, message)
    return _counted(suite)


def _counted(suite: ET.Element) -> ET.Element:
    counts = {"tests": "testcase", "failures": "testcase/failure",
              "errors": "testcase/error", "skipped": "testcase/skipped"}
    for key, path in counts.items():
        suite.set(key, str(len(suite.findall(path))))
    return suite


def _add(element: ET.Element, tag: str, message: str, text: str = "") -> None:
    ET.SubElement(element, tag, message=_clean(message)).text = _clean(text)


def _details(case: Case) -> str:
    return "\n".join([line for line in (case.mismatch,) if line] + case.diagnostics)


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot carry, escaped or not."""
    return _INVALID.sub("\ufffd", text)
