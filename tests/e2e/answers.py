"""What the box sends itself, captured on either side of it and read by tshark: numbers, checksums, tags and MACs."""

import collections
import csv
import os
import shutil

from guard import GUARD, Flood, honest, say, service
from negotiated import open_connection
from rig.process import Failure, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.topology import IPV4, IPV6

SYN, RST, ACK = 0x02, 0x04, 0x10
CLOSED = 7700  # a port at which nobody listens, protected like the other

FIELDS = ("frame.number", "eth.src", "eth.dst", "vlan.id", "ip.src", "ipv6.src", "tcp.srcport", "tcp.dstport", "tcp.flags",
          "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "ip.checksum.status", "tcp.checksum.status", "_ws.malformed",
          "tcp.analysis.ack_lost_segment", "ip.dst", "ipv6.dst")  # fmt: skip
GOOD = "1"  # of a checksum's status


class Capture:
    """tcpdump on the wire's end of a link with the box: what the box sends itself passes no tap on its own side."""

    def __init__(self, rig, role):
        (self.namespace,) = [each for each in rig.namespaces if each.name.endswith(role + "-wire")]
        self.path = os.path.join(rig.folder, role + ".pcap")
        self.program = rig.run_program(
            self.namespace.argv("tcpdump", "-i", "inner", "-n", "-U", "-B", "16384", "-Z", "root", "-w", self.path,
                                "tcp or (vlan and tcp)"), f"tcpdump-{role}")  # fmt: skip
        wait_until(lambda: "listening on" in self.program.log(), "tcpdump listens")

    def segments(self, transcript):
        """All of them, as tshark reads them: dictionaries by field."""
        self.program.stop()
        expect("0 packets dropped by kernel" in self.program.log(), "tcpdump has seen everything: " + self.program.log())
        argv = ["tshark", "-n", "-r", self.path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                "-T", "fields", "-E", "separator=,", "-E", "occurrence=f",
                *(word for field in FIELDS for word in ("-e", field)), "-Y", "tcp"]  # fmt: skip
        rows = csv.DictReader(execute(transcript, argv, quiet=True).stdout.splitlines(), fieldnames=FIELDS)
        return [Segment(row) for row in rows]


class Segment:
    def __init__(self, row):
        self.row = row
        self.source = (row["ip.src"] or row["ipv6.src"], int(row["tcp.srcport"]))
        self.target = (row["ip.dst"] or row["ipv6.dst"], int(row["tcp.dstport"]))
        self.flags, self.length = int(row["tcp.flags"], 16) & 0xFF, int(row["tcp.len"])
        self.sequence, self.acknowledgement = int(row["tcp.seq_raw"]), int(row["tcp.ack_raw"] or 0)

    def __str__(self):
        return str({name: value for name, value in self.row.items() if value})

    def is_syn_ack(self):
        return self.flags & (SYN | ACK) == SYN | ACK


def check_frames(segments, of_box, macs, tag, where):
    """Whatever leaves the box: checksums, tag, MACs."""
    source, target = macs
    for each in segments:
        if not of_box(each):
            continue
        row = each.row
        good = row["tcp.checksum.status"] == GOOD and row["ip.checksum.status"] in (GOOD, "")
        expect(good, f"right checksums {where}: {each}")
        expect(not row["_ws.malformed"], f"well formed {where}: {each}")
        expect((row["eth.src"], row["eth.dst"]) == (source, target), f"the MACs {where}: {each}")
        expect(row["vlan.id"] == (str(tag) if tag else ""), f"the VLAN {where}: {each}")


def check_numbers(segments, of_box, where):
    """On one side of the box, where what it sends itself and what it passes on must look like one endpoint: it
    acknowledges nothing that was not sent, answers SYNs by their number, and resets with the number that is expected
    (RFC 9293, 3.10.7.1), but never because of a RST."""
    syns, expected, last_inward = {}, {}, {}
    counts = collections.Counter()
    for each in segments:
        flow = (each.source, each.target) if not of_box(each) else (each.target, each.source)
        if not of_box(each):
            if each.flags & SYN:
                syns.setdefault(flow, set()).add(each.sequence)
            last_inward[flow] = each
            if each.flags & ACK:
                expected.setdefault(flow, set()).add(each.acknowledgement)
            continue
        expect(not each.row["tcp.analysis.ack_lost_segment"], f"nothing unsent is acknowledged {where}: {each}")
        if each.is_syn_ack():
            counts["SYN-ACKs"] += 1
            asked = {(number + 1) % 2**32 for number in syns.get(flow, ())}
            expect(each.acknowledgement in asked, f"a SYN-ACK acknowledges its SYN {where}: {each}")
        elif each.flags & RST:
            counts["RSTs"] += 1
            cause = last_inward.get(flow)
            expect(cause is not None and not cause.flags & RST, f"no RST is answered with one {where}: {each}")
            if each.flags & ACK and each.sequence == 0:  # in answer to a SYN, as a server sends it
                asked = {(number + 1) % 2**32 for number in syns.get(flow, ())}
                expect(each.acknowledgement in asked, f"a RST acknowledges its SYN {where}: {each}")
                continue
            expect(each.sequence in expected.get(flow, ()), f"a RST has the number that is expected {where}: {each}")
        elif each.flags & SYN:
            counts["SYNs"] += 1
        else:
            counts["others"] += 1
    return counts


def answers(context, path, tag):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed: run scripts/install-dependencies")
    wires = {} if tag else {"wire": ["--seed", "1"], "server_wire": ["--seed", "1"]}
    with context.rig(tag=tag, **wires) as rig:
        extra = GUARD + service(path, 80, "always", "web") + service(path, CLOSED, "always", "closed")
        middle = context.sluiced(rig, extra=extra)
        rig.start_middle(middle)
        rig.nginx()
        honest(rig, path, count=2, number=1, pause=0)
        left, right = Capture(rig, "client"), Capture(rig, "server")
        before = middle.statistics()
        report = honest(rig, path, count=40, number=4, pause=0)
        expect(report["succeeded"] == 40, f"all are served: {report}")
        refused = sum(refuse(rig, path) for _ in range(12))
        expect(refused == 12, "every connection to the closed port is reset or refused")
        for flags in (SYN, RST, RST | ACK, ACK, SYN | ACK):
            Flood(context, rig, path, 500, 0.5, "--flags", flags, "--seed", flags).program.wait(20)
        honest(rig, path, count=4, number=1, pause=0)
        rig.settle()
        emitted = middle.statistics()["emitted"] - before["emitted"]
        macs = [each.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip() for each in (rig.client, rig.server)]
        outcome = {}
        for capture, where, box, own, other in (
            (left, "towards the client", lambda each: each.source[0] == path.server, macs[1], macs[0]),
            (right, "towards the server", lambda each: each.source[0] != path.server, macs[0], macs[1]),
        ):
            segments = capture.segments(context.transcript)
            check_frames(segments, box, (own, other), tag, where)
            outcome[where] = check_numbers(segments, box, where)
        say(", ".join(f"{count} {kind} {where}" for where, counts in outcome.items() for kind, count in counts.items())
            + f"; {emitted} of them of the box's own beside the cookies")  # fmt: skip
        expect(outcome["towards the client"]["SYN-ACKs"] > 200, "the flood's SYNs are answered")
        expect(outcome["towards the client"]["RSTs"] >= 10, "the refused connections are reset")
        expect(emitted > 3 * 40, "the box has sent segments of its own")


def refuse(rig, path):
    """Whether the closed port is told to be closed: at once, or right after a handshake with the box alone."""
    try:
        with open_connection(rig, path, CLOSED, timeout=10) as connection:
            connection.settimeout(10)
            if connection.recv(1) == b"":
                raise Failure("the connection to the closed port was closed in order")
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


for path, tag in ((IPV4, 42), (IPV6, None)):
    where = f"over {path.name}" + (" in a VLAN" if tag else "")
    scenario(f"what the box sends itself {where} has right numbers, checksums, tags and MACs, says tshark",
             rig="own", families=(), needs_sluiced=True,
             device="af_packet")(lambda context, path=path, tag=tag: answers(context, path, tag))  # fmt: skip
