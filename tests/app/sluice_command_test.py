#!/usr/bin/env python3
"""`sluice` as a program: what it prints reaches standard output, or it says why not.

usage: sluice_command_test.py SLUICE VERSION
"""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

VERSION = sys.argv.pop()
PROGRAM = sys.argv.pop()

ROW = b"udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1\n"
ROWS = 3000  # more than stdio and a pipe hold
DATAGRAM = bytes.fromhex("4500001c00000000401166cf0a0000010a000002") + struct.pack("!HHHH", 1, 2, 8, 0)
CAPTURE = struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101, 1_700_000_000, 0, 28, 28) + DATAGRAM


class Daemon:
    """Answers each request with the same rows, as the daemon would."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                try:
                    client.recv(65536)
                    client.sendall(ROW * ROWS + b'{"end":{"count":%d,"ok":true}}\n' % ROWS)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


class Output(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-command-")
        self.addCleanup(folder.cleanup)
        self.config, self.capture = (str(pathlib.Path(folder.name) / name) for name in ("a.toml", "a.pcap"))
        pathlib.Path(self.config).write_text('[[pair]]\nports = ["net_null0", "net_null1"]\n', encoding="utf-8")
        pathlib.Path(self.capture).write_bytes(CAPTURE)
        daemon = Daemon(str(pathlib.Path(folder.name) / "socket"))
        self.addCleanup(daemon.close)
        self.environment = dict(os.environ, SLUICE_SOCKET=daemon.path)

    def everything_that_prints(self):
        commands = [
            "list", "-L -o json", "get -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2", "count", "delete", "reasons",
            "floods --json", "floods --services", "-E", "events -o json",
            "reasons --json", "--version", "--help", "check CONFIG", "check --help", "capture --help", "doctor --help", "replay --json CAPTURE",
            "replay --flows CAPTURE", "replay --help", "explain CAPTURE", "explain --json CAPTURE", "explain --help",
        ]  # fmt: skip
        files = {"CONFIG": self.config, "CAPTURE": self.capture}
        return [[files.get(word, word) for word in command.split()] for command in commands]

    def run_sluice(self, *arguments, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.run([PROGRAM, *arguments], text=True, timeout=60, check=False, env=self.environment, **more)

    def test_that_is_written_ends_with_status_0(self):
        for arguments in self.everything_that_prints():
            done = self.run_sluice(*arguments)
            self.assertEqual(done.returncode, 0, (arguments, done.stderr))
            self.assertNotEqual(done.stdout, "", arguments)

    def test_that_finds_the_disk_full_is_missed(self):
        for arguments in self.everything_that_prints():
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.run_sluice(*arguments, stdout=full)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertEqual(done.stderr.count("cannot write the output: No space left on device\n"), 1,
                             (arguments, done.stderr))
            self.assertTrue(done.stderr.startswith("sluice"), done.stderr)
            self.assertNotIn("have been", done.stderr, arguments)

    def test_that_is_closed_is_missed_too(self):
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", PROGRAM, "reasons"], stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "sluice: cannot write the output: Bad file descriptor\n"))

    def test_whose_reader_has_seen_enough_is_nothing_to_complain_of(self):
        # With the signal that ends a program which writes to nobody, and without: services may run without it.
        for signal_as_usual in (True, False):
            for arguments in self.everything_that_prints():
                reader, writer = os.pipe()
                os.close(reader)
                with open(writer, "w", encoding="utf-8") as pipe:
                    done = self.run_sluice(*arguments, stdout=pipe, restore_signals=signal_as_usual)
                self.assertNotEqual(done.returncode, 0, arguments)
                self.assertEqual(done.stderr, "", (arguments, signal_as_usual))

    def test_of_complaints_that_nobody_can_read_changes_no_status(self):
        for arguments, status in ((["list", "--bogus"], 2), (["list", "--socket", "/nonexistent"], 1), (["list"], 0),
                                  (["replay"], 2), (["explain", "/nonexistent"], 1), (["check", "/nonexistent"], 1)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                self.assertEqual(self.run_sluice(*arguments, stderr=full).returncode, status, arguments)

    def test_of_version_is_the_projects(self):
        for word in ("version", "--version", "-V"):
            self.assertEqual(self.run_sluice(word).stdout, f"sluice v{VERSION}\n")


class HelpOfOneCommand(unittest.TestCase):
    def help(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return done.stdout

    def test_has_its_options_and_no_others(self):
        shown = self.help("floods", "--help")
        self.assertTrue(shown.startswith("floods: show floods of SYNs"), shown)
        for option, known in (("--services", True), ("--socket", True), ("--output", True), ("--src", False), ("--reset", False)):
            self.assertEqual(option in shown, known, option)

    def test_is_the_same_by_letter_and_by_name(self):
        self.assertEqual(self.help("-L", "-h"), self.help("list", "--help"))
        self.assertEqual(self.help("--help", "-L"), self.help("list", "-p", "tcp", "-h"))

    def test_without_one_is_about_all(self):
        for arguments in ([], ["-h"], ["help"], ["help", "--help"]):
            shown = self.help(*arguments)
            self.assertIn("  -L, list", shown)
            self.assertIn("--event-mask", shown)


if __name__ == "__main__":
    unittest.main()
