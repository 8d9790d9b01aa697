# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest
import urllib.error
from unittest import mock

from testbed.errors import UsageError
from testbed.make import versions
from testbed.make.apt import Package
from testbed.make.cache import Cache
from testbed.make.source import offered
from testbed.make.versions import Offer, choose, is_there, is_version, number
from testbed.tests.support import FolderTest

SHOW = """\
Package: linux-source-7.2
Version: 7.2.6-1~bpo13+1
Size: 2000000
Filename: pool/linux-source-7.2_7.2.6.deb

Package: linux-source-7.3
Version: 7.3~rc7-1~exp1
Size: 3000000
Filename: pool/linux-source-7.3_7.3.deb
"""

SHOWSRC = """\
Package: linux
Binary: bpftool,
 linux-doc
Version: 6.17.8-1~bpo13+1
Files:
 aa 5000 linux_6.17.8-1~bpo13+1.dsc
 bb 156475688 linux_6.17.8.orig.tar.xz
Directory: pool/l

Package: linux
Version: 6.17.13-1~bpo13+1
Files:
 bb 156475699 linux_6.17.13.orig.tar.xz
Directory: pool/l

Package: linux
Version: 7.2.6-1~bpo13+1
Files:
 bb 7 linux_7.2.6.orig.tar.xz
Directory: pool/l
"""


class VersionTest(unittest.TestCase):
    def test_what_is_one(self) -> None:
        for text in ("6.18", "6.17.8", "7.3-rc7", "7.3~rc7"):
            self.assertTrue(is_version(text), text)
        for text in ("list", "linux-6.18", "6", "6.18/", "6.18.1.1", "6.18-"):
            self.assertFalse(is_version(text), text)

    def test_order(self) -> None:
        order = ["6.9.30", "6.10", "6.10.2", "6.10.11", "7.3-rc2", "7.3~rc10", "7.3", "7.3.1"]
        self.assertEqual(sorted(reversed(order), key=number), order)


class OfferTest(FolderTest):
    """apt's lists from scripts, and a mirror that lacks some of the files."""

    def setUp(self) -> None:
        super().setUp()
        self.use_scripts()
        self.gone: set[str] = set()
        self.script("apt-get", """
            case "$*" in indextargets*) echo 'Debian|main|bookworm|http://mirror/debian/' ;; esac
            """)
        (self.folder / "show").write_text(SHOW)
        (self.folder / "showsrc").write_text(SHOWSRC)
        self.script("apt-cache", f"""
            case "$*" in
            *search*) printf '%s - x\\n' linux-source-7.2 linux-source-7.3 ;;
            *showsrc*) cat {self.folder}/showsrc ;;
            *) cat {self.folder}/show ;;
            esac""")
        there = mock.patch.object(versions, "is_there", lambda offer: offer.uri not in self.gone)
        there.start()
        self.addCleanup(there.stop)

    def test_series_is_its_newest(self) -> None:
        self.assertEqual(versions.find("6.17"), Package("linux", "6.17.13-1~bpo13+1", 156475699))

    def test_newest_that_is_there(self) -> None:
        self.gone = {"http://mirror/debian/pool/l/linux_6.17.13.orig.tar.xz"}
        self.assertEqual(versions.find("6.17").version, "6.17.8-1~bpo13+1")

    def test_exact(self) -> None:
        self.assertEqual(versions.find("6.17.8"), Package("linux", "6.17.8-1~bpo13+1", 156475688))
        for text in ("7.3", "7.3-rc7", "7.3~rc7"):
            self.assertEqual(versions.find(text).name, "linux-source-7.3")

    def test_one_file_gone_the_other_there(self) -> None:
        self.assertEqual(versions.find("7.2.6").name, "linux-source-7.2")
        self.gone = {"http://mirror/debian/pool/linux-source-7.2_7.2.6.deb"}
        self.assertEqual(versions.find("7.2.6").name, "linux")

    def test_gone(self) -> None:
        self.gone = {"http://mirror/debian/pool/l/linux_6.17.8.orig.tar.xz"}
        with self.assertRaisesRegex(UsageError, r"(?s)the file is gone.*  7\.3-rc7 .*  6\.17\.13"):
            versions.find("6.17.8")

    def test_unknown(self) -> None:
        for text in ("6.1", "6.17.1", "7.3-rc6"):
            with self.assertRaisesRegex(UsageError, "does not list it"):
                versions.find(text)

    def test_listing(self) -> None:
        self.gone = {"http://mirror/debian/pool/l/linux_6.17.8.orig.tar.xz"}
        self.assertEqual(versions.listing().splitlines(), [
            "  7.3-rc7   2 MB, with Debian's changes", "  7.2.6     1 MB, with Debian's changes",
            "  6.17.13   149 MB",
        ])

    def test_answers_are_kept_apart(self) -> None:
        cache = Cache(self.folder)
        self.assertEqual(offered(cache, False, "6.17").version, "6.17.13-1~bpo13+1")
        self.assertEqual(offered(cache, False, "7.3").version, "7.3~rc7-1~exp1")
        with mock.patch.object(versions, "find") as find:
            self.assertEqual(offered(cache, False, "6.17").version, "6.17.13-1~bpo13+1")
        find.assert_not_called()


class MirrorTest(unittest.TestCase):
    def ask(self, uri: str, error: Exception | None) -> bool:
        with mock.patch("urllib.request.urlopen", side_effect=error) as opened:
            there = is_there(Offer(Package("linux", "1.2-1", 0), uri))
        self.assertEqual(opened.called, uri.startswith("http"))
        return there

    def test_only_a_no_is_no(self) -> None:
        none = urllib.error.HTTPError("http://mirror/x", 404, "Not Found", mock.Mock(), None)
        self.assertFalse(self.ask("http://mirror/x", none))
        self.assertTrue(self.ask("http://mirror/x", None))
        self.assertTrue(self.ask("http://mirror/x", urllib.error.URLError("no such host")))
        self.assertTrue(self.ask("http://mirror/x", TimeoutError()))
        self.assertTrue(self.ask("file:/mirror/x", None))

    def test_nothing_there(self) -> None:
        with self.assertRaisesRegex(UsageError, "6.18"):
            choose([], "6.18")
