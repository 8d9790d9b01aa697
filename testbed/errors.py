# SPDX-License-Identifier: GPL-2.0-only
"""Why a run ended early, and its exit status."""

# Those of a run that ends well are in reports.model.Exit.
EXIT_USAGE = 2
EXIT_BENCH = 3
EXIT_KERNEL = 5
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class BenchError(Exception):
    """The bench could not do its work; says nothing about the kernel under test."""


class KernelError(BenchError):
    """The kernel under test cannot be built."""


class UsageError(Exception):
    """The command line asks for something that does not exist."""
