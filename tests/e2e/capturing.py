"""Looking at packets: what is dropped and why, read by tshark, and what passes, while the traffic goes on; the last
dropped; the story of a flow; and DPDK's own programs beside the daemon."""

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
        shown = rig.middle.sluice("drops", "--examples", "2").stdout
        example = f"{IPV4.client}:40000 > {IPV4.server}:80 tcp SF seq 1 win 1024 len 0, "
        expect(shown.count(example) == 2, f"the last two of three are shown under their reason: {shown}")

        story = os.path.join(rig.folder, "story")
        words = ["get", "-p", "tcp", "-s", IPV4.client, "-d", IPV4.server, "--sport", "41000", "--dport", "81", "--story"]
        teller = Program(context.transcript, [context.programs.sluice, "--socket", rig.middle.socket_path, *words], story,
                         error_path=story + ".summary")  # fmt: skip
        rig.programs.append(teller)
        wait_until(lambda: rig.middle.statistics().get("capture_readers") == 1, "the story is followed")
        with rig.client, socket.socket() as connection:
            connection.bind((IPV4.client, 41000))
            expect(connection.connect_ex((IPV4.server, 81)) != 0, "nobody listens there")
        ping(rig.transcript, rig.client, IPV4.server, "-c", "1")
        wait_until(lambda: len(teller.log().splitlines()) == 2, "two packets are told, and no other flow's")
        teller.send(signal.SIGINT)
        expect(teller.wait(10) == 0, "SIGINT is how it ends")
        opened, refused = teller.log().splitlines()
        expect(" A>B tcp S" in opened and "no flow -> SYN_SENT,SYN_RCVD" in opened, f"how it began: {opened}")
        expect(" B>A tcp R. " in refused and "SYN_SENT,SYN_RCVD -> CLOSED,CLOSED" in refused, f"how it ended: {refused}")


class HugePages:
    """Some pages of 2 MiB and a file system of them, given back at the end."""

    setting = "/proc/sys/vm/nr_hugepages"

    def __init__(self, context, folder, pages):
        self.context, self.folder, self.pages = context, folder, pages

    def set(self, number):
        with open(self.setting, "w") as file:
            file.write(str(number))
        with open(self.setting) as file:
            return int(file.read())

    def __enter__(self):
        with open(self.setting) as file:
            self.before = int(file.read())
        os.makedirs(self.folder)
        try:
            enough = self.set(self.before + self.pages) == self.before + self.pages
        except OSError:
            enough = False
        if not enough:
            self.set(self.before)
            raise Skip(f"{self.pages} huge pages of 2 MiB are not to be had here")
        execute(self.context.transcript, ["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", self.folder], quiet=True)
        return self

    def __exit__(self, *_):
        execute(self.context.transcript, ["umount", self.folder], quiet=True)
        self.set(self.before)


@scenario("dpdk-dumpcap attaches to a sluiced that lets it, and nothing stays behind", rig="own", families=(), needs_sluiced=True,
          device="af_packet")  # fmt: skip
def attached(context):
    dumpcap = shutil.which("dpdk-dumpcap")
    if not dumpcap or not shutil.which("tshark"):
        raise Skip("dpdk-dumpcap (Debian's dpdk-dev) or tshark is not installed")
    with context.rig() as rig, HugePages(context, os.path.join(rig.folder, "huge"), 160) as huge:
        middle = context.sluiced(rig)
        middle.settings["huge_pages"] = 'true\neal_arguments = ["--proc-type=primary", "--file-prefix=sluice-e2e"]'
        rig.start_middle(middle)
        captured = os.path.join(rig.folder, "port0.pcapng")
        seen = Program(context.transcript, [dumpcap, "--file-prefix=sluice-e2e", "-i", "0", "-s", "256", "-c", "4", "-w", captured],
                       os.path.join(rig.folder, "dumpcap"))  # fmt: skip
        rig.programs.append(seen)
        wait_until(lambda: os.path.exists(captured) or not seen.running(), "it attaches")
        ping(rig.transcript, rig.client, IPV4.server, "-c", "10", "-i", "0.1")
        expect(seen.wait(10) == 0, f"it has captured: {seen.log()}")
        argv = ["tshark", "-n", "-r", captured, "-T", "fields", "-e", "icmp.type"]
        types = execute(context.transcript, argv, quiet=True).stdout.split()
        expect("8" in types and "0" in types, f"what came by the port and what left by it: {types}")
        expect(middle.stop() == 0, "sluiced stops cleanly")
        expect(os.listdir(huge.folder) == [] and not os.path.exists("/run/dpdk/sluice-e2e"), "no file is left, and no page in it")
