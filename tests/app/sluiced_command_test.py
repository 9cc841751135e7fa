#!/usr/bin/env python3
"""`sluiced` as a program, as far as it goes without ports: its arguments, and one sentence for each that is wrong.

usage: sluiced_command_test.py SLUICED VERSION
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

VERSION = sys.argv.pop()
PROGRAM = sys.argv.pop()

CONFIGURATION = '[[pair]]\nports = ["net_null0", "net_null1"]\n'


class Sluiced(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluiced-")
        self.addCleanup(self.folder.cleanup)
        self.config = str(pathlib.Path(self.folder.name) / "sluiced.toml")
        pathlib.Path(self.config).write_text(CONFIGURATION, encoding="utf-8")

    def run_sluiced(self, *arguments, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.run([PROGRAM, *arguments], text=True, timeout=60, check=False, **more)

    def expect_usage(self, sentence, *arguments):
        done = self.run_sluiced(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr, f"sluiced: {sentence}\n")
        self.assertEqual(done.stdout, "")

    def test_an_unknown_argument_is_named_whatever_else_is_missing(self):
        for arguments in (["--bogus"], ["--config", self.config, "--bogus"], ["--check", "--bogus", "-x"]):
            self.expect_usage(
                "'--bogus' is no argument of sluiced: see 'sluiced --help', and what is meant for DPDK goes behind --",
                *arguments)
        self.expect_usage(
            "'-l' is no argument of sluiced: see 'sluiced --help', and what is meant for DPDK goes behind --",
            "--config", self.config, "-l", "0-2")

    def test_a_file_without_its_option_is_told_where_it_goes(self):
        self.expect_usage(
            "'a.toml' is no argument of sluiced: a configuration is given as --config FILE, and what is meant for DPDK "
            "goes behind --", "a.toml")

    def test_a_configuration_is_wanted_once(self):
        self.expect_usage("which configuration? Name it: sluiced --config FILE")
        self.expect_usage("which configuration? Name it: sluiced --config FILE", "--check", "--", "--config", "a")
        self.expect_usage("--config is given more than once: choose one file", "--config", "a", "--config", "b")
        for arguments in (["--config"], ["--config="], ["--config", ""]):
            self.expect_usage("--config wants a file: sluiced --config FILE", *arguments)

    def test_a_flag_with_a_value_that_is_none_is_refused(self):
        done = self.run_sluiced("--config", self.config, "--check=perhaps")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\Asluiced: .*perhaps.*: see 'sluiced --help'\n\Z")

    def test_the_version_is_the_projects_and_dpdks(self):
        for arguments in (["--version"], ["-V"], ["--bogus", "--version"]):
            done = self.run_sluiced(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, rf"\Asluiced v{VERSION} \(DPDK \d+\.\d+\.\d+.*\)\n\Z")

    def test_help_is_no_error(self):
        for option in ("--help", "-h"):
            done = self.run_sluiced(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for word in ("--config FILE", "--check", "--version", "EAL ARGUMENTS"):
                self.assertIn(word, done.stdout)

    def test_a_configuration_is_checked_without_ports(self):
        done = self.run_sluiced("--config", self.config, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith(f"{self.config}: ok, "), done.stdout)

    def test_output_that_finds_the_disk_full_is_missed(self):
        for arguments in (["--help"], ["--version"], ["--config", self.config, "--check"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.run_sluiced(*arguments, stdout=full)
            self.assertEqual((done.returncode, done.stderr),
                             (1, "sluiced: cannot write the output: No space left on device\n"))

    def test_output_whose_reader_has_seen_enough_is_nothing_to_complain_of(self):
        for signal_as_usual in (True, False):
            reader, writer = os.pipe()
            os.close(reader)
            with open(writer, "w", encoding="utf-8") as pipe:
                done = self.run_sluiced("--help", stdout=pipe, restore_signals=signal_as_usual)
            self.assertEqual(done.stderr, "")

    def test_refusals_that_nobody_can_read_change_no_status(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            self.assertEqual(self.run_sluiced("--bogus", stderr=full).returncode, 2)
            self.assertEqual(self.run_sluiced("--config", "/nonexistent", stderr=full).returncode, 1)


if __name__ == "__main__":
    unittest.main()
