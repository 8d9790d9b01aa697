# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from unittest import mock

from testbed.errors import HarnessError
from testbed.make import packages
from testbed.tests.support import FolderTest

DPKG_QUERY = "printf 'ii  gcc\\nrc  make\\niU  flex\\nii  pkg-config\\nii  libc6\\n'"


class PackagesTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.script("dpkg-query", DPKG_QUERY)
        self.script("apt-cache", "exit 0")
        self.script("apt-get", f"echo apt-get $* >>{self.folder}/installed")
        for name, value in (("PURPOSES", {"x": ("gcc", "make|gmake", "flex")}),):
            patch = mock.patch.object(packages, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def ran(self) -> str:
        path = self.folder / "installed"
        return path.read_text() if path.exists() else ""

    def root(self, uid: int) -> None:
        patch = mock.patch("os.geteuid", return_value=uid)
        patch.start()
        self.addCleanup(patch.stop)

    def test_only_what_is_wholly_installed_counts(self) -> None:
        self.assertEqual(packages.installed(), {"gcc", "pkg-config", "libc6"})

    def test_alternatives(self) -> None:
        present = {"pkg-config"}
        self.assertEqual(packages.missing(["pkgconf|pkg-config"], present), [])
        self.assertEqual(packages.missing(["pkgconf|pkg-config"], set()), ["pkgconf"])

    def test_each_once(self) -> None:
        self.assertEqual(packages.missing(["make", "bc", "make"], set()), ["make", "bc"])

    def test_root_installs(self) -> None:
        self.root(0)
        packages.require(["x"], may_install=True)
        line = "apt-get install --no-install-recommends -y make flex"
        self.assertEqual(self.ran(), f"{line} -q\n")
        self.assertIn(line, self.said.getvalue())

    def test_index_is_fetched_when_unknown(self) -> None:
        self.root(0)
        self.script("apt-cache", "exit 100")
        packages.require(["x"], may_install=True)
        self.assertTrue(self.ran().startswith("apt-get -q update\n"))

    def test_no_install(self) -> None:
        self.root(0)
        with self.assertRaisesRegex(HarnessError, "apt-get install .* make flex"):
            packages.require(["x"], may_install=False)
        self.assertEqual(self.ran(), "")

    def test_not_root(self) -> None:
        self.root(1000)
        with self.assertRaisesRegex(HarnessError, "as root:\n  apt-get install"):
            packages.require(["x"], may_install=True)
        self.assertEqual(self.ran(), "")

    def test_failing_installation(self) -> None:
        self.root(0)
        self.script("apt-get", "exit 100")
        with self.assertRaisesRegex(HarnessError, "could not install"):
            packages.require(["x"], may_install=True)

    def test_nothing_missing(self) -> None:
        self.script("dpkg-query", "printf 'ii  gcc\\nii  gmake\\nii  flex\\n'")
        packages.require(["x"], may_install=False)
