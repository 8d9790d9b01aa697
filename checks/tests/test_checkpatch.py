# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
import shutil
import tempfile
import unittest
from pathlib import Path

from checks import checkpatch

# In place of the kernel's script: it complains of each file that is named bad.c.
FAKE = r"""
for my $file (grep { /\.c$/ } @ARGV) {
    if ($file =~ /bad/) { print "$file:1: ERROR:SPACING: a space\n"; $found = 1; }
    die "cannot read $file\n" if $file =~ /gone/;
}
exit($found ? 1 : 0);
"""


class CheckpatchTest(unittest.TestCase):
    def setUp(self) -> None:
        if not shutil.which("perl"):
            self.skipTest("needs perl, as checkpatch.pl does")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.script = Path(folder.name) / "checkpatch.pl"
        self.script.write_text(FAKE)

    def test_complaints_are_returned(self) -> None:
        self.assertEqual(checkpatch.complaints(self.script, ["good.c", "bad.c"]),
                         ["bad.c:1: ERROR:SPACING: a space"])

    def test_no_complaint(self) -> None:
        self.assertEqual(checkpatch.complaints(self.script, ["good.c"]), [])

    def test_a_script_that_dies_is_no_pass(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "cannot read gone.c"):
            checkpatch.complaints(self.script, ["gone.c"])

    def test_contributing_says_why_for_each_accepted_type(self) -> None:
        text = (checkpatch.ROOT / "CONTRIBUTING.md").read_text()
        rows = re.findall(r"^\| ([A-Z_, ]+) \|", text, re.MULTILINE)
        self.assertEqual(sorted(name for row in rows for name in row.split(", ")),
                         sorted(checkpatch.ACCEPTED))

    def test_accepted_files_are_remembered_by_content(self) -> None:
        remembered = self.script.with_name("checkpatch.json")
        checkpatch.Accepted(remembered, self.script).save(["Makefile", "README.md"])
        self.assertIn("Makefile", checkpatch.Accepted(remembered, self.script))
        self.assertNotIn("run_tests.sh", checkpatch.Accepted(remembered, self.script))
        self.script.write_text("# another version")
        self.assertNotIn("Makefile", checkpatch.Accepted(remembered, self.script))

    def test_files_of_another_language_exist(self) -> None:
        for name in checkpatch.OTHER_LANGUAGE:
            self.assertTrue((checkpatch.ROOT / name).is_file(), name)


if __name__ == "__main__":
    unittest.main()
