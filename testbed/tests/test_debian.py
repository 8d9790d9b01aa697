# SPDX-License-Identifier: GPL-2.0-only
"""A Debian root, with a script in the place of mmdebstrap."""

from __future__ import annotations

import os
import time
from pathlib import Path

from testbed.errors import HarnessError
from testbed.make import debian
from testbed.make.cache import Cache
from testbed.tests.support import FolderTest

SOURCE = debian.Archive("bookworm", "http://mirror/debian/", "")
# The folder's name, where the new archive is told, and what it was asked for.
MMDEBSTRAP = """\
for word; do case $word in *.new) new=$word ;; esac; done
echo "$*" >>"$ASKED"
echo root >"$new"
"""


class DebianTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.script("mmdebstrap", MMDEBSTRAP.replace("$ASKED", str(self.folder / "asked")))
        self.use_scripts()

    def tarball(self, *packages: str) -> Path:
        return debian.tarball(Cache(self.folder / "cache"), SOURCE, "a-root", packages, ("/usr/share/doc/*",))

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def test_what_is_in_it(self) -> None:
        self.assertEqual(self.tarball("udev", "systemd").read_text(), "root\n")
        self.assertIn("--include=udev,systemd ", self.asked()[0])
        self.assertIn("--dpkgopt=path-exclude=/usr/share/doc/* bookworm ", self.asked()[0])

    def test_kept_for_a_week(self) -> None:
        path = self.tarball()
        self.tarball()
        self.assertEqual(len(self.asked()), 1)
        old = time.time() - debian.KEPT_SECONDS - 60
        os.utime(path, (old, old))
        self.tarball()
        self.assertEqual(len(self.asked()), 2)

    def test_one_that_cannot_be_made(self) -> None:
        self.script("mmdebstrap", "echo 'E: no such package'; exit 25")
        with self.assertRaisesRegex(HarnessError, "no such package"):
            self.tarball()
        self.assertFalse((self.folder / "cache/roots/a-root/root.tar").exists())
