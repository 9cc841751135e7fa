"""Ports of the other kinds: devices of DPDK beside af_packet and af_xdp, two daemons behind one another, and tags
that one kind of port keeps and another does not. (docs/ports.md says what a port can be.)"""

import hashlib
import os
import random
import socket
import struct

from rig.flood import checksum
from rig.process import Failure, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, ping
from rig.topology import IPV4
from rig.wire import End
from traffic import connect, read_to_end


def once(sentence):
    """A scenario that brings its own ports: one of the runs is enough."""
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, device="af_packet")


def start(rig, middle):
    """Starts the daemon as (another) program of the rig; skips where DPDK has no driver for one of its ports."""
    try:
        middle.start()
    except Failure:
        if "failed to parse device" in middle.program.log():
            raise Skip(f"DPDK comes without a driver for one of {middle.settings['ports']}") from None
        raise
    finally:
        if middle.program:
            rig.programs.append(middle.program)


def stop(middle):
    status = middle.stop()
    expect(status == 0, f"{middle.name} stopped with status {status}")


def carries(rig):
    """A ping is answered and a transfer in both directions at once arrives byte for byte."""

    def answered():
        return ping(rig.transcript, rig.client, IPV4.server, "-c", "1", "-W", "0.2").returncode == 0

    # Where the loss of a link was carried over while the other side was not there yet, the kernel takes a moment.
    wait_until(answered, "a ping is answered", 10)
    body = random.Random(3).randbytes(2_000_000)
    arrived = []

    def serve(connection):
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        arrived.append(read_to_end(connection)[0])

    with TcpServer(rig.server, socket.AF_INET, 7700, serve):
        with connect(rig, IPV4, 7700, timeout=30.0) as connection:
            connection.sendall(body[: 1 << 16])  # fits the buffers on the way: neither end waits for the other
            connection.shutdown(socket.SHUT_WR)
            down = read_to_end(connection)[0]
        wait_until(lambda: arrived, "the server has read to the end", 30)
    expect(down == hashlib.sha256(body).hexdigest(), "what the client received is what the server sent")
    expect(arrived == [hashlib.sha256(body[: 1 << 16]).hexdigest()], "what the server received is what was sent")


def expect_tracked(middle):
    """The traffic of carries() is in the table, and nothing of it was refused."""
    rows = middle.rows()
    expect(any(row.startswith("icmp ") and f"src={IPV4.client} " in row for row in rows), "the ping is in the table")
    tcp = [row for row in rows if row.startswith("tcp ") and " dport=7700 " in row]
    expect(len(tcp) == 1 and "[ASSURED]" in tcp[0], f"the connection is in the table: {tcp}")
    statistics = middle.statistics()
    expect(statistics["invalid"] == 0, f"{statistics['invalid']} honest packets were refused by {middle.name}")


@once("a transfer and a ping between two taps go through, though the kernel finishes no checksum before them")
def taps(context):
    """The taps are joined to the ends by bridges, as those of virtual machines are. Offloads are as the kernel sets
    them: a tap without a virtio header gets finished frames in any case."""
    if not os.path.exists("/dev/net/tun"):
        raise Skip("this machine has no /dev/net/tun")
    with context.rig(offloads=True) as rig:
        names = ("tap-left", "tap-right")
        middle = context.sluiced(rig, ports=[f"net_tap{i},iface={name}" for i, name in enumerate(names)])
        start(rig, middle)
        for name, end in zip(names, ("left", "right")):
            bridge = "br-" + end
            rig.between.run("ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
            for port in (name, end):
                rig.between.run("ip", "link", "set", port, "master", bridge)
            rig.between.run("ip", "link", "set", bridge, "up")
        carries(rig)
        expect_tracked(middle)
        stop(middle)
        left = rig.between.run("ip", "-o", "link", "show").stdout
        expect("tap-" not in left, f"the taps are gone with the daemon: {left}")


@once("two daemons joined by a memif both carry and track a transfer and a ping")
def memif(context):
    with context.rig() as rig:
        joint = f"socket={rig.folder}/memif.sock,socket-abstract=no"
        device = context.options.device
        near = context.sluiced(rig, name="near", ports=[device + ":left", "net_memif0,role=server," + joint])
        far = context.sluiced(rig, name="far", ports=["net_memif0,role=client," + joint, device + ":right"])
        for middle in (near, far):
            start(rig, middle)
        carries(rig)
        for middle in (near, far):
            expect_tracked(middle)
        for middle in (near, far):
            stop(middle)


# ── captures ──

CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # microseconds, Ethernet


def ethernet_frame(from_client, kind, payload):
    macs = SERVER_MAC + CLIENT_MAC if from_client else CLIENT_MAC + SERVER_MAC
    return (macs + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def segment(from_client, sequence, acknowledgement, flags, data=b"", wrong=0):
    """A frame with a TCP segment over IPv4 between ports 40000 and 80; `wrong` is added to its checksum."""
    ends = [(socket.inet_aton(IPV4.client), 40000), (socket.inet_aton(IPV4.server), 80)]
    (source, source_port), (target, target_port) = ends if from_client else reversed(ends)
    head = struct.pack("!HHIIBBHHH", source_port, target_port, sequence, acknowledgement, 5 << 4, flags, 65535, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head) + len(data))
    whole = pseudo + head + data
    summed = checksum(whole + b"\0" * (len(whole) % 2)) + wrong & 0xFFFF
    tcp = head[:16] + struct.pack("!H", summed) + head[18:] + data
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + source + target
    return ethernet_frame(from_client, 0x0800, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp)


def conversation():
    """A download from handshake to last acknowledgement, after an ARP question. Returns its frames, and which of them
    is to be refused."""
    address = CLIENT_MAC + socket.inet_aton(IPV4.client) + bytes(6) + socket.inet_aton(IPV4.server)
    frames = [ethernet_frame(True, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + address)]
    client, server, request, block = 0xFFFFFF00, 1000, b"GET / HTTP/1.0\r\n\r\n", bytes(range(250)) * 5
    frames.append(segment(True, client, 0, SYN))
    frames.append(segment(False, server, client + 1, SYN | ACK))
    client, server = client + 1, server + 1
    frames.append(segment(True, client, server, ACK))
    frames.append(segment(True, client, server, ACK | PSH, request))
    client += len(request)
    wrong = len(frames)
    frames.append(segment(False, server, client, ACK, block, wrong=1))
    for _ in range(4):
        frames.append(segment(False, server, client, ACK, block))
        server += len(block)
        frames.append(segment(True, client, server, ACK))
    frames.append(segment(False, server, client, ACK | FIN))
    frames.append(segment(True, client, server + 1, ACK | FIN))
    frames.append(segment(False, server + 1, client + 1, ACK))
    return frames, wrong


def write_capture(path, frames):
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IIII", 1_000_000_000, number, len(frame), len(frame)) + frame)


def read_capture(path):
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], len(PCAP_HEADER)
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return frames


@once("a capture between two pcap ports comes out frame for frame, without the one with a wrong checksum")
def pcap(context):
    with context.rig() as rig:
        given, passed, back = (os.path.join(rig.folder, name + ".pcap") for name in ("given", "passed", "back"))
        frames, wrong = conversation()
        write_capture(given, frames)
        middle = context.sluiced(
            rig, ports=[f"net_pcap0,rx_pcap={given},tx_pcap={back}", f"net_pcap1,tx_pcap={passed}"]
        )  # fmt: skip
        start(rig, middle)
        wait_until(lambda: middle.statistics()["port0_rx_packets"] == len(frames), "the capture was read", 5)
        statistics = middle.statistics()
        refused = {name: value for name, value in statistics.items() if name.startswith("reason_") and value}
        expect(refused == {"reason_bad-checksum": 1}, f"one frame was refused, for its checksum: {refused}")
        expect(statistics["invalid"] == 1, f"{statistics['invalid']} frames were invalid")
        rows = middle.rows("-p", "tcp")
        expect(len(rows) == 1 and "TIME_WAIT" in rows[0], f"the connection was followed to its end: {rows}")
        stop(middle)
        expected = frames[:wrong] + frames[wrong + 1 :]
        found = read_capture(passed)
        expect(len(found) == len(expected), f"{len(found)} frames came out, not {len(expected)}")
        for number, (one, other) in enumerate(zip(found, expected)):
            expect(one == other, f"frame {number} came out as {one.hex()}, not as {other.hex()}")
        expect(read_capture(back) == [], "nothing went back out of the port that the capture came in by")


@once("null and ring ports need nothing of the machine: the daemon starts, carries, answers and stops")
def null_and_ring(context):
    """A null port never stops giving empty frames of 64 bytes, which pass as LLC; a ring gives back what it is sent."""
    with context.rig() as rig:
        middle = context.sluiced(rig, ports=["net_null0", "net_ring0"])
        start(rig, middle)

        def went_around():
            counted = middle.statistics()
            return all(counted[f"port{port}_{way}_packets"] > 1000 for port in (0, 1) for way in ("rx", "tx"))

        wait_until(went_around, "frames go from the null port into the ring and back", 5, every=0.1)
        expect(middle.sluice("-S").stdout.startswith("cpu=0"), "sluice -S has a line for the worker")
        expect(middle.statistics()["dropped"] == 0, "nothing was dropped")
        stop(middle)


# ── lengths ──


@scenario("a frame longer than the other port's MTU is dropped under a reason of its own, and what follows goes on",
          rig="own", families=(), needs_sluiced=True)  # fmt: skip
def unequal_mtus(context):
    with context.rig() as rig:
        for end, name in ((rig.client, "eth0"), (rig.between, "left")):
            end.run("ip", "link", "set", name, "mtu", "1700")
        rig.start_middle(context.sluiced(rig))

        def answered(size):
            done = ping(rig.transcript, rig.client, IPV4.server, "-M", "do", "-c", "1", "-W", "0.3", "-s", str(size))
            return done.returncode == 0

        wait_until(lambda: answered(1500 - 28), "a ping that fills the smaller MTU is answered", 10)
        expect(not answered(1501 - 28), "a ping of a byte more is not answered")
        expect(answered(1500 - 28), "the next one is answered again")
        statistics = rig.middle.statistics()
        expect(statistics["reason_too-long"] == 1, f"one frame was too long, not {statistics['reason_too-long']}")
        expect(statistics["port1_device_tx_errors"] == 0, "the device never saw it")


# ── tags ──

S_TAG = 0x88A8


@scenario("a frame tagged as 802.1ad keeps its outer tag over af_xdp, and over af_packet all but its EtherType",
          families=(), needs_sluiced=True)  # fmt: skip
def provider_bridging(rig, _):
    device = rig.middle.device
    with rig.client:
        near = End("eth0")
    with rig.server:
        far = End("eth0")
        to = rig.server.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip()
    macs = bytes.fromhex(to.replace(":", "")) + CLIENT_MAC
    for inner in (b"", struct.pack("!HH", 0x8100, 7)):
        # Nobody listens for what the tags lead to: the frame is seen by the raw socket alone.
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0x4000, 64, socket.IPPROTO_UDP, 0)
        ip += socket.inet_aton(IPV4.client) + socket.inet_aton(IPV4.server)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        rest = struct.pack("!H", 0x3 << 13 | 100) + inner + b"\x08\x00" + ip + struct.pack("!HHHH", 7701, 7702, 8, 0)
        sent, softened = (macs + struct.pack("!H", kind) + rest.ljust(64, b"\0") for kind in (S_TAG, 0x8100))
        near.send(sent)
        seen = []

        def arrived():
            while frame := far.receive():
                seen.append(frame)
            return any(frame[6:12] == CLIENT_MAC for frame in seen)

        wait_until(arrived, "the frame arrives", 3)
        found = [frame for frame in seen if frame[6:12] == CLIENT_MAC]
        expected = sent if device == "af_xdp" else softened
        expect(found == [expected], f"{found[0].hex()} arrived, not {expected.hex()}")
    for end in (near, far):
        end.socket.close()
