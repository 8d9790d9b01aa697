# SPDX-License-Identifier: GPL-2.0-only
"""Why a run ended early; exit_status.py has the status."""


class HarnessError(Exception):
    """The harness failed: this says nothing about the kernel under test."""


class KernelError(HarnessError):
    """The kernel under test cannot be built."""


class UsageError(Exception):
    """The command line asks for something that does not exist."""
