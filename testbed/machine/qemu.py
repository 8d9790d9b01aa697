# SPDX-License-Identifier: GPL-2.0-only
"""QEMU as the emulated host: TCG, whose AMD CPU has SVM with nested paging."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from testbed.machine.emulator import Boot

PROGRAM = "qemu-system-x86_64"
MEMORY = "4G"      # a 1G hugepage does not fit into 2 GiB
# Half of the memory is above 4 GiB: there is room for a 1G hugepage that neither
# the kernel nor the initramfs occupies.
MACHINE = "pc,max-ram-below-4g=2G"
# Without erms, Linux clears pages by words: under TCG at least four times
# faster than by bytes.
CPU = "max,-erms"
BREAK = b"\x01b"   # what QEMU's console multiplexer turns into a serial BREAK


class Qemu:
    name = "qemu"
    cmdline = ""
    slowness = 1    # guest time is wall time
    # Magic sysrq: loglevel 9, backtraces of CPUs (l), blocked tasks (w).
    where_keys: Sequence[bytes] = (BREAK + b"9", BREAK + b"l", BREAK + b"w")

    def __init__(self, accelerated: bool = False) -> None:
        self.accelerator = "kvm" if accelerated else "tcg"

    def version(self) -> str:
        output = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
        return output.stdout.splitlines()[0]

    def command(self, boot: Boot, results: str) -> Sequence[str]:
        cpu = ("kvm", "host") if self.accelerator == "kvm" else ("tcg,thread=multi", CPU)
        return (
            PROGRAM, "-machine", MACHINE, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", cpu[0], "-cpu", cpu[1], "-smp", str(boot.cpus), "-m", MEMORY,
            "-kernel", str(boot.kernel), "-initrd", str(boot.initramfs), "-append", boot.cmdline,
            "-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console",
            "-chardev", f"file,id=results,path={results}", "-serial", "chardev:results",
        )
