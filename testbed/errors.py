# SPDX-License-Identifier: GPL-2.0-only
"""Why a run ended early, and the exit statuses of run_tests.sh."""

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_BENCH = 3
EXIT_SKIPPED = 4
EXIT_INTERRUPTED = 130


class BenchError(Exception):
    """The bench could not do its work; says nothing about the kernel under test."""


class UsageError(Exception):
    """The command line asks for something that does not exist."""
