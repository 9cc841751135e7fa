#!/usr/bin/env python3
"""`sluice explain` as a program: what goes where, exit statuses, pictures that are XML whatever the capture holds.

usage: explain_command_test.py EXPLAIN_PROGRAM
"""

import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = sys.argv.pop(1)
FIN, SYN, RST, ACK = 1, 2, 4, 16
SVG = "{http://www.w3.org/2000/svg}"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source, destination, protocol, payload):
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + addresses
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def segment(source, destination, sport, dport, sequence, acknowledgement, flags, payload=b""):
    """A TCP segment as raw IPv4."""
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    tcp = struct.pack("!HHIIBBHHH", sport, dport, sequence, acknowledgement, 0x50, flags, 65535, 0, 0) + payload
    tcp = tcp[:16] + struct.pack("!H", checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    return ip(source, destination, 6, tcp)


def datagram(source, destination, sport, dport):
    return ip(source, destination, 17, struct.pack("!HHHH", sport, dport, 8, 0))


A, B = "10.0.0.1", "10.0.0.2"


def connection(port, sequence=1000):
    return [segment(A, B, port, 80, sequence, 0, SYN), segment(B, A, 80, port, 5000, sequence + 1, SYN | ACK),
            segment(A, B, port, 80, sequence + 1, 5001, ACK)]


BLIND_RESET = segment(B, A, 80, 40000, 0x70000000, 0, RST)


def capture(packets, link=101, start=1_700_000_000):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for number, packet in enumerate(packets):
        out += struct.pack("<IIII", start, number * 1000, len(packet), len(packet)) + packet
    return out


class Explain(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-explain-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def file(self, name, data):
        pathlib.Path(self.path(name)).write_bytes(data)
        return self.path(name)

    def run_explain(self, *arguments, locale="C.UTF-8", **more):
        environment = dict(os.environ, LC_ALL=locale)
        return subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=120, check=False, env=environment,
                              encoding="utf-8", **more)

    def expect_failure(self, status, sentence, *arguments, **more):
        done = self.run_explain(*arguments, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(sentence, done.stderr)
        self.assertTrue(done.stderr.startswith("sluice explain: "), done.stderr)
        return done

    def json_of(self, *arguments):
        done = self.run_explain("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def picture(self, *arguments):
        """The root element of what --svg draws."""
        done = self.run_explain("--svg", self.path("picture.svg"), *arguments)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return xml.etree.ElementTree.parse(self.path("picture.svg")).getroot()

    # What is printed.

    def test_box_drawing_only_where_the_locale_has_it(self):
        name = self.file("a", capture(connection(40000)))
        self.assertIn("│", self.run_explain(name).stdout)
        self.assertTrue(self.run_explain(name, locale="C").stdout.isascii())
        self.assertTrue(self.run_explain("--ascii", name).stdout.isascii())

    def test_a_summary_says_what_was_told_and_what_belongs_to_no_flow(self):
        stray = segment(A, B, 9, 9, 1, 0, RST)
        done = self.run_explain(self.file("a", capture(connection(40000) + [stray, b"\x45"])))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.splitlines()[-1],
                         "1 flow told of 5 packets; 2 packets without a flow: 1 malformed, 1 no-connection")

    def test_json_has_the_flow_its_packets_and_its_end(self):
        lines = self.json_of(self.file("a", capture(connection(40000) + [BLIND_RESET])))
        self.assertEqual([line["type"] for line in lines], ["flow", "packet", "packet", "packet", "packet", "end"])
        flow, packets, end = lines[0], lines[1:-1], lines[-1]
        self.assertEqual((flow["src"], flow["sport"], flow["dst"], flow["dport"]), (A, 40000, B, 80))
        self.assertEqual(flow["original"]["packets"], 2)
        self.assertEqual(flow["reasons"], {"rst-out-of-window": 1})
        self.assertIsNone(packets[0]["pair_before"])
        self.assertEqual(packets[1]["pair_before"], ["SYN_SENT", "SYN_RCVD"])
        self.assertEqual(packets[1]["pair_after"], ["ESTABLISHED", "SYN_RCVD"])
        self.assertEqual((packets[1]["seq"], packets[1]["ack"], packets[1]["absolute_seq"]), (0, 1, 5000))
        self.assertEqual(packets[3]["reason"], "rst-out-of-window")
        self.assertIn("1879048192 is ", packets[3]["why"])
        self.assertEqual(packets[2]["time"], 2000)
        self.assertIsNone(packets[2]["progress"])
        self.assertIsNone(end["removed"])
        self.assertEqual(end["pair"], ["ESTABLISHED", "ESTABLISHED"])

    def test_filters_are_those_of_a_listing(self):
        name = self.file("a", capture(connection(40000) + connection(40001) + [datagram("192.0.2.9", B, 5, 53)]))

        def ports(*arguments):
            return [line["sport"] for line in self.json_of(*arguments, name) if line["type"] == "flow"]
        self.assertEqual(ports(), [40000, 40001, 5])
        self.assertEqual(ports("-p", "udp"), [5])
        self.assertEqual(ports("-p", "tcp", "--sport", "40001"), [40001])
        self.assertEqual(ports("-s", "10.0.0.0/8"), [40000, 40001])
        self.assertEqual(ports("-d", B, "--dport", "53"), [5])
        self.assertEqual(ports("-f", "ipv4", "-r", B), [40000, 40001, 5])
        self.assertEqual(ports("--flow", "2"), [40001])
        self.assertEqual(ports("--packet", "5"), [40001])
        self.expect_failure(1, "no flow matches", "-f", "ipv6", name)
        self.expect_failure(1, "no flow matches", "--flow", "9", name)

    def test_no_more_flows_than_asked_for(self):
        name = self.file("a", capture(sum((connection(port) for port in range(1, 8)), [])))
        done = self.run_explain("--limit", "2", name)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("Flow "), 2)
        self.assertIn("5 more left out: choose with a filter, or --limit", done.stderr)

    def test_a_packet_without_a_flow_is_said_to_have_none(self):
        name = self.file("a", capture(connection(40000) + [segment(A, B, 9, 9, 1, 0, RST)]))
        done = self.expect_failure(1, "packet 4 belongs to no flow", "--packet", "4", name)
        self.assertIn("no-connection: a segment with RST and sequence 1 belongs to no flow", done.stdout)
        self.expect_failure(1, "there is no packet 5: 4 were read", "--packet", "5", name)

    def test_the_configuration_decides(self):
        name = self.file("a", capture([segment(A, B, 9, 9, 1, 1, ACK)]))
        self.assertEqual(self.run_explain(name).returncode, 0)
        self.expect_failure(1, "no flow matches", "--set", "tcp.loose=false", name)

    def test_a_pipe_is_read_once(self):
        data = capture(connection(40000))
        done = subprocess.run([PROGRAM, "-"], input=data, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([PROGRAM, "--packet", "1", "-"], input=data, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard input can be read only once", done.stderr)

    # What can go wrong.

    def test_a_capture_that_cannot_be_read_is_one_sentence(self):
        self.expect_failure(1, "cannot open the capture", self.path("missing"))
        self.expect_failure(1, "is not a readable pcap or pcapng capture", self.file("a", b"no capture at all, but words"))
        self.expect_failure(1, "is empty: not a capture", self.file("b", b""))

    def test_a_capture_cut_short_is_told_as_far_as_it_goes(self):
        done = self.expect_failure(1, "is damaged or cut short after packet 3",
                                   self.file("a", capture(connection(40000) + [BLIND_RESET])[:-5]))
        self.assertIn("Flow 1: tcp", done.stdout)

    def test_wrong_usage(self):
        name = self.file("a", capture(connection(40000)))
        for sentence, arguments in (
                ("which capture?", []),
                ("--bogus is no option of sluice explain", ["--bogus", name]),
                ("-x is no option of sluice explain", ["-x", name]),
                ("--flow wants a whole number from 1 to", ["--flow", "0", name]),
                ("--packet wants a whole number from 1 to", ["--packet", "abc", name]),
                ("--rows wants a whole number from 2 to", ["--rows", "1", name]),
                ("give one of them", ["--flow", "1", "--packet", "1", name]),
                ("filters have nothing left to choose", ["--flow", "1", "-p", "tcp", name]),
                ("Invalid IP address `10.0.0'", ["-s", "10.0.0", name]),
                ("mismatched address family", ["-s", "10.0.0.1", "-d", "::1", name]),
                ("ports go with `-p tcp' or `-p udp' only", ["-p", "icmp", "--dport", "80", name]),
                ("--set wants KEY=VALUE", ["--set", "tcp.loose", name]),
                ("--svg wants a file", ["--svg", "-", name])):
            with self.subTest(arguments=arguments):
                self.expect_failure(2, sentence, *arguments)

    def test_a_picture_that_cannot_be_written_is_said(self):
        name = self.file("a", capture(connection(40000)))
        done = self.expect_failure(1, "cannot write the picture", "--svg", "/nonexistent/folder/a.svg", name)
        self.assertIn("Flow 1", done.stdout)

    def test_output_that_cannot_be_written_is_said(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, self.file("a", capture(connection(40000)))], stdout=full,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write the output", done.stderr)

    # Pictures.

    def test_a_picture_has_an_arrow_for_each_segment_and_stands_alone(self):
        root = self.picture(self.file("a", capture(connection(40000) + [BLIND_RESET])))
        self.assertEqual(root.tag, SVG + "svg")
        arrows = [line for line in root.iter(SVG + "line") if line.get("class").startswith("arrow")]
        self.assertEqual(len(arrows), 4)
        self.assertEqual(len([path for path in root.iter(SVG + "path") if path.get("class") == "cross"]), 1)
        text = " ".join(element.text for element in root.iter(SVG + "text"))
        self.assertIn("dropped, rst-out-of-window", text)
        allowed = {SVG + tag for tag in ("svg", "title", "style", "rect", "line", "path", "text", "circle")}
        self.assertEqual({element.tag for element in root.iter()} - allowed, set())
        self.assertFalse([name for element in root.iter() for name in element.keys() if "href" in name or name.startswith("on")])

    def test_hostile_bytes_do_not_break_a_picture(self):
        seed = 5
        source = random.Random(seed)
        original = capture(connection(40000) + [BLIND_RESET] + connection(40001) + [datagram(A, B, 5, 53)])
        for number in range(40):
            data = bytearray(original)
            for _ in range(source.randrange(1, 40)):
                data[source.randrange(24, len(data))] = source.randrange(256)
            with self.subTest(seed=seed, number=number):
                self.picture(self.file("hostile", bytes(data)))

    @unittest.skipUnless(os.environ.get("SLUICE_CAPTURES"), "SLUICE_CAPTURES does not name a folder of captures")
    def test_public_captures_are_told(self):
        for path in sorted(pathlib.Path(os.environ["SLUICE_CAPTURES"]).glob("*.pcap")):
            with self.subTest(capture=path.name):
                root = self.picture(str(path))
                self.assertEqual(root.tag, SVG + "svg")
                done = self.run_explain("--json", "--limit", "100000", str(path))
                # 1 where a capture holds no flow at all.
                self.assertIn(done.returncode, (0, 1), done.stderr)
                flows, packets = 0, 0
                for line in map(json.loads, done.stdout.splitlines()):
                    if line["type"] == "flow":
                        flows += 1
                        packets += line["original"]["packets"] + line["reply"]["packets"]
                    if line.get("reason"):
                        self.assertRegex(line["why"], r"\d")
                told = done.stderr.splitlines()[-1]
                self.assertTrue(told.startswith(f"{flows:,} flow"), told)
                total = int(told.split(" told of ")[1].split(" ")[0].replace(",", ""))
                without = int(told.split("; ")[1].split(" ")[0].replace(",", "")) if "without a flow" in told else 0
                self.assertEqual(packets + without, total, told)


if __name__ == "__main__":
    unittest.main()
