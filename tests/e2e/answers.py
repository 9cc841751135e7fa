"""What the box sends itself, captured on either side of it and read by tshark: numbers, checksums, tags and MACs."""

import collections
import csv
import os
import shutil
import socket
import struct
import time

from guard import GUARD, Flood, honest, say, service
from negotiated import open_connection, tune
from rig.process import Failure, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer
from rig.topology import IPV4, IPV6

SYN, RST, ACK = 0x02, 0x04, 0x10
CLOSED = 7700  # a port at which nobody listens, protected like the other
OPEN, DEFENDED = 7701, 7702  # ports of a server that only listens to what it is told

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
        return self.read(transcript)

    def wait_for(self, transcript, count, wanted):
        """Until so many have been written: on a busy machine tcpdump comes late, and stopped it writes no more."""

        def written():
            return sum(bool(wanted(each)) for each in self.read(transcript, check=False)) >= count

        wait_until(written, "tcpdump has written all", every=0.5)

    def read(self, transcript, check=True):
        argv = ["tshark", "-n", "-r", self.path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                "-T", "fields", "-E", "separator=,", "-E", "occurrence=f",
                *(word for field in FIELDS for word in ("-e", field)), "-Y", "tcp"]  # fmt: skip
        rows = csv.DictReader(execute(transcript, argv, check=check, quiet=True).stdout.splitlines(), fieldnames=FIELDS)
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


# ── connections that are killed ──


class Listener(TcpServer):
    """Says a word to each client and then waits; what became of the last one."""

    def __init__(self, rig, path, port):
        self.outcome = None
        super().__init__(rig.server, path.family, port, self.wait)

    def wait(self, connection):
        self.outcome = None
        connection.sendall(b"welcome")
        self.outcome = outcome_of(connection)


def outcome_of(connection):
    """How a connection ends at which nothing more is said."""
    try:
        while connection.recv(1000):
            pass
        return "closed"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silent"


def welcomed(rig, path, port):
    connection = open_connection(rig, path, port, timeout=3)
    expect(connection.recv(7) == b"welcome", "the server says its word")
    rig.settle()
    return connection


def kill(middle, *filters):
    done = middle.sluice("-D", "-p", "tcp", *filters, "--reset").stderr
    expect("1 flow entries have been deleted" in done, f"one connection is killed: {done}")


def ends(context, path, tag):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed: run scripts/install-dependencies")
    wires = {} if tag else {"wire": ["--seed", "1"], "server_wire": ["--seed", "1"]}
    with context.rig(tag=tag, **wires) as rig:
        middle = context.sluiced(rig, extra=GUARD + service(path, DEFENDED, "always", "defended"))
        rig.start_middle(middle)
        rig.nginx()
        left, right = Capture(rig, "client"), Capture(rig, "server")
        with Listener(rig, path, OPEN) as idle, Listener(rig, path, DEFENDED) as defended:
            with welcomed(rig, path, OPEN) as connection:
                kill(middle, "--dport", OPEN)
                expect(outcome_of(connection) == "reset", "the client of an idle connection is told at once")
                wait_until(lambda: idle.outcome, "the server's end is over")
                expect(idle.outcome == "reset", f"so is its server, which was {idle.outcome}")
            welcomed(rig, path, DEFENDED).close()  # passes, to show what the server knows
            wait_until(lambda: defended.outcome, "the first connection is over")
            with welcomed(rig, path, DEFENDED) as connection:
                middle.sluice("-D", "-p", "tcp", "--state", "TIME_WAIT", check=False)
                kill(middle, "--dport", DEFENDED)
                connection.sendall(b"are you there?")
                expect(outcome_of(connection) == "reset", "the client of a proxied connection is told when it speaks")
                wait_until(lambda: defended.outcome, "the server's end is over")
                expect(defended.outcome == "reset", f"and its server with it, which was {defended.outcome}")
        rig.settle()
        macs = [each.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip() for each in (rig.client, rig.server)]
        for capture, where, box, own, other in (
            (left, "towards the client", lambda each: each.source[0] == path.server, macs[1], macs[0]),
            (right, "towards the server", lambda each: each.source[0] != path.server, macs[0], macs[1]),
        ):
            capture.wait_for(context.transcript, 2, lambda each, box=box: box(each) and each.flags & RST)
            segments = capture.segments(context.transcript)
            check_frames(segments, box, (own, other), tag, where)
            counts = check_numbers(segments, box, where)
            expect(counts["RSTs"] == 2, f"one RST for each connection {where}: {counts}")
        download(rig, middle, path)


def download(rig, middle, path):
    """curl, with data under way that nobody will acknowledge, fails at once and says why."""
    tune(rig.client, {"tcp_rmem": "4096 16384 32768"})  # what it has received and not read it may still read
    url = f"http://{path.bracketed(path.server)}/large"
    argv = rig.client.argv("curl", "-sS", "-o", "/dev/null", "--limit-rate", "200k", "--max-time", "30", url)
    curl = rig.run_program(argv, "curl")
    time.sleep(1)
    began = time.monotonic()
    kill(middle, "--dport", "80")
    status = curl.wait(10)
    took = time.monotonic() - began
    expect(status == 56 and "reset by peer" in curl.log(), f"curl says that it was reset: {status}, {curl.log()}")
    expect(took < 2, f"and says so at once, not after {took:.1f} s")
    say(f"curl was told after {took * 1000:.0f} ms")
    wait_until(lambda: not rig.server.run("ss", "-Htn", "state", "established", "sport = :80", quiet=True).stdout.strip(),
               "the server has let it go", 3)  # fmt: skip


# ── segments that are challenged ──


def next_numbers(connection):
    """What a socket will send next, and what it expects (tcp(7) does not say: TCP_REPAIR, of CRIU)."""
    repair, queue, sequence = 19, 20, 21
    connection.setsockopt(socket.IPPROTO_TCP, repair, 1)
    try:
        numbers = []
        for which in (2, 1):  # send queue, receive queue
            connection.setsockopt(socket.IPPROTO_TCP, queue, which)
            numbers.append(connection.getsockopt(socket.IPPROTO_TCP, sequence) % 2**32)
        connection.setsockopt(socket.IPPROTO_TCP, queue, 0)
        return numbers
    finally:
        connection.setsockopt(socket.IPPROTO_TCP, repair, -1)  # without a word to the peer


class Forger:
    """Sends segments of the client's connection that its kernel knows nothing of."""

    def __init__(self, rig, path, connection):
        self.path, self.port = path, connection.getsockname()[1]
        self.addresses = [socket.inet_pton(path.family, each) for each in (path.client, path.server)]
        with rig.client:
            self.socket = socket.socket(path.family, socket.SOCK_RAW, socket.IPPROTO_TCP)

    def send(self, flags, sequence, acknowledgement, payload=b""):
        numbers = sequence % 2**32, acknowledgement % 2**32
        header = struct.pack("!HHIIBBHHH", self.port, OPEN, *numbers, 5 << 4, flags, 1000, 0, 0)
        pseudo = b"".join(self.addresses) + struct.pack("!IHBB", len(header) + len(payload), 0, 0, socket.IPPROTO_TCP)
        whole = pseudo + header + payload + b"\0" * (len(payload) % 2)
        total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        self.socket.sendto(header[:16] + struct.pack("!H", ~total & 0xFFFF) + header[18:] + payload, (self.path.server, 0))


def challenged(context, path, tag):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed: run scripts/install-dependencies")
    wires = {} if tag else {"wire": ["--seed", "1"], "server_wire": ["--seed", "1"]}
    with context.rig(tag=tag, **wires) as rig:
        middle = context.sluiced(rig, extra="[tcp]\nstrict = true\nchallenge_ack = true\n")
        rig.start_middle(middle)
        with Listener(rig, path, OPEN), welcomed(rig, path, OPEN) as connection:
            mine, theirs = next_numbers(connection)
            forger = Forger(rig, path, connection)
            left, right = Capture(rig, "client"), Capture(rig, "server")
            forged = (
                (RST, mine + 100, 0, b""),  # in the window, not exact
                (SYN, mine + 12345, 0, b""),
                (ACK, mine, theirs + 10**6, b""),  # of what was never sent
                (ACK, mine + 10**8, theirs, b"beyond"),  # the window
            )
            for segment in forged:
                forger.send(*segment)
                forger.send(*segment)  # so soon it is not answered again
                time.sleep(0.6)
            forger.send(RST, mine + 10**8, 0)  # out of the window: nobody answers that
            time.sleep(0.2)
            connection.sendall(b"still here")
            rig.settle()
        macs = [each.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip() for each in (rig.client, rig.server)]
        right.wait_for(context.transcript, 1, lambda each: each.source[0] == path.client and each.length == 10)
        left.wait_for(context.transcript, 1, lambda each: each.source[0] == path.client and each.length == 10)
        segments = left.segments(context.transcript)
        check_frames(segments, lambda each: each.source[0] == path.server, (macs[1], macs[0]), tag, "towards the client")
        said = [each for each in segments if each.source[0] == path.server and each.flags & 0x3F == ACK
                and each.acknowledgement == mine]  # fmt: skip
        expect(len(said) == len(forged), f"each kind of segment is challenged once: {len(said)} of {len(forged)}")
        expect(all(each.sequence == theirs and each.length == 0 for each in said), "with the numbers that are expected")
        passed = [each for each in right.segments(context.transcript) if each.source[0] == path.client]
        expect(all(each.sequence - mine <= 11 for each in passed), f"nothing forged has passed: {[str(e) for e in passed]}")
        expect(any(each.length == 10 for each in passed), "and the connection goes on")


for path, tag in ((IPV4, 42), (IPV6, None)):
    where = f"over {path.name}" + (" in a VLAN" if tag else "")
    scenario(f"what the box sends itself {where} has right numbers, checksums, tags and MACs, says tshark",
             rig="own", families=(), needs_sluiced=True,
             device="af_packet")(lambda context, path=path, tag=tag: answers(context, path, tag))  # fmt: skip
    scenario(f"a connection killed {where} is reset at both ends with right numbers, checksums, tags and MACs, says tshark",
             rig="own", families=(), needs_sluiced=True,
             device="af_packet")(lambda context, path=path, tag=tag: ends(context, path, tag))  # fmt: skip
    scenario(f"what is dropped of a connection {where} is challenged with right numbers, says tshark",
             rig="own", families=(), needs_sluiced=True,
             device="af_packet")(lambda context, path=path, tag=tag: challenged(context, path, tag))  # fmt: skip
