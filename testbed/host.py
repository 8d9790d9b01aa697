# SPDX-License-Identifier: GPL-2.0-only
"""What this machine is and can do."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
from pathlib import Path

from testbed.programs import ROOT

KVM_CHECK_EXTENSION = 0xAE03
KVM_CAP_VM_TYPES = 235
KVM_X86_TDX_VM = 5


def can_create_tds() -> bool:
    """Whether the KVM of this host offers TDX VMs."""
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        types = fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES)
    except OSError:
        return False
    finally:
        os.close(kvm)
    return bool(types & 1 << KVM_X86_TDX_VM)


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def kvm_parameters() -> dict[str, str]:
    """Module parameters of this host's KVM, as "module.parameter": value."""
    values = {}
    for path in sorted(Path("/sys/module").glob("kvm*/parameters/*")):
        try:
            values[f"{path.parent.parent.name}.{path.name}"] = path.read_text().strip()
        except OSError:
            pass    # some are for root only
    return values


def describe() -> dict[str, str]:
    return {"host_kernel": platform.release(), "host_cpu": cpu()}


def suite_commit() -> str:
    """What this checkout is, with "-dirty" when it was changed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"    # no git, or no checkout
    return done.stdout.strip()
