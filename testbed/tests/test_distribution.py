# SPDX-License-Identifier: GPL-2.0-only
"""A distribution's configuration, with scripts in the place of apt, dpkg-deb and make."""

from __future__ import annotations

import json
import lzma
import unittest

from testbed.errors import HarnessError
from testbed.make import distribution
from testbed.make.apt import Package
from testbed.make.cache import Cache
from testbed.tests.support import FolderTest

CONFIG = """\
CONFIG_KVM=m
CONFIG_KVM_INTEL=m
CONFIG_DRM=m
CONFIG_DRM_PANIC=y
# CONFIG_INTEL_TDX_HOST is not set
CONFIG_NAME="x=m"
"""
# kbuild, as far as the caller sees.
MAKE = """
for word in "$@"; do case $word in O=*) tree=${word#O=} ;; INSTALL_MOD_PATH=*) to=${word#*=} ;;
M=*) module=${word#M=} ;; esac; done
case "$*" in
*modules_install*) mkdir -p "$to/lib/modules/9.9" && : >"$to/lib/modules/9.9/kvm.ko" ;;
*M=*) : >"$module/modules.order" ;;
*bzImage*) mkdir -p "$tree/arch/x86/boot"; echo image >"$tree/arch/x86/boot/bzImage" ;;
esac
"""


class ConfigTest(unittest.TestCase):
    def test_modules_are_off(self) -> None:
        self.assertEqual(distribution.without_modules(CONFIG),
                         CONFIG.replace("CONFIG_DRM=m", "# CONFIG_DRM is not set"))

    def test_package(self) -> None:
        for tree in (Package("linux-source-7.2", "7.2.12-1", 1),
                     Package("linux", "7.2.12-1", 1)):
            self.assertEqual(str(distribution.config_package(tree)), "linux-config-7.2 7.2.12-1")


class BuildTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.cache = Cache(self.folder / "cache")
        self.script("apt-get", """case "$*" in
            indextargets*) echo 'Debian|main|bookworm|http://mirror/debian/' ;;
            *download*) : >linux-config.deb ;; esac""")
        self.script("dpkg-deb", f"""cp -r {self.folder}/content "$3" """)
        self.script("make", MAKE)
        packed = self.folder / "content/usr/src/linux-config-9.9" / f"{distribution.CONFIG}.xz"
        packed.parent.mkdir(parents=True)
        packed.write_bytes(lzma.compress(CONFIG.encode()))
        (self.cache.folder / "sources/linux-source-9.9_9.9-1").mkdir(parents=True)
        (self.cache.folder / "offered.json").write_text(json.dumps(
            {"name": "linux-source-9.9", "version": "9.9-1", "size": 1}))

    def test_build(self) -> None:
        built = distribution.build(self.cache, None, refresh=False)
        self.assertEqual((built / "bzImage").read_text(), "image\n")
        self.assertTrue((built / "lib/modules/9.9/kvm.ko").exists())
        config = (built / "config").read_text()
        self.assertIn("# CONFIG_DRM is not set\n", config)
        self.assertLess(config.index("# CONFIG_INTEL_TDX_HOST"), config.index("CONFIG_INTEL_TDX_HOST=y"))

    def test_no_configuration_in_the_package(self) -> None:
        for path in self.folder.glob("content/usr/src/*/*"):
            path.unlink()
        with self.assertRaisesRegex(HarnessError, "linux-config-9.9 9.9-1 has no config"):
            distribution.build(self.cache, None, refresh=False)
