# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel that somebody else built can be tested, before it boots.

What an emulated host cannot do without ends the run; what cases need is said, and they
skip.  After the boot the tests look themselves (build/tests/tdx_host_check).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import image, ko
from testbed.make.image import Image
from testbed.make.kconfig import options
from testbed.progress import say

# Built in, for the first process to start and to be heard.
TO_BOOT = {
    "CONFIG_64BIT": "the tests are programs of 64 bits",
    "CONFIG_BLK_DEV_INITRD": "the tests are in an initramfs",
    "CONFIG_BINFMT_ELF": "the tests are ELF programs",
    "CONFIG_BINFMT_SCRIPT": "the first process is a shell script",
    "CONFIG_DEVTMPFS": "the first process mounts /dev",
    "CONFIG_PROC_FS": "the first process mounts /proc",
    "CONFIG_SYSFS": "the first process mounts /sys",
    "CONFIG_SERIAL_8250": "results leave by a serial port",
    "CONFIG_SERIAL_8250_CONSOLE": "the console is a serial port",
}
# And without these cases skip.
TO_TEST = {
    "CONFIG_TMPFS": "tests write to /tmp",
    "CONFIG_FTRACE": "tests observe KVM by tracing",
    "CONFIG_KPROBE_EVENTS": "tests observe KVM by probes on its functions",
    "CONFIG_KALLSYMS": "probes find functions by their names",
    "CONFIG_USERFAULTFD": "tests hold KVM in a page fault",
}
TDX = {
    "CONFIG_INTEL_TDX_HOST": "no TD can be made",
    "CONFIG_KVM_INTEL_TDX": "no TD can be made",
}
# The emulated hosts and what KVM needs on their CPUs: QEMU's is AMD's, unless it uses the
# KVM of this machine.
VENDORS = {"bochs": ("kvm_intel",), "qemu": ("kvm_amd", "kvm_intel")}
# What else a host loads if it is there: for swap and a file system, and of kmod/.
OTHERS = ("zram", "ext2", "ext4", "kvm_hold", "tdx_view")


@dataclass(frozen=True)
class Given:
    image: Image
    modules: tuple[Path, ...]       # in the order of loading, in a folder of the run's own


def take(path: Path, folder: Path | None, emulators: Collection[str], work: Path) -> Given:
    """The image, with what it needs of the modules in `folder`, for these emulators; or why
    it cannot be tested."""
    taken = image.read(path, folder)
    modules = ko.Folder(folder, taken.version) if folder else None
    if taken.config is None:
        say(f"{path}: its configuration is not known (no CONFIG_IKCONFIG, and no "
            f"config-{taken.version or 'VERSION'} beside it): what it lacks shows after the boot")
    said = options(taken.config or "")
    if fatal := [*misses_to_boot(taken, said), *misses_kvm(taken, said, modules, emulators)]:
        raise HarnessError(f"--kernel {path} cannot be tested:\n"
                           + "\n".join(f"  {line}" for line in fatal))
    for line in misses_to_test(taken, said, "bochs" in emulators):
        say(f"{path}: {line}")
    vendors = [name for emulator in emulators for name in VENDORS[emulator]]
    return Given(taken, unpack(modules, taken, [*dict.fromkeys(vendors), *OTHERS], work)
                 if modules else ())


def misses_to_boot(taken: Image, said: Mapping[str, str]) -> Iterator[str]:
    if taken.config is None:
        return
    for name, why in TO_BOOT.items():
        if said.get(name) != "y":
            yield f"it lacks {name}=y: {why}"


def misses_kvm(taken: Image, said: Mapping[str, str], modules: ko.Folder | None,
               emulators: Collection[str]) -> Iterator[str]:
    """Of each emulated host: how KVM gets there, if it does."""
    for emulator in emulators:
        names = VENDORS[emulator]
        states = {said.get(f"CONFIG_{name.upper()}", "n") for name in names}
        if taken.config is not None and states == {"n"}:
            yield f"it lacks {options_of(names)}, for the CPU of {emulator}"
        elif modules is None and taken.config is not None and "y" not in states:
            yield (f"its KVM is a module ({options_of(names, '=m')}): add --modules DIR, the "
                   f"lib/modules/{taken.version or 'VERSION'} of this kernel")
        elif modules and "y" not in states and not any(
                name in modules or taken.config is None and name in modules.builtin
                for name in names):
            yield (f"--modules: {modules.path} has no {' or '.join(f'{n}.ko' for n in names)}, "
                   f"for the CPU of {emulator}")


def options_of(names: Collection[str], value: str = "") -> str:
    return " and ".join(f"CONFIG_{name.upper()}{value}" for name in names)


def misses_to_test(taken: Image, said: Mapping[str, str], tdx: bool) -> Iterator[str]:
    if taken.config is None:
        return
    for name, why in (TO_TEST | TDX if tdx else TO_TEST).items():
        if said.get(name, "n") == "n":
            yield f"it lacks {name}: {why}, so cases skip"


def unpack(modules: ko.Folder, taken: Image, wanted: Collection[str],
           work: Path) -> tuple[Path, ...]:
    """Their files, not compressed."""
    folder = work / "modules"
    folder.mkdir()
    paths = []
    for module in modules.needed(wanted):
        if taken.version and module.version != taken.version:
            raise HarnessError(f"--modules: {module.name} in {modules.path} is of kernel "
                               f"{module.version}, the image is {taken.version}")
        path = folder / f"{module.name}.ko"
        path.write_bytes(module.data)
        paths.append(path)
    return tuple(paths)
