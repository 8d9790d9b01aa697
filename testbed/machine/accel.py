# SPDX-License-Identifier: GPL-2.0-only
"""Whether QEMU may use KVM here.

A /dev/kvm that opens proves nothing: what counts is that a guest booted with it
sees VMX or SVM, on which the KVM under test can run.  So one is booted, once
per boot of this host.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from testbed.machine import initramfs
from testbed.machine.emulator import Boot, run_boot
from testbed.machine.qemu import Qemu
from testbed.machine.stream import Event, File
from testbed.machine.watchdog import Limits, Watchdog
from testbed.make.cache import Cache, digest
from testbed.progress import say

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROBE_LIMIT = 20.0    # seconds


def choose(cache: Cache, kernel: Path, work: Path) -> Qemu:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Qemu()
    key = digest(BOOT_ID.read_text(), Qemu().version())

    def probe(folder: Path) -> None:
        seen = virtualization(kernel, work)
        say(f"KVM for QEMU: {f'yes, guests have {seen}' if seen else 'no, guests see neither VMX nor SVM'}")
        (folder / "seen").write_text(seen)

    entry = cache.entry("probes", key, "checking whether QEMU can use KVM", probe)
    return Qemu(accelerated=bool((entry / "seen").read_text()))


def virtualization(kernel: Path, work: Path) -> str:
    """"vmx" or "svm" as a guest under QEMU with KVM sees it, or ""."""
    archive = work / "probe.cpio"
    archive.write_bytes(initramfs.build([], plan=""))
    seen: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, File) and event.name == "environment":
            lines = event.data.decode(errors="replace").splitlines()
            seen.extend(line.partition("=")[2] for line in lines if line.startswith("nested="))

    boot = Boot(kernel, archive, cpus=1, cmdline="console=ttyS0 panic=-1 quiet")
    watchdog = Watchdog(Limits(boot=PROBE_LIMIT), PROBE_LIMIT, time.monotonic())
    outcome = run_boot(Qemu(accelerated=True), boot, watchdog, on_event, work / "probe.log")
    return seen[0] if seen and outcome.kind == "ok" else ""
