# SPDX-License-Identifier: GPL-2.0-only
"""Whether each kernel of --debug-kernel gets what its fragment asks for."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

from testbed.make import kernel
from testbed.make.cache import Cache
from testbed.make.kconfig import dropped, options

# What makes it that kernel.
MARKS = {
    "memory": {"CONFIG_KASAN", "CONFIG_UBSAN", "CONFIG_DEBUG_LIST", "CONFIG_SLUB_DEBUG_ON",
               "CONFIG_PAGE_POISONING"},
    "locks": {"CONFIG_PROVE_LOCKING", "CONFIG_PROVE_RCU", "CONFIG_DEBUG_ATOMIC_SLEEP",
              "CONFIG_DEBUG_OBJECTS"},
    "races": {"CONFIG_KCSAN", "CONFIG_KCSAN_EARLY_ENABLE"},
    "coverage": {"CONFIG_GCOV_KERNEL"},
}


def sources() -> list[Path]:
    """Kernel trees that runs have fetched."""
    return sorted(path.parents[4] for path in
                  (Cache().folder / "sources").glob("*/arch/x86/kvm/vmx/tdx.c"))


class FragmentsTest(unittest.TestCase):
    def test_names(self) -> None:
        self.assertEqual(set(kernel.DEBUG), set(MARKS))
        for name, marks in MARKS.items():
            fragment = options(kernel.fragments(name)[-1].read_text())
            self.assertLessEqual(marks, {option for option, value in fragment.items() if value == "y"})
        self.assertEqual(kernel.fragments(""), [kernel.BASE])

    def test_options_survive_kconfig(self) -> None:
        if not sources():
            self.skipTest("needs a kernel source in the cache: any run of ./run_tests.sh fetches one")
        with tempfile.TemporaryDirectory() as folder:   # one for all: Kconfig is built once
            for name in kernel.DEBUG:
                with self.subTest(name):
                    text = "".join(path.read_text() for path in kernel.fragments(name))
                    wanted = Path(folder, "fragment")
                    wanted.write_text(text)
                    subprocess.run(["make", "-s", "-C", sources()[-1], f"O={folder}",
                                    f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig"],
                                   check=True, capture_output=True)
                    self.assertEqual(dropped(text, Path(folder, ".config").read_text()), ())


if __name__ == "__main__":
    unittest.main()
