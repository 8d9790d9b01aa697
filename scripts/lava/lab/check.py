# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with LAVA's results of a job, seen from the suite's own results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lab.lavacli import SUITES, Result
from reports import lava
from reports.model import Run

# Results that the test definition adds: the run itself, and the attachments.
RUN = "run_tests"


def cases(results: Sequence[Result]) -> list[Result]:
    """The results of cases."""
    return [result for result in results
            if result.suite.split("_", 1)[-1] in SUITES and not result.set
            and not result.reference and result.name != RUN]


def measured(results: Sequence[Result]) -> set[str]:
    """What the cases measured: <case>.seconds and, of others, the name of the result."""
    return ({result.name for result in results if result.set == lava.MEASUREMENTS}
            | {f"{result.name}.seconds" for result in cases(results) if result.units == "s"})


def compare(expected: Mapping[str, str], results: Sequence[Result]) -> list[str]:
    """Each case must occur once, with its status."""
    found = cases(results)
    wrong = [f"{name} is there {count} times"
             for name, count in Counter(result.name for result in found).items() if count > 1]
    seen = {result.name: result.result for result in found}
    wrong += [f"{name} is not there" for name in expected if name not in seen]
    wrong += [f"{name} is there and should not" for name in seen if name not in expected]
    wrong += [f"{name}: {seen[name]}, not {status}" for name, status in expected.items()
              if name in seen and seen[name] != status]
    return wrong


def compare_run(runs: Sequence[Run], results: Sequence[Result]) -> list[str]:
    """A job of kvm-tdx-selftests.yaml against what the suite wrote."""
    return compare(lava.results(runs), results) + compare_measurements(runs, results)


def compare_cases(whole: Run, merged: Run) -> list[str]:
    """Both runs must have the same cases, and these the same outcomes."""
    def outcomes(run: Run) -> Counter[str]:
        return Counter(f"{test.name}:{case.label} {case.status.value}" for test, case in run.cases())

    one, other = outcomes(whole), outcomes(merged)
    return ([f"{text} is only in the whole run" for text in (one - other).elements()]
            + [f"{text} is only in the merged run" for text in (other - one).elements()])


def compare_measurements(runs: Sequence[Run], results: Sequence[Result]) -> list[str]:
    """The measurements of the cases must occur as LAVA's metrics."""
    told = lava.cases(runs)
    expected = {f"{name}.{key}": (float(value), key) for name, case in told.items()
                for key, value in case.measurements.items() if key != "seconds"}
    expected |= {name: (round(case.seconds, 3), "s") for name, case in told.items()}
    seen = {result.name: (float(result.measurement), result.units) for result in results
            if result.measurement not in ("", "None") and result.name in expected}
    return [f"{name} measures {seen.get(name)}, not {value}"
            for name, value in expected.items() if seen.get(name) != value]
