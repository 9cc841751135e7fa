#!/usr/bin/env python3
"""The manual pages say all that the programs know, and groff and mandoc find nothing wrong with them.

usage: manual_test.py PACKAGING SLUICE REFERENCE PAGE...
"""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SLUICE, REFERENCE, *PAGES = sys.argv[2:]
PAGES = {pathlib.Path(page).name: page for page in PAGES}
del sys.argv[1:]


def said_by(*argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60, **more).stdout


def shown(page):
    """The page as a reader has it, without line breaks."""
    text = said_by("groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-o", "-P-u", "-rLL=2000n", PAGES[page])
    return re.sub(r"\s+", " ", text)


def commands():
    """The names in the help's list of commands, read more simply than the pages' maker does."""
    listed = said_by(SLUICE, "--help").split("\nOptions")[0].split("Commands")[1].splitlines()[1:]
    return [re.sub(r"^-\w,\s*", "", line.strip()).split()[0] for line in listed if line.strip()]


class Pages(unittest.TestCase):
    def test_every_command_is_in_sluice(self):
        page = shown("sluice.1")
        self.assertGreater(len(commands()), 15)
        for command in commands():
            self.assertRegex(page, rf"(?<![\w-]){command} ")

    def test_every_option_of_every_command_is_in_sluice(self):
        page = shown("sluice.1")
        for command in commands():
            options = re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", said_by(SLUICE, command, "--help"))
            self.assertTrue(options or command in ("version", "help"), command)
            for option in options:
                self.assertRegex(page, rf"(?<![\w-]){option}(?![\w-])", f"{option} of {command}")

    def test_every_reason_is_in_sluice(self):
        page = shown("sluice.1")
        for line in said_by(SLUICE, "reasons").splitlines():
            self.assertIn(re.sub(r"\s+", " ", re.split(r"\s{2,}|\s(?=[A-Za-z])", line, maxsplit=2)[-1]), page)
            self.assertIn(line.split()[0], page)

    def test_every_key_is_in_sluice_toml(self):
        page = shown("sluice.toml.5")
        keys = re.findall(r"^\| `([^`]+)` \|", said_by(REFERENCE, "markdown"), re.MULTILINE)
        self.assertGreater(len(keys), 100)
        for key in keys:
            self.assertIn(f" {key} ", page)

    def test_every_argument_is_in_sluiced(self):
        if "sluiced.8" not in PAGES:
            self.skipTest("built without the daemon")
        for word in ("--config FILE", "--check", "--version", "--help", "EAL ARGUMENTS"):
            self.assertIn(word, shown("sluiced.8"))

    def test_nothing_is_left_to_be_filled_in(self):
        for page in PAGES:
            self.assertNotRegex(shown(page), r"@\w+@")

    def test_groff_has_nothing_to_say(self):
        for page in PAGES.values():
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", page], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("mandoc"), "there is no mandoc")
    def test_mandoc_has_nothing_to_say(self):
        for page in PAGES.values():
            done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", page], stdout=subprocess.PIPE, text=True, check=False)
            said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
            self.assertEqual(said, [])


if __name__ == "__main__":
    unittest.main()
