# SPDX-License-Identifier: GPL-2.0-only
"""The boots that a case can ask for: one kernel image, other machines and command lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BootConfig:
    cpus: int = 2
    nodes: int = 2          # NUMA nodes, made out of one
    cmdline: str = ""
    tdx: bool = False       # an Intel CPU with a TDX module: Bochs, unless --on says otherwise
    ept_levels: int = 5     # of the Intel CPU

    @property
    def shape(self) -> tuple[int, int, str, int]:
        """What forks of one machine have in common."""
        return self.cpus, self.nodes, self.cmdline, self.ept_levels


# The longest boots come first.
BOOTS = {
    # One node: Bochs' CPUs are siblings, and Linux warns if siblings are on two nodes.
    "tdx": BootConfig(nodes=1, tdx=True),
    "default": BootConfig(),
    # For cases that make the TDX module fail and may leave it damaged.
    "tdx_errors": BootConfig(nodes=1, tdx=True),
    # A CPU with 48 guest-physical bits; those that are sold with TDX have 52.
    "tdx_ept4": BootConfig(nodes=1, tdx=True, ept_levels=4),
    # For a case after which the host creates no more TDs.
    "tdx_spent": BootConfig(nodes=1, tdx=True),
    # KVM tracks accesses itself, by SPTEs that are not present, and offers no TDs.
    "ept_ad_off": BootConfig(nodes=1, tdx=True, cmdline="kvm_intel.eptad=0"),
    # A CPU offline at boot: Linux cannot initialise the TDX module.
    "late_cpu": BootConfig(nodes=1, tdx=True, cmdline="maxcpus=1"),
    "cpus4": BootConfig(cpus=4),
    # The legacy MMU; the parameter cannot be changed at run time.
    "tdp_mmu_off": BootConfig(cmdline="kvm.tdp_mmu=0"),
    "cpus1": BootConfig(cpus=1),
    # Shadow paging.
    "npt_off": BootConfig(cmdline="kvm_amd.npt=0 kvm_intel.ept=0"),
}

# Hugepages that a running system may no longer find in one piece; short RCU
# grace periods, since tracing instances and probes come and go with every case
# (0.05 s instead of 0.3 s); and no look whether the timer ticks, which panics where
# the emulator does not get a CPU for a while; and a log that holds all messages of a run.
COMMON = ("hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64 rcupdate.rcu_expedited=1 "
          "no_timer_check log_buf_len=4M")
