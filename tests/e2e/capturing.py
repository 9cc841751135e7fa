"""sluice capture: what is dropped and why, read by tshark, and what passes, while the traffic goes on."""

import os
import shutil
import signal
import socket
import struct

from rig.process import Program, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import ping
from rig.topology import IPV4

SYN_FIN = struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 5 << 4, 0x03, 1024, 0, 0)


def with_checksum(source, destination, segment):
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", socket.IPPROTO_TCP, len(segment))
    total = sum(struct.unpack(f"!{len(pseudo + segment) // 2}H", pseudo + segment))
    total = (total & 0xFFFF) + (total >> 16)
    return segment[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + segment[18:]


def capturing(context, rig, name, *words):
    program = Program(context.transcript, [context.programs.sluice, "capture", "--socket", rig.middle.socket_path, *words],
                      os.path.join(rig.folder, name), error_path=os.path.join(rig.folder, name + ".summary"))  # fmt: skip
    rig.programs.append(program)
    return program


def comments(context, path):
    argv = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|", "-e", "frame.comment", "-e", "ip.src", "-e", "tcp.flags"]
    return [line.split("|") for line in execute(context.transcript, argv, quiet=True).stdout.splitlines()]


@scenario("sluice capture shows what is dropped and why, and what passes, to tshark", rig="own", families=(), needs_sluiced=True,
          device="af_packet")  # fmt: skip
def capture(context):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed: run scripts/install-dependencies")
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig))
        ping(rig.transcript, rig.client, IPV4.server, "-c", "1")  # addresses are resolved
        dropped, passed = (os.path.join(rig.folder, name) for name in ("dropped.pcapng", "passed.pcapng"))
        drops = capturing(context, rig, "drops", "--reason", "bad-flags", "-c", "3", "-w", dropped)
        pings = capturing(context, rig, "pings", "--all", "--filter", "icmp", "-w", passed)
        wait_until(lambda: rig.middle.statistics().get("capture_readers") == 2, "two capture")
        ping(rig.transcript, rig.client, IPV4.server, "-c", "2", "-i", "0.1")
        with rig.client, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            for _ in range(3):
                raw.sendto(with_checksum(IPV4.client, IPV4.server, SYN_FIN), (IPV4.server, 0))
        expect(drops.wait(10) == 0, "it ends after three")
        rows = comments(context, dropped)
        expect(len(rows) == 3, f"three packets: {rows}")
        for comment, source, flags in rows:
            expect(comment.startswith("dropped, bad-flags: ") and "; verdict invalid" in comment, f"why it was dropped: {comment}")
            expect((source, int(flags, 16)) == (IPV4.client, 3), f"the packet itself: {source} {flags}")
        wait_until(lambda: rig.middle.statistics().get("capture_rows", 0) >= 7, "four packets of the pings are shown")
        pings.send(signal.SIGINT)
        expect(pings.wait(10) == 0, "SIGINT is how it ends")
        rows = comments(context, passed)
        expect(len(rows) == 4 and all(row[0].startswith("passed; verdict ") for row in rows), f"two pings, there and back: {rows}")
        wait_until(lambda: rig.middle.statistics().get("capture_readers") == 0, "nobody captures any more")
