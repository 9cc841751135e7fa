#!/usr/bin/env python3
"""`sluice replay` as a program: what goes where, exit statuses, and one sentence for everything that can go wrong.

usage: replay_command_test.py REPLAY_PROGRAM
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)
SYN, ACK, RST = 2, 16, 4


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, destination, sport, dport, sequence, acknowledgement, flags, payload=b""):
    """A TCP segment as raw IPv4."""
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    tcp = struct.pack("!HHIIBBHHH", sport, dport, sequence, acknowledgement, 0x50, flags, 65535, 0, 0) + payload
    tcp = tcp[:16] + struct.pack("!H", checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


A, B = "10.0.0.1", "10.0.0.2"
HANDSHAKE = [segment(A, B, 40000, 80, 1000, 0, SYN), segment(B, A, 80, 40000, 5000, 1001, SYN | ACK),
             segment(A, B, 40000, 80, 1001, 5001, ACK)]
BLIND_RESET = segment(B, A, 80, 40000, 0x70000000, 0, RST)
ETHERNET = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0"


def capture(packets, link=101, start=1_700_000_000):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for number, packet in enumerate(packets):
        out += struct.pack("<IIII", start, number * 1000, len(packet), len(packet)) + packet
    return out


class Replay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-replay-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def file(self, name, data):
        pathlib.Path(self.path(name)).write_bytes(data)
        return self.path(name)

    def run_replay(self, *arguments, **more):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False, **more)

    def expect_failure(self, status, sentence, *arguments, **more):
        done = self.run_replay(*arguments, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(sentence, done.stderr)
        self.assertTrue(done.stderr.startswith("sluice replay: "), done.stderr)
        return done

    # What is printed.

    def test_people_get_a_line_for_each_packet_and_a_summary(self):
        done = self.run_replay(self.file("a", capture(HANDSHAKE + [BLIND_RESET])))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("10.0.0.1:40000 A>B 10.0.0.2:80", lines[0])
        self.assertIn("10.0.0.2:80 B>A 10.0.0.1:40000", lines[1])
        self.assertTrue(lines[2].endswith("established ESTABLISHED,ESTABLISHED"), lines[2])
        self.assertIn("dropped, rst-out-of-window: ", lines[3])
        self.assertNotIn("\x1b", done.stdout)
        for line in lines[:3]:
            self.assertLessEqual(len(line), 120)
        self.assertIn("4 packets, 1 flow: 1 new, 2 established, 0 related, 1 invalid, 0 untracked; 3 passed, 1 dropped",
                      done.stderr)

    def test_json_is_a_line_for_each_packet(self):
        done = self.run_replay("--json", self.file("a", capture(HANDSHAKE)))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["n"] for line in lines], [1, 2, 3])
        self.assertEqual(lines[2]["state"], "ESTABLISHED")

    def test_several_captures_are_one_input(self):
        first, second = self.file("a", capture(HANDSHAKE[:1])), self.file("b", capture(
            [ETHERNET + packet for packet in HANDSHAKE[1:]], link=1, start=1_700_000_001))
        done = self.run_replay("--json", first, second)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["n"] for line in lines], [1, 2, 3])
        self.assertEqual(lines[2]["state"], "ESTABLISHED")
        self.assertEqual({line["flow"] for line in lines}, {1})

    def test_a_pipe_is_read(self):
        done = subprocess.run([PROGRAM, "--json", "-"], input=capture(HANDSHAKE), capture_output=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 3)

    def test_flows_are_listed_behind_the_packets(self):
        done = self.run_replay("--json", "--flows", self.file("a", capture(HANDSHAKE)))
        self.assertEqual(done.stdout.splitlines()[3:], [
            "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 "
            "src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000 [ASSURED] mark=0 use=1".replace("431999", "432000")])
        self.assertIn("1 flow entries have been shown.", done.stderr)

    def test_what_leaves_is_written(self):
        source = capture(HANDSHAKE + [BLIND_RESET])
        done = self.run_replay("--write", self.path("out"), self.file("a", source))
        self.assertEqual(done.returncode, 0, done.stderr)
        # Byte for byte the input without its last packet, which is dropped.
        self.assertEqual(pathlib.Path(self.path("out")).read_bytes(), source[:-16 - len(BLIND_RESET)])

    def test_settings_can_be_overridden(self):
        path = self.file("a", capture(HANDSHAKE[2:]))
        loose, strict = (json.loads(self.run_replay("--json", "--set", f"tcp.loose={value}", path).stdout)
                         for value in ("true", "false"))
        self.assertEqual((loose["verdict"], strict["verdict"]), ("new", "invalid"))

    def test_help_is_no_error(self):
        done = self.run_replay("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("usage: sluice replay", done.stdout)

    # What goes wrong.

    def test_wrong_usage_is_2(self):
        self.expect_failure(2, "which capture?")
        self.expect_failure(2, "--nonsense is no option", "--nonsense", "a")
        self.expect_failure(2, "--workers wants a number", "--workers", "none", "a")

    def test_a_missing_capture_stops_before_anything_is_done(self):
        done = self.expect_failure(1, "No such file or directory", "--write", self.path("out"),
                                   self.file("a", capture(HANDSHAKE)), self.path("missing"))
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_what_is_no_capture_is_named(self):
        self.expect_failure(1, "not a readable pcap or pcapng capture", self.file("a", b"no capture" * 10))
        self.expect_failure(1, "is empty", self.file("b", b""))
        self.expect_failure(1, "802.11", self.file("c", capture([], link=105)))
        self.expect_failure(1, "not a readable", self.folder.name)

    def test_a_capture_cut_short_is_replayed_as_far_as_it_goes(self):
        done = self.expect_failure(1, "after packet 2", "--json", self.file("a", capture(HANDSHAKE)[:-5]))
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def test_a_wrong_setting_is_named(self):
        self.expect_failure(1, "tcp.lose", "--set", "tcp.lose=1", self.file("a", capture(HANDSHAKE)))

    def test_a_missing_configuration_is_named(self):
        self.expect_failure(1, self.path("missing.toml"), "--config", self.path("missing.toml"),
                            self.file("a", capture(HANDSHAKE)))

    def test_an_input_is_never_overwritten(self):
        source = capture(HANDSHAKE)
        path = self.file("a", source)
        self.expect_failure(1, "would overwrite", "--write", path, path)
        self.assertEqual(pathlib.Path(path).read_bytes(), source)

    def test_different_link_types_cannot_be_written(self):
        self.expect_failure(1, "different link types", "--write", self.path("out"), self.file("a", capture([])),
                            self.file("b", capture([], link=1)))

    def test_a_full_disk_is_reported(self):
        path = self.file("a", capture(HANDSHAKE))
        self.expect_failure(1, "No space left", "--write", "/dev/full", path)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, path], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)

    def test_a_target_that_cannot_be_made_is_named(self):
        self.expect_failure(1, "/nonexistent/out.pcap", "--write", "/nonexistent/out.pcap",
                            self.file("a", capture(HANDSHAKE)))


if __name__ == "__main__":
    unittest.main()
