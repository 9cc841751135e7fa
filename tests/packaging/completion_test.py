#!/usr/bin/env python3
"""Completions in the shells themselves: each offers what the command knows.

usage: completion_test.py SLUICE BASH ZSH FISH
"""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import unittest

SLUICE, BASH, ZSH, FISH = sys.argv[1:]
del sys.argv[1:]
DAEMON = "_sluiced()" in pathlib.Path(BASH).read_text(encoding="utf-8")


def said_by(*argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60, **more).stdout


def commands():
    listed = said_by(SLUICE, "--help").split("\nOptions")[0].split("Commands")[1].splitlines()[1:]
    return {re.sub(r"^-\w,\s*", "", line.strip()).split()[0] for line in listed if line.strip()}


def long_options(command):
    if command == "help":  # which is about all of them
        return set()
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", said_by(SLUICE, command, "--help")))


def bash(*words):
    """What bash offers for the last word."""
    program = words[0]
    script = f"source {shlex.quote(BASH)}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); " \
             f"COMP_CWORD={len(words) - 1}; _{program}; printf '%s\\n' \"${{COMPREPLY[@]}}\""  # fmt: skip
    return set(said_by("bash", "--norc", "-c", script).split())


def fish(line):
    script = f"source {shlex.quote(FISH)}; complete -C {shlex.quote(line)}"
    # Else it reads the completions that are installed, too.
    return {row.split("\t")[0] for row in said_by("fish", "--no-config", "-c", script).splitlines()}


def zsh(*words):
    """What the function for zsh says to the shell's own, a word a line."""
    stubs = "_describe() { print -rl -- ${(P)${@[-1]}} }; _arguments() { print -rl -- \"$@\" }; compset() { return 1 }; " \
            "compadd() { print -rl -- \"$@\" }"  # fmt: skip
    script = f"{stubs}; words=({' '.join(map(shlex.quote, words))}); CURRENT={len(words)}; service={words[0]}; " \
             f"source {shlex.quote(ZSH)}"  # fmt: skip
    return said_by("zsh", "-f", "-c", script)


class Bash(unittest.TestCase):
    def test_every_command_is_offered(self):
        self.assertLessEqual(commands(), bash("sluice", ""))
        self.assertEqual(bash("sluice", "expl"), {"explain"})

    def test_the_options_of_each_command_are_offered(self):
        for command in commands():
            self.assertLessEqual(long_options(command), bash("sluice", command, "--") | {"--help"}, command)

    def test_a_letter_is_as_good_as_a_name(self):
        self.assertEqual(bash("sluice", "-L", "--stat"), {"--state", "--status"})

    def test_options_of_other_commands_are_not_offered(self):
        self.assertNotIn("--event-mask", bash("sluice", "list", "--"))

    def test_words_that_a_value_may_be_are_offered(self):
        self.assertEqual(bash("sluice", "list", "--state", "SYN_S"), {"SYN_SENT", "SYN_SENT2"})
        self.assertEqual(bash("sluice", "list", "-u", "ASSURED,SEEN"), {"ASSURED,SEEN_REPLY"})
        self.assertEqual(bash("sluice", "list", "--src", ""), set())

    def test_keys_and_what_they_may_be_are_offered(self):
        self.assertEqual(bash("sluice", "replay", "--set", "tcp.loo"), {"tcp.loose="})
        self.assertEqual(bash("sluice", "replay", "--set", "tcp.loose", "="), {"true", "false"})
        self.assertEqual(bash("sluice", "replay", "--set", "tcp.loose", "=", "t"), {"true"})
        self.assertEqual(bash("sluice", "check", "--set", "profile", "=", ""), {"appliance", "linux"})

    def test_files_are_offered_where_files_are_taken(self):
        self.assertIn(BASH, bash("sluice", "replay", BASH[:-1]))
        self.assertIn(BASH, bash("sluice", "check", BASH[:-1]))
        if DAEMON:
            self.assertIn(BASH, bash("sluiced", "--config", BASH[:-1]))

    def test_words_between_others_are_offered(self):
        self.assertLessEqual({"from", "to", "port"}, bash("sluice", "test-packet", ""))

    @unittest.skipUnless(DAEMON, "built without the daemon")
    def test_the_daemon_has_its_own(self):
        self.assertLessEqual({"--config", "--check", "--version", "--help"}, bash("sluiced", "--"))


@unittest.skipUnless(shutil.which("fish"), "there is no fish")
class Fish(unittest.TestCase):
    def test_every_command_is_offered(self):
        self.assertLessEqual(commands(), fish("sluice "))

    def test_the_options_of_each_command_are_offered(self):
        for command in commands():
            self.assertLessEqual(long_options(command), fish(f"sluice {command} --") | {"--help"}, command)

    def test_a_letter_is_as_good_as_a_name(self):
        self.assertLessEqual({"--state", "--status"}, fish("sluice -L --stat"))

    def test_words_that_a_value_may_be_are_offered(self):
        self.assertEqual(fish("sluice list --state SYN_S"), {"SYN_SENT", "SYN_SENT2"})
        self.assertIn("ASSURED,SEEN_REPLY", fish("sluice list --status ASSURED,SEEN"))
        self.assertEqual(fish("sluice replay --set tcp.loose="), {"tcp.loose=true", "tcp.loose=false"})


@unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
class Zsh(unittest.TestCase):
    def test_every_command_is_offered(self):
        offered = {line.split(":")[0] for line in zsh("sluice", "").splitlines()}
        self.assertLessEqual(commands(), offered)

    def test_the_options_of_each_command_are_offered(self):
        for command in commands():
            offered = set(re.findall(r"--[a-z][a-z0-9-]+", zsh("sluice", command, "--")))
            self.assertLessEqual(long_options(command), offered | {"--help"}, command)

    def test_words_that_a_value_may_be_are_offered(self):
        self.assertRegex(zsh("sluice", "-L", ""), r"\)--state\[.*:STATE:\(SYN_SENT SYN_SENT2 .*CLOSE\)")

    @unittest.skipUnless(DAEMON, "built without the daemon")
    def test_the_daemon_has_its_own(self):
        self.assertRegex(zsh("sluiced", ""), r"--config\[.*:_files")


if __name__ == "__main__":
    unittest.main()
