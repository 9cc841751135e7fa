"""Looking at the table: beside the kernel's own, with many flows in it, and by a client that dies."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

from rig.process import Program, execute, expect
from rig.scenario import scenario
from rig.services import TcpServer, UdpEcho, ping, read_forever
from rig.topology import IPV4, IPV6
from traffic import connect, iperf3

FLOOD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rig", "flood.py")
FLOWS = 1_000_000 if os.environ.get("SLUICE_LONG") == "1" else 200_000  # of them to list

# The kernel tracks the client's connections once a rule asks for their state. The rules also keep connections in
# their opening states: SYNs to port 9001 and datagrams to 9004 never reach the server's sockets, and the client's
# ACKs to port 9002 never leave (nor reach its own conntrack: priority raw is before it).
TRACK = """
    add table inet beside
    add chain inet beside out {{ type filter hook output priority 0; }}
    add chain inet beside in {{ type filter hook input priority 0; }}
    add rule inet beside out ct state new,established,related accept
    add rule inet beside in ct state new,established,related accept
    add chain inet beside early {{ type filter hook output priority raw; }}
    add rule inet beside early tcp dport 9002 tcp flags & (syn | ack) == ack drop
"""
SWALLOW = """
    add table inet swallow
    add chain inet swallow in {{ type filter hook input priority 0; }}
    add rule inet swallow in tcp dport 9001 drop
    add rule inet swallow in udp dport 9004 drop
"""


def nft(namespace, rules):
    namespace.run("nft", rules.format(), quiet=True)


def every_kind_of_flow(rig, path, stack):
    """Opens connections in every state that lasts: their sockets live as long as `stack`."""
    for port in (9000, 9002):
        stack.enter_context(TcpServer(rig.server, path.family, port, read_forever))
    stack.enter_context(UdpEcho(rig.server, path.family, 9003))
    for _ in range(3):
        connection = stack.enter_context(connect(rig, path, 9000))
        connection.sendall(b"established")
    stack.enter_context(connect(rig, path, 9002))  # stays in SYN_RECV
    with rig.client:
        silent = stack.enter_context(socket.socket(path.family, socket.SOCK_STREAM))
        silent.setblocking(False)
        silent.connect_ex((path.server, 9001))  # stays in SYN_SENT
        for port, exchanges in ((9003, 1), (9003, 3), (9004, 0)):
            datagrams = stack.enter_context(socket.socket(path.family, socket.SOCK_DGRAM))
            datagrams.settimeout(3)
            datagrams.connect((path.server, port))
            for number in range(max(exchanges, 1)):
                if number:
                    time.sleep(1.1)  # a flow is a stream only after two seconds
                datagrams.send(b"datagram")
                if exchanges:
                    datagrams.recv(100)
    ping(rig.transcript, rig.client, path.server, "-c", "1", "-W", "2", "-e", "1234")
    ping(rig.transcript, rig.client, path.unused, "-c", "1", "-W", "0.2", "-e", "1235")


def comparable(lines):
    """Sorted, without what may differ: seconds left and use counts."""
    kept = []
    for line in lines:
        line = re.sub(r"^((?:ipv[46] +\d+ )?\S+ +\d+) \d+", r"\1 SECONDS", line)
        kept.append(re.sub(r" use=\d+$", " use=", line))
    return sorted(kept)


@scenario("sluice -L lists what conntrack -L lists, byte for byte", rig="own", families=(), needs_sluiced=True,
          device="af_packet")
def listing_equals_the_kernels(context):
    compare_listings(context, accounting=False)


@scenario("sluice -L counts the packets and bytes that conntrack -L counts", rig="own", families=(), needs_sluiced=True,
          device="af_packet")
def counted_listing_equals_the_kernels(context):
    compare_listings(context, accounting=True)


def compare_listings(context, accounting):
    with ExitStack() as stack:
        rig = stack.enter_context(context.rig())
        extra = f"[tracker]\nacct = {str(accounting).lower()}\n"
        rig.start_middle(context.sluiced(rig, profile="linux", extra=extra))
        nft(rig.client, TRACK)
        nft(rig.server, SWALLOW)
        rig.client.run("sysctl", "-qw", f"net.netfilter.nf_conntrack_acct={int(accounting)}", quiet=True)
        # Addresses are resolved before anything is compared: the kernel of neither end tracks that.
        for path in (IPV4, IPV6):
            every_kind_of_flow(rig, path, stack)
        # A repeated SYN is counted here but not by the kernel, so half-open connections are left out of the counts.
        views = [("-u", "ASSURED"), ("-p", "udp"), ("-p", "icmp"), ("-p", "icmpv6")] if accounting else [
            (), ("-o", "extended"), ("-f", "ipv6"), ("-p", "tcp"), ("-p", "tcp", "--state", "ESTABLISHED"),
            ("-p", "udp", "--dport", "9003"), ("-u", "ASSURED"), ("-s", IPV4.client),
        ]  # fmt: skip
        for view in views:
            compare_view(rig, view)


def compare_view(rig, view):
    # A retransmitted SYN may fall between the two listings; then the next two agree.
    for _ in range(3):
        kernel = rig.client.run("conntrack", "-L", *view, quiet=True).stdout.splitlines()
        ours = rig.middle.rows(*view)
        differing = differences(comparable(kernel), comparable(ours))
        if not differing:
            break
        time.sleep(0.3)
    expect(not differing, f"-L {' '.join(view)}: kernel (-) and sluice (+) differ:\n" + "\n".join(differing))
    expect(kernel, "the kernel tracked something to compare with")
    rig.transcript.note(f"-L {' '.join(view)}: {len(kernel)} rows are the same")


def differences(kernel, ours):
    only_kernel, only_ours = list(kernel), []
    for line in ours:
        if line in only_kernel:
            only_kernel.remove(line)
        else:
            only_ours.append(line)
    return ["- " + line for line in only_kernel] + ["+ " + line for line in only_ours]


def fill(rig, flows):
    """Makes `flows` UDP flows with raw datagrams; sends again, slower, what got lost on a busy machine."""
    mac = rig.server.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip()
    for pace in (150_000, 150_000, 100_000, 60_000, 60_000, 60_000):
        argv = rig.client.argv(sys.executable, FLOOD, "eth0", mac, IPV4.client, IPV4.unused, "0", str(flows),
                               "--pace", str(pace))  # fmt: skip
        execute(rig.transcript, argv, seconds=120)
        time.sleep(0.2)
        count = int(rig.middle.sluice("-C").stdout)
        if count >= flows:
            return
    expect(False, f"the table holds {count} flows, not {flows}")


ROOM = """
[tracker]
max = 1500000
ipv6_share = 20
[udp]
timeout = 900
"""

ROW = re.compile(r"^udp      17 \d+ src=192\.0\.2\.1 dst=192\.0\.2\.99 sport=(\d+) dport=(\d+) \[UNREPLIED\] "
                 r"src=192\.0\.2\.99 dst=192\.0\.2\.1 sport=(\d+) dport=(\d+) mark=0 use=1$")  # fmt: skip


def check_rows(path):
    """Reads a listing; every flooded flow must be in it exactly once, every row whole."""
    seen, others = set(), 0
    with open(path) as file:
        for line in file:
            row = ROW.match(line.rstrip("\n"))
            if not row:
                others += 1
                expect(re.match(r"^(tcp|udp|icmp|icmpv6|unknown) +\d+ \d+ .* use=\d+$", line), f"a torn row: {line!r}")
                continue
            expect(row[1] == row[4] and row[2] == row[3], f"the reply does not mirror the original: {line!r}")
            flow = int(row[1]) << 16 | int(row[2])
            expect(flow not in seen, f"a row appears twice: {line!r}")
            seen.add(flow)
    expect(len(seen) == FLOWS, f"{len(seen)} of {FLOWS} flows are in the listing")
    return others


@scenario("listing a large table while packets flow loses no packet and no flow", rig="own", families=(),
          needs_sluiced=True, device="af_packet")  # fmt: skip
def list_a_large_table(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra=ROOM))
        ping(rig.transcript, rig.client, IPV4.server, "-c", "1")
        fill(rig, FLOWS)
        before = rig.middle.statistics()
        rig.iperf3()
        argv = rig.client.argv("iperf3", "--client", IPV4.server, "--json", "--udp", "--bitrate", "20M",
                               "--length", "1200", "--time", "8")  # fmt: skip
        load = rig.run_program(argv, "iperf3-beside-listing")
        took = []
        while load.running():
            start = time.monotonic()
            path = os.path.join(rig.folder, "listing")
            with open(path, "w") as file:
                listing = Program(rig.transcript, [context.programs.sluice, "--socket", rig.middle.socket_path, "-L"],
                                  path, error_path=path + ".summary")  # fmt: skip
            status = listing.wait(60)
            expect(status == 0, f"sluice -L ended with status {status}")
            took.append(time.monotonic() - start)
            check_rows(path)
        report = json.loads(load.log())
        lost, sent = report["end"]["sum"]["lost_packets"], report["end"]["sum"]["packets"]
        context.transcript.note(f"{len(took)} listings, the longest {max(took):.1f} s; {lost} of {sent} datagrams lost")
        expect(lost == 0, f"{lost} of {sent} datagrams were lost while the table was listed")
        after = rig.middle.statistics()
        expect(after["invalid"] == before["invalid"], "an honest packet was refused while the table was listed")
        iperf3(rig, IPV4, "--parallel", "4")


@scenario("a client that is killed in the middle of a listing harms nobody", rig="own", families=(), needs_sluiced=True,
          device="af_packet")
def killed_client(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig))
        ping(rig.transcript, rig.client, IPV4.server, "-c", "1")
        fill(rig, 100_000)
        for _ in range(5):
            # Its output goes nowhere, so it cannot finish; the daemon must not wait for it.
            read_end, write_end = os.pipe()
            listing = subprocess.Popen(
                [context.programs.sluice, "--socket", rig.middle.socket_path, "-L"], stdout=write_end
            )
            os.close(write_end)
            expect(os.read(read_end, 4096), "the listing begins")
            listing.send_signal(signal.SIGKILL)
            listing.wait()
            os.close(read_end)
        expect(len(rig.middle.rows()) >= 100_000, "the next listing is whole")
        done = ping(rig.transcript, rig.client, IPV4.server, "-c", "3", "-i", "0.01")
        expect(" 0% packet loss" in done.stdout, "traffic goes on")
