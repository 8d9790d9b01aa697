# SPDX-License-Identifier: GPL-2.0-only
"""The machine that Bochs is told to be, and the edits of its source."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from unittest import mock

from testbed.errors import HarnessError
from testbed.machine import bochs
from testbed.machine.emulator import Boot
from testbed.make import bochs_build
from testbed.make.bochs_edits import Edit
from testbed.make.cache import Cache
from testbed.options import MODULES
from testbed.tests.support import FolderTest

SETUP_BLOCKS = 4
IMAGE = bytes(0x1f1) + bytes([SETUP_BLOCKS]) + bytes(SETUP_BLOCKS * 512 + 318) + b"kernel"


class MachineTest(FolderTest):
    ept_levels = 5
    model = "sapphire_rapids"

    def setUp(self) -> None:
        super().setUp()
        kernel, initramfs = self.folder / "bzImage", self.folder / "cpio"
        kernel.write_bytes(IMAGE)
        initramfs.write_bytes(bytes(5000))
        build = bochs_build.Bochs(Path("/b/bochs"), Path("/b/bios"), "3.0")
        emulator = bochs.Bochs(build, self.folder)
        boot = Boot(kernel, initramfs, cpus=4, cmdline="quiet", ept_levels=self.ept_levels,
                    seed=365 * 24 * 3600 + 7)
        program, *options, configuration = emulator.command(boot, "/dev/fd/7")
        self.assertEqual((program, options), ("/b/bochs", ["-q", "-f"]))
        self.configuration = Path(configuration)
        self.lines = self.configuration.read_text().splitlines()

    def setting(self, name: str) -> str:
        return next(line for line in self.lines if line.startswith(f"{name}:"))

    def image(self, number: int) -> tuple[bytes, int]:
        """The blocks of memory, and their addresses."""
        found = re.fullmatch(r"optramimage\d: file=(\S+), address=0x(\w+)",
                             self.setting(f"optramimage{number}"))
        assert found is not None
        return Path(found[1]).read_bytes(), int(found[2], 16)

    def test_no_line_is_unfinished(self) -> None:
        self.assertNotRegex("\n".join(self.lines), "[{}]")

    def test_what_differs_from_boot_to_boot(self) -> None:
        self.assertIn("count=4,", self.setting("cpu"))
        self.assertIn("dev=/dev/fd/7", self.setting("com2"))
        self.assertIn(f"model={self.model},", self.setting("cpu"))

    def test_the_date_follows_the_seed(self) -> None:
        self.assertIn("time0=1767225607", self.setting("clock"))

    def test_all_memory_is_at_hand(self) -> None:
        found = re.search(r"guest=(\d+), host=(\d+)", self.setting("memory"))
        assert found is not None
        self.assertEqual(found[1], found[2])

    def test_control_channel(self) -> None:
        self.assertIn("softtdx_control=1", self.setting("cpu"))
        build = bochs_build.Bochs(Path("/b/bochs"), Path("/b/bios"), "3.0")
        boot = Boot(self.folder / "bzImage", self.folder / "cpio", cpus=2, cmdline="quiet")
        silent = bochs.Bochs(build, self.folder, control=False)
        text = Path(silent.command(boot, "/dev/fd/7")[-1]).read_text()
        self.assertIn("softtdx_control=0", text)

    def test_another_module(self) -> None:
        build = bochs_build.Bochs(Path("/b/bochs"), Path("/b/bios"), "3.0")
        boot = Boot(self.folder / "bzImage", self.folder / "cpio", cpus=2, cmdline="quiet")
        newer = bochs.Bochs(build, self.folder, module="1.5-latest")
        self.assertEqual(newer.command(boot, "/dev/fd/7")[:3],
                         ("/usr/bin/env", "SOFTTDX_MODULE=1.5-latest", "/b/bochs"))

    def test_modules_are_those_of_softtdx(self) -> None:
        source = (bochs_build.SUITE / "softtdx/model/profiles.c").read_text()
        self.assertEqual(tuple(re.findall(r'\{ "([^"]+)", \d', source)), MODULES)

    def test_setup_code(self) -> None:
        data, address = self.image(1)
        where, size = struct.unpack_from("<II", data, 0x218)
        self.assertEqual((where, size), (self.image(3)[1], 5000))
        cmdline, = struct.unpack_from("<I", data, 0x228)
        self.assertEqual(data[cmdline - address:], b"quiet\0")

    def test_kernel(self) -> None:
        self.assertEqual(self.image(2), (IMAGE[(SETUP_BLOCKS + 1) * 512:], 0x100000))

    def test_initramfs_is_where_linux_takes_it(self) -> None:
        data, address = self.image(3)
        self.assertEqual(address % 4096, 0)
        self.assertLessEqual(address + len(data), 0x80000000)

    def test_rom(self) -> None:
        rom = Path(self.setting("vgaromimage").partition("=")[2]).read_bytes()
        self.assertEqual(rom[:2], b"\x55\xaa")
        self.assertEqual((len(rom), sum(rom) % 256), (rom[2] * 512, 0))

    def test_large_setup_code(self) -> None:
        with self.assertRaisesRegex(HarnessError, "real-mode"):
            bochs.split(bytes(0x1f1) + b"\xff" + bytes(200000))


class OlderMachineTest(MachineTest):
    ept_levels = 4
    model = "arrow_lake"


class EditTest(FolderTest):
    def apply(self, text: str, count: int = 1) -> str:
        path = self.folder / "a.cc"
        path.write_text(text, encoding="latin-1")
        bochs_build.apply([Edit("why", "a.cc", "old f(x)", r"new\1", count)], self.folder)
        return path.read_text(encoding="latin-1")

    def test_applies(self) -> None:
        self.assertEqual(self.apply("é old f(x);"), "é " + r"new\1;")

    def test_white_space_may_differ(self) -> None:
        self.assertEqual(self.apply("old\n\tf(x);"), r"new\1;")

    def test_missing(self) -> None:
        with self.assertRaisesRegex(HarnessError, "\"why\".* 0 times, not 1"):
            self.apply("old f(y)")

    def test_double(self) -> None:
        with self.assertRaisesRegex(HarnessError, "2 times, not 1"):
            self.apply("old f(x) old f(x)")
        with self.assertRaisesRegex(HarnessError, "1 times, not 2"):
            self.apply("old f(x)", count=2)

    def test_missing_file(self) -> None:
        with self.assertRaisesRegex(HarnessError, "0 times"):
            bochs_build.apply([Edit("why", "b.cc", "a", "b")], self.folder)

    def test_only_the_versions_that_need_it(self) -> None:
        edit = Edit("why", "a.cc", "a", "b", fixed_in=(3, 1))
        for version, needed in (("3.0+dfsg", True), ("3.1+dfsg", False), ("3.10", False)):
            self.assertEqual(bochs_build.is_needed(edit, version), needed)
        self.assertTrue(bochs_build.is_needed(Edit("why", "a.cc", "a", "b"), "3.1"))
        with self.assertRaises(HarnessError):
            bochs_build.is_needed(edit, "CVS")


class BuildTest(FolderTest):
    """Fetching and building, with scripts for apt and the source."""

    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.script("apt-get", f"""
            case "$*" in
            indextargets*) echo 'Debian|main|bookworm|http://mirror/debian/' ;;
            *update) cp "$(dirname "$2")/etc/sources.list" {self.folder}/asked ;;
            *" source "*) grep -q {self.suite} {self.folder}/asked || exit 100
               mkdir bochs-3.0
               printf '#!/bin/sh\\n{self.configure}\\n' >bochs-3.0/configure
               chmod +x bochs-3.0/configure
               printf 'parts:\\n\\ttouch lib.a\\n$(PROGRAM): lib.a $(OWN)\\n' >bochs-3.0/Makefile
               printf '\\tcp /bin/true $(PROGRAM)\\n' >>bochs-3.0/Makefile
               tar -cJf bochs_3.0+dfsg.orig.tar.xz bochs-3.0 ;;
            *" download "*) touch bochsbios.deb ;;
            esac""")
        self.script("apt-cache", "printf 'Package: x\\nVersion: 3.0\\nSize: 123\\n'")
        self.script("dpkg-deb", f"""
            cd {self.folder} && mkdir -p usr/share/bochs && echo bios >usr/share/bochs/BIOS-bochs-latest
            tar -c ./usr""")
        softtdx = self.folder / "softtdx"
        (softtdx / "bochs").mkdir(parents=True)
        (softtdx / "bochs/Makefile").write_text("all:\n\ttouch $(OUT)/softtdx.o\n")
        emulator = self.folder / "emulator"
        emulator.mkdir()
        (emulator / "Makefile").write_text("all:\n\ttouch $(OUT)/emulator.o\n")
        for name, value in (("EDITS", ()), ("SOFTTDX", softtdx), ("EMULATOR", emulator)):
            patch = mock.patch.object(bochs_build, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    suite = "stable"
    configure = "exit 0"

    def test_built_once(self) -> None:
        cache = Cache(self.folder / "cache")
        built = bochs_build.provide(cache)
        self.assertEqual((built.version, built.bios.read_text()), ("3.0+dfsg", "bios\n"))
        self.assertTrue(built.program.exists())
        self.script("apt-get", "exit 1")
        self.assertEqual(bochs_build.provide(cache), built)

    def test_softtdx_is_linked_into_what_is_there(self) -> None:
        cache = Cache(self.folder / "cache")
        first = bochs_build.provide(cache)
        parts, = (self.folder / "cache/bochs-parts").iterdir()
        stamp = (parts / "lib.a").stat().st_mtime_ns
        (bochs_build.SOFTTDX / "bochs/seam.cc").write_text("// edited\n")
        second = bochs_build.provide(cache)
        self.assertNotEqual(first.program, second.program)
        self.assertEqual(list((self.folder / "cache/bochs-parts").iterdir()), [parts])
        self.assertEqual((parts / "lib.a").stat().st_mtime_ns, stamp)

    def test_own(self) -> None:
        built = bochs_build.provide(Cache(self.folder / "cache"), Path("/bin/true"))
        self.assertEqual(built.program.name, "true")


class OtherSuiteTest(BuildTest):
    suite = "testing"


class NoSourceTest(BuildTest):
    suite = "nowhere"

    def test_built_once(self) -> None:
        with self.assertRaisesRegex(HarnessError, "(?s)cannot be fetched.*stable.*testing"):
            bochs_build.provide(Cache(self.folder / "cache"))

    test_own = test_softtdx_is_linked_into_what_is_there = test_built_once


class DoesNotBuildTest(BuildTest):
    configure = "echo no compiler; exit 1"

    def test_built_once(self) -> None:
        with self.assertRaisesRegex(HarnessError, "(?s)building Bochs failed.*no compiler"):
            bochs_build.provide(Cache(self.folder / "cache"))

    test_softtdx_is_linked_into_what_is_there = test_built_once
