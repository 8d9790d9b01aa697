# SPDX-License-Identifier: GPL-2.0-only
"""Bochs as the emulated host: an Intel CPU with VMX and EPT, and room for TDX.

Bochs has no loader for kernels.  Its option to put files into memory before the
machine starts does that work here, and what it takes for the ROM of a display
card starts the kernel as a boot loader would: no disk, so nothing of it to
emulate.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.errors import HarnessError
from testbed.machine.emulator import Boot
from testbed.make import bochs_build

# 3 GiB of it below 4 GiB, the rest above, where a 1G hugepage finds its place.
# Bochs allocates what the guest touches (host: all of it, so that it never takes
# a block away that softtdx points into), in large blocks: it looks at the list
# of blocks again for each of them when it starts, a second for each GiB of the
# small blocks that are its default.
MEMORY = "guest=6144, host=6144, block_size=8192"    # MiB, MiB, KiB

# The date when the machine starts, 2026-01-01 and some seconds by the run's seed. Bochs'
# random numbers follow from it (bochs_edits/determinism.py).
YEAR = 1767225600, 365 * 24 * 3600

# Guest time counts instructions: this many are a second.  TDX wants
# a TSC of at least 100 MHz; more would only make the guest wait longer, but what
# Linux measures may be a little less, and KVM rounds that down to 75.
IPS = 101_000_000

# Facts that Linux cannot find out (the TSC runs at the rate of instructions, not the one
# that the CPU model claims), settings that save time, and those that TDX needs.
CMDLINE = f"tsc_early_khz={IPS // 1000} tsc=reliable idle=nomwait kvm_intel.tdx=1"

# CPU models by the levels of their EPT (bochs_edits/ept5.py).  The first one has TDX.
MODELS = {5: "sapphire_rapids", 4: "arrow_lake"}

CONFIGURATION = """\
config_interface: textconfig
display_library: nogui
vga: extension=none, realtime=0
romimage: file={bios}
vgaromimage: file={folder}/rom
optramimage1: file={folder}/setup, address={setup_address:#x}
optramimage2: file={folder}/kernel, address={kernel_address:#x}
optramimage3: file={initramfs}, address={initramfs_address:#x}
memory: {memory}
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1, softtdx_control={control:d}
clock: sync=none, time0={date}
pci: enabled=1, chipset=i440fx
floppya: type=none
ata0: enabled=0
ata1: enabled=0
com1: enabled=1, mode=file, dev=/dev/stdout
com2: enabled=1, mode=file, dev={results}
log: -
panic: action=fatal
error: action=ignore
info: action=ignore
"""


class Bochs:
    name = "bochs"
    accelerator = "interpreter"
    cmdline = CMDLINE
    # Host seconds for a guest second: the guest's CPUs share one of this host's.
    slowness = 2
    where_keys: Sequence[bytes] = ()    # its serial ports take no input from a pipe

    def __init__(self, build: bochs_build.Bochs, work: Path, control: bool = True,
                 module: str = "") -> None:
        """`control`: does the TDX module listen to the tests?  `module`: which one it is, if
        not the usual one."""
        self._build = build
        self._work = work    # the folder for files of the boots
        self._control = control
        self._module = module

    def version(self) -> str:
        return f"Bochs {self._build.version}"

    def command(self, boot: Boot, results: str) -> Sequence[str]:
        folder = Path(tempfile.mkdtemp(prefix="bochs-", dir=self._work))
        setup, kernel = split(boot.kernel.read_bytes())
        initramfs = boot.initramfs.stat().st_size
        address = (INITRAMFS_TOP - initramfs) & ~0xfff
        (folder / "rom").write_bytes(boot_rom())
        (folder / "setup").write_bytes(real_mode(setup, boot.cmdline, address, initramfs))
        (folder / "kernel").write_bytes(kernel)
        configuration = folder / "bochsrc"
        configuration.write_text(CONFIGURATION.format(
            bios=self._build.bios, folder=folder, setup_address=SETUP, kernel_address=KERNEL,
            initramfs=boot.initramfs, initramfs_address=address,
            memory=MEMORY, cpus=boot.cpus, ips=IPS, results=results,
            model=MODELS[boot.ept_levels], date=YEAR[0] + boot.seed % YEAR[1],
            control=self._control,
        ))
        chosen = ("/usr/bin/env", f"SOFTTDX_MODULE={self._module}") if self._module else ()
        return (*chosen, str(self._build.program), "-q", "-f", str(configuration))


# A boot loader, see Documentation/arch/x86/boot.rst of Linux.

SETUP = 0x50000      # apart from what the BIOS uses
KERNEL = 0x100000
STACK = 0xe000       # in the segment of the setup code, which ends below it
SETUP_MOST = 0x8000
INITRAMFS_TOP = 2 << 30    # neither Linux nor Bochs takes it higher up


def split(image: bytes) -> tuple[bytes, bytes]:
    """A bzImage: the part that runs in real mode, and the rest."""
    end = (image[0x1f1] + 1) * 512
    if end > SETUP_MOST:
        raise HarnessError("the real-mode part of the kernel is too large for Bochs")
    return image[:end], image[end:]


def real_mode(setup: bytes, cmdline: str, initramfs: int, size: int) -> bytes:
    """The setup code with its header filled in, and the command line behind its stack."""
    segment = bytearray(setup.ljust(STACK, b"\0"))
    segment[0x210] = 0xff                              # type_of_loader: unknown
    segment[0x211] |= 0x80                             # loadflags: there is a heap
    struct.pack_into("<II", segment, 0x218, initramfs, size)
    struct.pack_into("<H", segment, 0x224, STACK - 0x200)    # heap_end_ptr
    struct.pack_into("<I", segment, 0x228, SETUP + STACK)    # cmd_line_ptr
    return bytes(segment) + cmdline.encode() + b"\0"


def boot_rom() -> bytes:
    """A ROM that the BIOS calls after it has set up the machine; it does not return."""
    segment = SETUP >> 4
    code = b"".join((
        b"\xfa\xfc",                                   # cli; cld
        b"\xb8", struct.pack("<H", segment),           # mov ax, segment
        b"\x8e\xd8\x8e\xc0\x8e\xe0\x8e\xe8\x8e\xd0",   # mov ds, es, fs, gs, ss: ax
        b"\xbc", struct.pack("<H", STACK),             # mov sp, STACK
        b"\xea", struct.pack("<HH", 0, segment + 0x20),    # jmp far: the setup code's entry
    ))
    blocks = 4
    rom = bytearray((b"\x55\xaa" + bytes([blocks]) + code).ljust(blocks * 512, b"\0"))
    rom[-1] = -sum(rom) & 0xff
    return bytes(rom)
