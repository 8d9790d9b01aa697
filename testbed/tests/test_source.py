# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from testbed.errors import HarnessError
from testbed.make.apt import APT_CONF, Package, mirror
from testbed.make.cache import Cache
from testbed.make.source import offered
from testbed.tests.support import FolderTest

TARGETS = """\
|main|cloud|http://elsewhere/apt/
Debian|main|bookworm-security|http://mirror/debian-security/
Debian|contrib|bookworm|http://mirror/contrib/
Debian|main|bookworm|http://mirror/debian/
"""


class MirrorTest(unittest.TestCase):
    def test_the_user_s_own(self) -> None:
        self.assertEqual(mirror(TARGETS), "http://mirror/debian/")

    def test_none(self) -> None:
        with self.assertRaisesRegex(HarnessError, "--kernel"):
            mirror("Ubuntu|main|noble|http://mirror/ubuntu/\n")


class OfferedTest(FolderTest):
    """The package index, with scripts for apt."""

    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.script("apt-get", f"""
            case "$*" in
            indextargets*) echo 'Debian|main|bookworm|http://mirror/debian/' ;;
            *) echo "$*" >>{self.folder}/calls
               cp "$2" {self.folder}/apt.conf ;;
            esac""")
        self.script("apt-cache", """
            case "$*" in
            *search*) printf '%s - x\\n' linux-source-6.12 linux-source-7.10 linux-source-7.9 ;;
            *) printf 'Package: linux-source-7.10\\nVersion: 7.10.1-1\\nSize: 123\\n' ;;
            esac""")

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def test_newest_by_number(self) -> None:
        package = offered(Cache(self.folder), refresh=False)
        self.assertEqual(package, Package("linux-source-7.10", "7.10.1-1", 123))

    def test_asked_once(self) -> None:
        for refresh, calls in ((False, 1), (False, 1), (True, 2)):
            offered(Cache(self.folder), refresh)
            self.assertEqual(len(self.calls()), calls)

    def test_apt_s_own_folders_are_left_alone(self) -> None:
        offered(Cache(self.folder), refresh=False)
        written = (self.folder / "apt.conf").read_text()
        for setting in ("Dir::Etc ", "Dir::State ", "Dir::State::status", "Dir::Cache "):
            self.assertRegex(written, f'{setting} ?"/tmp/kts-apt-')
        self.assertIn("#clear APT::Update::Post-Invoke;", APT_CONF)
