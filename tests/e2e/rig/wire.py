"""A wire with faults: forwards Ethernet frames between two interfaces, both ways, and can lose some, let some
overtake others, and put on or take off a VLAN tag. Without faults it is a tap: it can record what it carries.

    python3 wire.py LEFT RIGHT [--loss P] [--reorder P] [--tag ID] [--seed N] [--record FILE]

With --tag, frames towards RIGHT get the tag and frames towards LEFT lose it, so that two such wires, mirrored,
make everything between them tagged. The faults are drawn from a seeded generator: a run can be repeated.
"""

import argparse
import random
import select
import signal
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_ADD_MEMBERSHIP, PACKET_IGNORE_OUTGOING = 263, 8, 1, 23
PACKET_MR_PROMISC = 1
TP_STATUS_VLAN_VALID = 0x10
AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata of packet(7)
OVERTAKEN_BY = 3  # frames that pass one held back, at most
HOLD_SECONDS = 0.01  # and the longest it is held


class End:
    """One interface: raw frames in and out, tags the kernel took off put back where they were."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        index = socket.if_nametoindex(name)
        membership = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        self.socket.bind((name, ETH_P_ALL))
        self.socket.setblocking(False)

    def receive(self):
        """The next frame, or None."""
        try:
            frame, ancillary, _, _ = self.socket.recvmsg(65535, socket.CMSG_SPACE(AUXDATA.size))
        except BlockingIOError:
            return None
        for level, kind, data in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = AUXDATA.unpack(data[: AUXDATA.size])
                if status & TP_STATUS_VLAN_VALID:
                    return frame[:12] + struct.pack("!HH", tpid or 0x8100, tci) + frame[12:]
        return frame

    def send(self, frame):
        try:
            self.socket.send(frame)
        except OSError:
            pass  # a full queue or an interface going down: lost, as on a wire


class Record:
    """A capture of everything that comes in, in the order in which it is carried on (pcap, Ethernet)."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))

    def add(self, frame):
        now = time.time_ns() // 1000
        self.file.write(struct.pack("<IIII", now // 1_000_000, now % 1_000_000, len(frame), len(frame)) + frame)


class Way:
    """One direction of the wire, with its faults."""

    def __init__(self, source, target, faults, change, record):
        self.source, self.target, self.faults, self.change = source, target, faults, change
        self.record = record
        self.random = random.Random(f"{faults.seed} {change.__name__}")
        self.held = []  # [frame, how many may still overtake it, when it goes at the latest]
        self.carried = self.lost = self.reordered = 0

    def carry(self, frames=64):
        for _ in range(frames):
            frame = self.source.receive()
            if frame is None:
                break
            frame = self.change(frame)
            if frame is None:
                continue
            if self.record:
                self.record.add(frame)
            if self.random.random() < self.faults.loss:
                self.lost += 1
            elif self.random.random() < self.faults.reorder:
                self.reordered += 1
                behind = self.random.randint(1, OVERTAKEN_BY)
                self.held.append([frame, behind, time.monotonic() + HOLD_SECONDS])
            else:
                self.target.send(frame)
                self.carried += 1
                self.overtake()
        self.release_late()

    def overtake(self):
        for entry in self.held:
            entry[1] -= 1
        self.release(lambda entry: entry[1] <= 0)

    def release_late(self):
        if self.held:
            now = time.monotonic()
            self.release(lambda entry: entry[2] <= now)

    def release(self, due):
        for entry in [entry for entry in self.held if due(entry)]:
            self.held.remove(entry)
            self.target.send(entry[0])
            self.carried += 1


def tagger(identifier):
    tag = struct.pack("!HH", 0x8100, identifier)

    def put_on_tag(frame):
        return frame[:12] + tag + frame[12:]

    def take_off_tag(frame):
        # Anything that does not carry the tag is not of this wire.
        return frame[:12] + frame[16:] if frame[12:16] == tag else None

    return put_on_tag, take_off_tag


def towards_right(frame):
    return frame


def towards_left(frame):
    return frame


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("left")
    parser.add_argument("right")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--reorder", type=float, default=0.0)
    parser.add_argument("--tag", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", metavar="FILE")
    faults = parser.parse_args()

    left, right = End(faults.left), End(faults.right)
    changes = tagger(faults.tag) if faults.tag else (towards_right, towards_left)
    record = Record(faults.record) if faults.record else None
    ways = [Way(left, right, faults, changes[0], record), Way(right, left, faults, changes[1], record)]

    def stop(*_):
        if record:
            record.file.close()
        for way, name in zip(ways, ("towards right", "towards left")):
            print(f"{name}: {way.carried} carried, {way.lost} lost, {way.reordered} reordered", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("ready", flush=True)
    while True:
        select.select([left.socket, right.socket], [], [], HOLD_SECONDS / 2)
        for way in ways:
            way.carry()


if __name__ == "__main__":
    main()
