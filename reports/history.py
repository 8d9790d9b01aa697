# SPDX-License-Identifier: GPL-2.0-only
"""Keep a history of runs in SQLite, and show it as a page of trends.

    python3 -m reports.history FILE.sqlite --add RESULTS... --html trends.html

Adding a run again replaces it.  The file grows by about 100 KB per run.  Exit: 0 done,
2 wrong usage, 3 unusable results (the others are added).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from . import renames, template
from .model import Exit, Run, Status
from .read import ResultsError, read
from .template import NoJinja

SCHEMA = 3
TABLES = """
CREATE TABLE run (name TEXT PRIMARY KEY, started TEXT, kernel TEXT, suite TEXT, verdict TEXT,
                  exit INTEGER, environment TEXT);
CREATE TABLE result (run TEXT REFERENCES run ON DELETE CASCADE, test TEXT, name TEXT,
                     boot TEXT, status TEXT, seconds REAL, reason TEXT, measurements TEXT,
                     PRIMARY KEY (run, test, name, boot));
"""
# SQL from each schema to the next: renamed words.
MIGRATIONS = {
    1: "UPDATE result SET status = 'error' WHERE status = 'broken';",
    2: "ALTER TABLE result RENAME COLUMN variant TO boot;",
}
SHOWN = 30      # runs on the page
# A run by --explore: of races only, which are counted apart.
EXPLORES = "json_extract(run.environment, '$.again.points') IS NOT NULL"
TRENDS = ("retries_per_second", "faults_per_second", "seconds_a_page")   # measurements shown as curves


class HistoryError(Exception):
    """The file is not a history of this suite; the text says why."""


@dataclass(frozen=True)
class Row:
    """A run on the page."""

    name: str
    kernel: str
    suite: str
    verdict: str
    counts: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Strip:
    """A case whose status was not the same in all of the runs: one letter a run."""

    case: str
    statuses: list[str]


@dataclass(frozen=True)
class Race:
    """One that --explore ran, in all runs."""

    case: str
    runs: int
    schedules: int
    orders: int             # of conflicting accesses, different ones within a run, of all runs
    failed: int             # runs in which a schedule failed
    last: str               # of these


@dataclass(frozen=True)
class Curve:
    """A number over the runs, as points of an SVG of 300 by 60."""

    title: str
    points: str
    first: float
    last: float

    @property
    def change(self) -> str:
        return f"{number(self.first)}, now {number(self.last)}"


def number(value: float) -> str:
    """Four significant digits: 0.0001725, 70,910."""
    return f"{float(f'{value:.4g}'):,.10g}"


def opened(path: Path) -> sqlite3.Connection:
    fresh = not path.exists()
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if fresh:
            connection.executescript(f"{TABLES} PRAGMA user_version = {SCHEMA};")
        elif version in MIGRATIONS:
            steps = [step for old, step in MIGRATIONS.items() if old >= version]
            connection.executescript(f"BEGIN; {' '.join(steps)} PRAGMA user_version = {SCHEMA}; COMMIT;")
        elif version != SCHEMA:
            raise HistoryError(f"{path} has schema {version}, not {SCHEMA}: not a history of "
                               "this suite, or of another version; give another file")
        rename(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise HistoryError(f"{path}: {error}") from error
    except HistoryError:
        connection.close()
        raise
    return connection


def rename(connection: sqlite3.Connection) -> None:
    """Rename the cases of earlier runs to their current names."""
    found = connection.execute("SELECT DISTINCT test, name FROM result").fetchall()
    with connection:
        for test, name in found:
            if (now := renames.current(test, name)) != (test, name):
                connection.execute("UPDATE OR REPLACE result SET test = ?, name = ? "
                                   "WHERE test = ? AND name = ?", (*now, test, name))


def add(connection: sqlite3.Connection, run: Run) -> None:
    environment = run.environment
    with connection:
        connection.execute("DELETE FROM run WHERE name = ?", (run.name,))
        connection.execute(
            "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)",
            (run.name, environment.get("started"), environment.get("kernel"),
             environment.get("suite"), run.verdict, int(run.exit_code), json.dumps(dict(environment))))
        connection.executemany(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(run.name, *renames.current(test.name, case.name), case.boot,
              case.status.value, case.seconds, case.reason, json.dumps(case.measurements))
             for test, case in run.cases()])


def rows(connection: sqlite3.Connection) -> list[Row]:
    """The newest runs, the oldest of them first."""
    found = []
    for name, kernel, suite, verdict in connection.execute(
            f"SELECT name, kernel, suite, verdict FROM run WHERE NOT {EXPLORES} "
            "ORDER BY coalesce(started, name) DESC LIMIT ?", (SHOWN,)):
        counts = dict(connection.execute(
            "SELECT status, count(*) FROM result WHERE run = ? GROUP BY status", (name,)))
        (seconds,) = connection.execute(
            "SELECT coalesce(sum(seconds), 0) FROM result WHERE run = ?", (name,)).fetchone()
        found.append(Row(name, kernel or "?", suite or "?", verdict, counts, seconds))
    return found[::-1]


def races(connection: sqlite3.Connection) -> list[Race]:
    """Those that --explore ran, the ones that failed first."""
    found = connection.execute(
        "SELECT test || ': ' || result.name, count(*), "
        "sum(coalesce(json_extract(measurements, '$.schedules'), 0)), "
        "sum(coalesce(json_extract(measurements, '$.orders'), 0)), "
        "sum(status != 'pass'), coalesce(max(CASE WHEN status != 'pass' THEN run END), '') "
        f"FROM result JOIN run ON run.name = run WHERE {EXPLORES} GROUP BY test, result.name")
    return sorted((Race(case, runs, int(schedules), int(orders), failed, last)
                   for case, runs, schedules, orders, failed, last in found),
                  key=lambda race: (-race.failed, race.case))


def strips(connection: sqlite3.Connection, shown: Sequence[Row]) -> list[Strip]:
    """Cases with more than one status, current failures first."""
    statuses: dict[str, dict[str, str]] = {}
    for row in shown:
        for test, name, boot, status in connection.execute(
                "SELECT test, name, boot, status FROM result WHERE run = ?", (row.name,)):
            where = "" if boot in ("", "default") else f" [{boot}]"
            statuses.setdefault(f"{test}: {name}{where}", {})[row.name] = status
    found = [Strip(case, [seen.get(row.name, "") for row in shown])
             for case, seen in statuses.items() if len(set(seen.values())) > 1]
    bad = (Status.FAIL.value, Status.ERROR.value)
    return sorted(found, key=lambda strip: (strip.statuses[-1] not in bad, strip.case))


def curve(title: str, values: Sequence[float]) -> Curve:
    """The axis starts at 0, so that a curve shows ratios, not noise."""
    top = max(values) or 1
    step = 300 / max(len(values) - 1, 1)
    points = " ".join(f"{index * step:.1f},{58 - 56 * value / top:.1f}"
                      for index, value in enumerate(values))
    return Curve(title, points, values[0], values[-1])


def curves(connection: sqlite3.Connection, shown: Sequence[Row]) -> list[Curve]:
    if len(shown) < 2:
        return []
    found = [curve("seconds in all cases", [row.seconds for row in shown]),
             curve("cases passed", [float(row.counts.get("pass", 0)) for row in shown])]
    series: dict[str, list[float]] = {}
    for row in shown:
        for test, name, text in connection.execute(
                "SELECT test, name, measurements FROM result WHERE run = ? ORDER BY test, name",
                (row.name,)):
            for key, value in json.loads(text).items():
                if key in TRENDS:
                    series.setdefault(f"{test}: {name}: {key}", []).append(value)
    return found + [curve(title, values) for title, values in series.items()
                    if len(values) == len(shown)]


def page(connection: sqlite3.Connection) -> str:
    shown = rows(connection)
    return template.page("history.html.j2", {
        "rows": shown, "races": races(connection), "strips": strips(connection, shown), "curves": curves(connection, shown),
        "statuses": [status.value for status in Status]})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m reports.history", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.sqlite")
    parser.add_argument("--add", type=Path, nargs="+", default=[], metavar="RESULTS")
    parser.add_argument("--html", type=Path, metavar="PAGE", help="write the page of trends")
    args = parser.parse_args(arguments)
    status = Exit.PASSED
    try:
        with closing(opened(args.file)) as connection:
            for path in args.add:
                try:
                    add(connection, read(path))
                except ResultsError as error:
                    print(f"history: {error}", file=sys.stderr)
                    status = Exit.ERROR
            if args.html:
                args.html.write_text(page(connection), encoding="utf-8")
    except (HistoryError, NoJinja) as error:
        print(f"history: {error}", file=sys.stderr)
        return Exit.ERROR
    return status


if __name__ == "__main__":
    sys.exit(main())
