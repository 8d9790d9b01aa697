# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from unittest import mock

from testbed.make.cache import Cache, default_folder
from testbed.tests.support import FolderTest


class CacheTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.cache = Cache(self.folder)
        self.made = 0

    def make(self, folder: Path) -> None:
        self.made += 1
        (folder / "file").write_text("x")

    def test_made_once(self) -> None:
        first = self.cache.entry("kind", "key", "making", self.make)
        second = self.cache.entry("kind", "key", "making", self.make)
        self.assertEqual((first, self.made), (second, 1))
        self.assertEqual((first / "file").read_text(), "x")

    def test_failure_leaves_nothing(self) -> None:
        def fail(folder: Path) -> None:
            self.make(folder)
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.cache.entry("kind", "key", "making", fail)
        self.assertEqual(list((self.folder / "kind").iterdir()), [])
        self.cache.entry("kind", "key", "making", self.make)
        self.assertEqual(self.made, 2)

    def test_leftover_of_a_killed_run_goes_away(self) -> None:
        leftover = self.folder / "kind" / ".key.abc"
        leftover.mkdir(parents=True)
        self.cache.entry("kind", "key", "making", self.make)
        self.assertFalse(leftover.exists())

    def age(self, entry: Path, days: float) -> Path:
        entry.mkdir(parents=True, exist_ok=True)
        (entry / "file").touch()
        then = time.time() - days * 24 * 3600
        os.utime(entry, (then, then))
        return entry

    def test_what_was_not_used_for_long_goes_when_something_comes(self) -> None:
        old, young = (self.age(self.folder / "sources" / name, days)
                      for name, days in (("old", 31), ("young", 29)))
        used = self.age(self.folder / "kernels/used", 31)
        other = self.age(self.folder / "mutants/verdicts", 31)
        leftover = self.age(self.folder / "sources/.older.gone", 0)
        self.cache.entry("kernels", "used", "making", self.make)
        self.assertTrue(old.exists())
        self.cache.entry("kernels", "new", "making", self.make)
        self.assertEqual([path.exists() for path in (old, leftover, young, used, other)],
                         [False, False, True, True, True])
        self.assertIn("sources/old: not used for 30 days", self.said.getvalue())
        self.assertEqual(self.made, 1)

    def test_what_a_run_is_busy_with_stays(self) -> None:
        old = self.age(self.folder / "builds/old", 31)
        with self.cache.lock("builds-old", "building"):
            self.cache.entry("kernels", "new", "making", self.make)
        self.assertTrue(old.exists())
        self.cache.prune()
        self.assertFalse(old.exists())

    def test_two_runs_side_by_side(self) -> None:
        started, go_on = threading.Event(), threading.Event()

        def slow(folder: Path) -> None:
            started.set()
            go_on.wait(10)
            self.make(folder)

        first = threading.Thread(
            target=lambda: self.cache.entry("kind", "key", "making", slow))
        second = threading.Thread(
            target=lambda: self.cache.entry("kind", "key", "making", self.make))
        first.start()
        started.wait(10)
        second.start()
        while "waiting for another run: making" not in self.said.getvalue():
            second.join(0.01)
        go_on.set()
        first.join()
        second.join()
        self.assertEqual(self.made, 1)

    def test_folder(self) -> None:
        with mock.patch.dict("os.environ", {"XDG_CACHE_HOME": "/x"}):
            self.assertEqual(default_folder(), Path("/x/kvm-tdx-selftests"))
        with mock.patch.dict("os.environ", {"XDG_CACHE_HOME": "", "HOME": "/h"}):
            self.assertEqual(default_folder(), Path("/h/.cache/kvm-tdx-selftests"))
