# SPDX-License-Identifier: GPL-2.0-only
"""What this machine is and can do."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import platform
import re
import subprocess
from pathlib import Path

from testbed.make.programs import ROOT

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
            pass    # some are readable by root only
    return values


def available_memory() -> int:
    """KiB that programs may take without that others are swapped out."""
    found = re.search(r"^MemAvailable: *(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def describe() -> dict[str, str]:
    return {"host_kernel": platform.release(), "host_cpu": cpu()}


# A host's facts in a certificate: key, and the file with the value.
FACTS = {
    "bios": "/sys/class/dmi/id/bios_version", "product": "/sys/class/dmi/id/product_name",
    "tainted": "/proc/sys/kernel/tainted", "kernel_version": "/proc/sys/kernel/version",
    "tdx_module": "/sys/devices/faux/tdx_host/version",         # since 7.3
}
CONFIGS = ("/proc/config.gz", f"/boot/config-{platform.release()}")
MODULE = re.compile(r"virt/tdx: Module version:? (\S+)")


def facts() -> dict[str, str]:
    """Platform and kernel, as far as they are known."""
    found = {key: text for key, path in FACTS.items() if (text := read(path))}
    if match := re.search(r"^microcode\s*: (\S+)", read("/proc/cpuinfo"), re.MULTILINE):
        found["microcode"] = match[1]
    if "tdx_module" not in found and (match := MODULE.search(kernel_log())):
        found["tdx_module"] = match[1]
    for path in map(Path, CONFIGS):
        if path.is_file():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            found["config_hash"] = hashlib.sha256(content).hexdigest()[:16]
            break
    return found


TAINT_WARN = 1 << 9
REHEARSAL = "KTS_REHEARSAL"     # environment variable of the host of testbed/rehearsal.py


def virtual() -> str:
    """Why this host is not bare metal, for certificates; empty if it is."""
    if "KTS_TESTBED" in os.environ:
        return "it ran in the testbed (KTS_TESTBED)"
    if re.search(r"^flags\s*:.* hypervisor\b", read("/proc/cpuinfo"), re.MULTILINE):
        return "it ran in a virtual machine (CPUID says so)"
    return ""


def warnings(allow_host_wide: bool) -> str:
    """Whether each WARN_ONCE of the kernel is certain to fire in this run."""
    used = int(read("/proc/sys/kernel/tainted") or "0") & TAINT_WARN
    return "used up" if used and not allow_host_wide else "armed"


def identity() -> dict[str, str]:
    """The machine's identity, which a certificate can leave out."""
    serial = read("/sys/class/dmi/id/product_serial")
    return {"host name": platform.node(), **({"serial number": serial} if serial else {})}


def read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""       # missing, or readable by root only


STAMP = re.compile(r"\[\s*(\d+\.\d+)\]")


def uptime() -> float:
    return float((read("/proc/uptime") or "0").split()[0])


def taint() -> str:
    return read("/proc/sys/kernel/tainted")


def kernel_log(since: float = 0.0) -> str:
    """Kernel messages, from `since` seconds of uptime on; empty where they cannot be read."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", check=False)
    return lines_since(done.stdout, since)


def lines_since(log: str, since: float) -> str:
    keep = not since
    lines = []
    for line in log.splitlines(keepends=True):
        if match := STAMP.match(line):
            keep = float(match[1]) >= since
        if keep:        # a line without a timestamp continues the one before
            lines.append(line)
    return "".join(lines)


def suite_commit() -> str:
    """The commit of this checkout, with "-dirty" if it is modified."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"    # no git, or not a checkout
    return done.stdout.strip()
