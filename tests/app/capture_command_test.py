#!/usr/bin/env python3
"""`sluice capture` as a program: what it writes is read by tshark, comments and all.

usage: capture_command_test.py SLUICE
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop()

SYN_FIN = "02000000000202000000000108004500002800010000400666cc0a0000010a0000029c40005000000001000000005003200000000000"


def row(nanoseconds, **more):
    return json.dumps({"nanoseconds": nanoseconds, "worker": 0, "port": 0, "length": len(SYN_FIN) // 2,
                       "verdict": "invalid", "action": "drop", "reason": "bad-flags", "flow": None, "dir": None,
                       "pair": None, "seen_reply": False, "assured": False, "rule": None, "rule_name": None,
                       "bytes": SYN_FIN, **more}) + "\n"  # fmt: skip


ROWS = [
    row(1_700_000_000_000_000_001),
    row(1_700_000_000_500_000_000, port=1, verdict="established", action="pass", reason=None, flow=17, dir="reply",
        pair=["CLOSE_WAIT", "FIN_WAIT_1"]),
    row(1_700_000_001_000_000_000, verdict="untracked", reason="policy-denied", rule=2, rule_name="no telnet"),
]  # fmt: skip
LOST = '{"event":"lost","time":1,"by_reader":3,"by_workers":4}\n'


class Daemon:
    """Sends the rows and waits until the client has had enough."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "socket")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.request = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        client, _ = self.listener.accept()
        with client:
            request = client.recv(65536)
            if not request:
                return
            self.request = json.loads(request)
            client.sendall("".join(ROWS).encode())
            while client.recv(65536):
                pass
            client.sendall((LOST + '{"end":{"ok":true,"count":3}}\n').encode())

    def close(self):
        self.thread.join(10)
        self.listener.close()


class Capture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-capture-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "a.pcapng")
        self.daemon = Daemon(folder.name)
        self.addCleanup(self.daemon.close)

    def capture(self, *words):
        return subprocess.run([PROGRAM, "capture", "--socket", self.daemon.path, *words], capture_output=True,
                              timeout=60, check=False)  # fmt: skip

    def test_that_tshark_reads_packets_comments_times_and_ports(self):
        tshark = shutil.which("tshark")
        if tshark is None:
            self.skipTest("tshark is not installed")
        done = self.capture("-c", "3", "-w", self.file)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        fields = ["frame.comment", "frame.time_epoch", "frame.interface_name", "tcp.flags.fin", "frame.len"]
        read = subprocess.run([tshark, "-r", self.file, "-T", "fields", "-E", "separator=|",
                               *(word for field in fields for word in ("-e", field))],
                              capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
        self.assertEqual([line.split("|") for line in read.stdout.splitlines()], [
            ["dropped, bad-flags: a combination of TCP flags that no endpoint sends; verdict invalid, worker 0",
             "1700000000.000000001", "port 0", "1", "54"],
            ["passed; verdict established, pair CLOSE_WAIT,FIN_WAIT_1, flow 17 reply, worker 0",
             "1700000000.500000000", "port 1", "1", "54"],
            ["dropped, policy-denied: no rule allows a flow to begin with it; verdict untracked, rule 2 (no telnet), worker 0",
             "1700000001.000000000", "port 0", "1", "54"],
        ])  # fmt: skip

    def test_that_it_ends_after_so_many_and_says_what_was_lost(self):
        done = self.capture("-c", "2", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode(), "".join(ROWS[:2]) + LOST)
        self.assertIn(b": 2 packets have been captured.\n", done.stderr)
        self.assertIn(b": 7 more have been lost: 3 were read too slowly, 4 came too fast for the daemon.\n", done.stderr)
        self.assertEqual(self.daemon.request["request"], "capture")

    def test_that_people_read_a_line_a_packet(self):
        lines = self.capture("-c", "3").stdout.decode().splitlines()
        self.assertEqual(len(lines), 3)
        for line, words in zip(lines, (("10.0.0.1:40000", "10.0.0.2:80", "tcp SF", "invalid", "dropped, bad-flags: "),
                                       ("B>A", "established", "CLOSE_WAIT,FIN_WAIT_1"),
                                       ("dropped, policy-denied: ", "rule 2 (no telnet)"))):  # fmt: skip
            for word in words:
                self.assertIn(word, line)

    def test_that_a_file_that_cannot_be_written_is_said(self):
        done = self.capture("-w", os.path.join(self.file, "none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write `", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
