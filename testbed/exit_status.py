# SPDX-License-Identifier: GPL-2.0-only
"""How programs of the command line end: with a status, and with nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from reports.model import Exit
from testbed.errors import HarnessError, KernelError, UsageError
from testbed.progress import say


def of(program: str, execute: Callable[[], int]) -> int:
    """The result of `execute`, or the status of its exception, which is printed."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        return execute()
    except UsageError as error:
        say(f"{program}: {error}")
        return Exit.USAGE
    except HarnessError as error:
        say(f"{program}: {error}")
        return Exit.KERNEL if isinstance(error, KernelError) else Exit.ERROR
    except FileNotFoundError as error:
        if "/" in str(error.filename):
            raise
        say(f"{program}: {error.filename} is not installed")    # a program, looked for in PATH
        return Exit.ERROR
    except BrokenPipeError:    # as with `run_tests.sh --list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    except KeyboardInterrupt:
        say("interrupted")
        return Exit.INTERRUPTED


def _terminate(number: int, _: FrameType | None) -> None:
    """Turn the signal into an exception, so that emulators and temporary files are cleaned up."""
    raise SystemExit(128 + number)
