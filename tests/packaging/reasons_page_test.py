#!/usr/bin/env python3
"""docs/reasons.md is what `sluice reasons` says.

usage: reasons_page_test.py PACKAGING SLUICE PAGE
"""

import pathlib
import subprocess
import sys
import unittest

PACKAGING, SLUICE, PAGE = sys.argv[1:]
del sys.argv[1:]


class ReasonsPage(unittest.TestCase):
    maxDiff = None

    def test_is_made_from_the_list(self):
        made = subprocess.run([sys.executable, PACKAGING + "/generate.py", "reasons", "--sluice", SLUICE],
                              stdout=subprocess.PIPE, text=True, check=True).stdout  # fmt: skip
        self.assertEqual(pathlib.Path(PAGE).read_text(encoding="utf-8"), made,
                         "print it anew: packaging/generate.py reasons --sluice build/sluice > docs/reasons.md")  # fmt: skip

    def test_has_a_row_for_each(self):
        page = pathlib.Path(PAGE).read_text(encoding="utf-8")
        listed = subprocess.run([SLUICE, "reasons"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        self.assertGreater(len(listed), 40)
        for line in listed:
            self.assertIn(f"| `{line.split()[0]}` | ", page)


if __name__ == "__main__":
    unittest.main()
