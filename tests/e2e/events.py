"""Events: beside the kernel's own for the same traffic, and while they are followed by those who do not read."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from listing import TRACK, nft
from rig.process import Program, expect, wait_until
from rig.scenario import scenario
from rig.services import UdpEcho, ping
from rig.topology import IPV4, IPV6

FLOW = re.compile(r"src=\S+ dst=\S+ (?:sport=\d+ dport=\d+|type=\d+ code=\d+ id=\d+)")
TAG = re.compile(r"^\s*\[(NEW|UPDATE|DESTROY)\] ")


def by_flow(lines, late=False):
    """What is told of each flow, in order. Who deleted it and how much time it had left are the tool's own affair. `late`:
    the kernel works out the seconds left when it tells, and another may have begun."""
    told = {}
    for line in lines:
        expect(TAG.match(line), f"no event: {line!r}")
        line = re.sub(r" \[USERSPACE\].*", "", line)
        line = re.sub(r"^(\[DESTROY\] \S+ +\d+) \d+", r"\1 SECONDS", line)
        if late:
            line = re.sub(r"^( *\[\w+\] \S+ +\d+) (\d*9)\b", lambda found: f"{found[1]} {int(found[2]) + 1}", line)
        told.setdefault(FLOW.search(line)[0], []).append(line)
    return told


def without_closing(lines):
    """The kernel says CLOSE_WAIT for any ACK behind a FIN, we for one that acknowledges it; and it prints the state that it
    has come to by the time it tells. Where an old ACK and a FIN cross, the two differ on the way to TIME_WAIT."""
    return [line for line in lines or [] if not re.search(r"\[UPDATE\] .* (FIN_WAIT|CLOSE_WAIT|LAST_ACK) src=", line)]


def following(context, rig, *words):
    path = os.path.join(rig.folder, "events-" + "-".join(words).replace("/", "-"))
    program = Program(context.transcript, [context.programs.sluice, "--socket", rig.middle.socket_path, "-E", *words],
                      path, error_path=path + ".summary")  # fmt: skip
    rig.programs.append(program)
    return program


def lines_of(program):
    return program.log().splitlines()


@scenario("sluice -E tells what conntrack -E tells, byte for byte and flow by flow", rig="own", families=(), needs_sluiced=True,
          device="af_packet")  # fmt: skip
def events_equal_the_kernels(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, profile="linux", extra="[tracker]\nacct = true\n"))
        rig.nginx()
        nft(rig.client, TRACK)
        rig.client.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1", quiet=True)
        for path in (IPV4, IPV6):  # addresses are resolved before anything is compared
            ping(rig.transcript, rig.client, path.server, "-c", "1")
        rig.client.run("conntrack", "-F", quiet=True)
        rig.middle.sluice("-F")

        mask = ("-e", "NEW,UPDATES,DESTROY")
        ours = following(context, rig, *mask)
        kernel_path = os.path.join(rig.folder, "kernel-events")
        kernel = Program(context.transcript, rig.client.argv("conntrack", "-E", *mask), kernel_path, kernel_path + ".summary")  # fmt: skip
        rig.programs.append(kernel)
        wait_until(lambda: rig.middle.statistics().get("event_readers") == 1, "somebody follows the events")

        def kernel_listens():
            """conntrack does not say when it is ready: a flow made by hand shows it."""
            rig.client.run("conntrack", "-I", "-p", "udp", "-s", "10.9.9.9", "-d", "10.9.9.8", "--sport", "1", "--dport", "2", "-t", "9", check=False, quiet=True)  # fmt: skip
            rig.client.run("conntrack", "-D", "-s", "10.9.9.9", check=False, quiet=True)
            return "10.9.9.9" in kernel.log()

        wait_until(kernel_listens, "conntrack -E listens", every=0.2)
        for path in (IPV4, IPV6):
            for _ in range(3):
                rig.client.run("curl", "--silent", "--fail", "--output", os.devnull, f"http://{path.bracketed(path.server)}/small-1", check=False)  # fmt: skip
            ping(rig.transcript, rig.client, path.server, "-c", "2", "-i", "0.1", "-e", "77")
            with UdpEcho(rig.server, path.family, 9003):
                with rig.client, socket.socket(path.family, socket.SOCK_DGRAM) as datagrams:
                    datagrams.settimeout(3)
                    datagrams.sendto(b"datagram", (path.server, 9003))
                    datagrams.recv(100)
        rig.settle()
        for family in ("ipv4", "ipv6"):
            for protocol in ("tcp", "udp"):
                rig.client.run("conntrack", "-D", "-f", family, "-p", protocol, quiet=True)
                rig.middle.sluice("-D", "-f", family, "-p", protocol, quiet=True)

        def theirs():
            return by_flow((line for line in kernel.log().splitlines() if "10.9.9.9" not in line), late=True)

        time.sleep(0.5)
        for program in (ours, kernel):
            program.send(signal.SIGINT)
            expect(program.wait(10) == 0, "SIGINT is how it ends")
        mine, kernels = by_flow(lines_of(ours)), theirs()
        the_same = 0
        for flow in sorted(set(mine) | set(kernels)):
            the_same += mine.get(flow) == kernels.get(flow)
            expect(without_closing(mine.get(flow)) == without_closing(kernels.get(flow)), f"of {flow} is told\n" +
                   "\n".join(mine.get(flow, [])) + "\nand by the kernel\n" + "\n".join(kernels.get(flow, [])))  # fmt: skip
        expect(the_same >= 6, f"only {the_same} of {len(mine)} flows are told alike to the end")
        count = sum(map(len, mine.values()))
        expect(count >= 50, f"{count} events are too few to say anything")
        with open(ours.log_path + ".summary") as summary:
            expect(f": {count} flow events have been shown." in summary.read(), "it ends with their number")
        context.transcript.note(f"{the_same} of {len(mine)} flows are told alike, {count} events in all")


@scenario("followers that never read cost the others nothing", rig="own", families=(), needs_sluiced=True)
def hostile_followers(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig))
        rig.nginx()
        stopped = [following(context, rig, "-b", "65536", "-e", "ALL", "-s", f"0.0.0.0/{bits}") for bits in range(8)]
        wait_until(lambda: rig.middle.statistics().get("event_readers") == 8, "eight follow the events")
        for program in stopped:
            program.send(signal.SIGSTOP)
        reader = following(context, rig, "-o", "json", "-e", "NEW,DESTROY")
        wait_until(lambda: rig.middle.statistics().get("event_readers") == 9, "and one that reads")
        for _ in range(5):
            rig.client.run("curl", "--silent", "--fail", "--output", os.devnull, f"http://{IPV4.server}/small-1", check=False)
        wait_until(lambda: sum('"protocol":"tcp"' in line for line in lines_of(reader)) >= 5, "the one that reads is told")  # fmt: skip
        for line in lines_of(reader):
            row = json.loads(line)
            expect(row["event"] in ("new", "destroy") and (row["community_id"] or "").startswith("1:"), f"a row: {line}")
        for program in stopped:
            program.process.send_signal(signal.SIGKILL)
            try:
                program.process.wait(10)
            except subprocess.TimeoutExpired:
                expect(False, "it was killed")
        wait_until(lambda: rig.middle.statistics().get("event_readers") == 1, "those killed are gone")
