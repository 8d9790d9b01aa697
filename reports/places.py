# SPDX-License-Identifier: GPL-2.0-only
"""Where a case can run, from what it declares (`TEST --describe`): host by host.

The places are ordered: what a case needs beyond a host with TDX and a distribution's
kernel, the strongest of its needs deciding.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Place(Enum):
    """The host that a case needs; its text is for tables."""

    STOCK = "any TDX host"
    HUGETLB = "with hugetlb pages"
    BPF = "with holds by BPF"
    VIEW = "with kmod/tdx_view"
    HOST_WIDE = "with --allow-host-wide"
    GUEST_KERNEL = "with a guest kernel"
    HOLD = "with kmod/kvm_hold"
    OWN_KERNEL = "with CONFIG_KVM_SW_PROTECTED_VM"
    FAULTS = "with CONFIG_FAULT_INJECTION"
    OTHER_BOOT = "with another boot or CPU"
    EMULATED = "emulated host only"


# On hardware, with a kernel as distributions build it.
ON_HARDWARE = (Place.STOCK, Place.HUGETLB, Place.BPF, Place.VIEW, Place.HOST_WIDE, Place.GUEST_KERNEL,
               Place.HOLD)


# Boots of the testbed in which a host has no TDX: other parameters of KVM or Linux, one CPU,
# a CPU whose EPT has four levels.
OTHER_BOOTS = {"host tdp_mmu_off", "host npt_off", "host cpus1", "host tdx_ept4", "host late_cpu", "host ept_ad_off"}


@dataclass(frozen=True)
class Declared:
    """A case of a test program with one VM type, as it appears in results."""

    test: str
    name: str           # with its VM type, if any
    is_td: bool
    place: Place

    @property
    def full_name(self) -> str:
        return f"{self.test}:{self.name}"


def place(needs: Sequence[str], vm_type: str) -> Place:
    """The host that `needs` of --describe call for."""
    if "softtdx" in needs or "host tdx_errors" in needs:
        return Place.EMULATED
    if OTHER_BOOTS & set(needs):
        return Place.OTHER_BOOT
    if vm_type == "sw_protected":
        return Place.OWN_KERNEL
    if "fail-nth" in needs:
        return Place.FAULTS
    if "hold by module" in needs:
        return Place.HOLD
    if "guest kernel" in needs:
        return Place.GUEST_KERNEL
    if any(need.startswith("host-wide") for need in needs):
        return Place.HOST_WIDE
    if "Secure EPT" in needs:
        return Place.VIEW
    if "hold" in needs:
        return Place.BPF
    if any("hugetlb" in need for need in needs):
        return Place.HUGETLB
    return Place.STOCK


def of_description(text: str) -> Iterator[Declared]:
    """The cases of a program, from the output of --describe."""
    told = json.loads(text)
    for case in told["cases"]:
        for vm_type in case["vm_types"] or [""]:
            name = f"{case['name']}.{vm_type}" if vm_type else case["name"]
            yield Declared(told["test"], name, vm_type == "tdx", place(case["needs"], vm_type))


def of_programs(folder: Path) -> list[Declared]:
    """All cases of the built test programs."""
    found: list[Declared] = []
    for program in sorted(folder.glob("*_test")):
        found += of_description(subprocess.run([program, "--describe"], check=True, text=True,
                                               capture_output=True).stdout)
    return found
