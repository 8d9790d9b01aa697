# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from testbed.make import kconfig


class OptionsTest(unittest.TestCase):
    def test_options(self) -> None:
        text = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\n# CONFIG_D=y in a comment\n'
        self.assertEqual(kconfig.options(text),
                         {"CONFIG_A": "y", "CONFIG_B": "n", "CONFIG_C": '"x y"'})

    def test_dropped(self) -> None:
        fragment = "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_NR=8\nCONFIG_D=n\n"
        config = "CONFIG_A=y\nCONFIG_C=y\nCONFIG_NR=64\n"
        self.assertEqual(kconfig.dropped(fragment, config),
                         ("CONFIG_B=y", "CONFIG_C=n", "CONFIG_NR=8"))

    def test_renamed(self) -> None:
        fragment = "# one of: CONFIG_OLD CONFIG_NEW\nCONFIG_OLD=y\nCONFIG_NEW=y\n"
        self.assertEqual(kconfig.dropped(fragment, "CONFIG_NEW=y\n"), ())
        self.assertEqual(kconfig.dropped(fragment, "CONFIG_OLD=y\n"), ())
        self.assertEqual(kconfig.dropped(fragment, ""), ("CONFIG_OLD=y", "CONFIG_NEW=y"))
        self.assertEqual(kconfig.dropped(fragment, "# CONFIG_OLD is not set\n"),
                         ("CONFIG_OLD=y", "CONFIG_NEW=y"))
