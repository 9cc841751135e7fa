"""Flows written down: a log beside those who follow the events, a real collector of IPFIX, a disk without room and a
collector that is not there."""

import ipaddress
import json
import os
import shutil
import signal
import socket
import time

from events import following, lines_of
from lifecycle import refused
from rig.process import Program, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, UdpEcho, ping, read_forever
from rig.topology import IPV4, IPV6
from traffic import connect

PORT = 4739
KEPT = "[tracker]\nacct = true\ntimestamp = true\n"
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}


def written(sentence):
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, device="af_packet")


def address(text):
    """In one spelling."""
    return str(ipaddress.ip_address(text))


def lines(path):
    with open(path) as file:
        text = file.read()
    expect(not text or text.endswith("\n"), f"{path} ends with a whole line")
    return text.splitlines()


def told(row):
    """A flow of ours as nfdump tells it: who, and packets and bytes of both directions."""
    one, other = row["original"], row["reply"]
    ports = (one["sport"], one["dport"]) if "sport" in one else (0, one["type"] << 8)
    return (NUMBERS[row["protocol"]], address(one["src"]), address(one["dst"]), *ports,
            one["packets"], one["bytes"], other["packets"], other["bytes"])  # fmt: skip


def told_by_nfdump(row):
    addresses = [row.get("src4_addr") or row["src6_addr"], row.get("dst4_addr") or row["dst6_addr"]]
    icmp = row["proto"] in (1, 58)
    ports = (0, (row.get("icmp_type", 0) << 8) + row.get("icmp_code", 0)) if icmp else (row["src_port"], row["dst_port"])
    return (row["proto"], *map(address, addresses), *ports,
            row["in_packets"], row["in_bytes"], row.get("out_packets", 0), row.get("out_bytes", 0))  # fmt: skip


def collect(rig):
    """nfcapd beside the daemon, and where it puts what it is told."""
    if shutil.which("nfcapd") is None:
        raise Skip("nfdump is not installed")
    folder = os.path.join(rig.folder, "collected")
    os.mkdir(folder)
    argv = rig.between.argv("nfcapd", "-w", folder, "-b", "127.0.0.1", "-p", PORT)
    program = Program(rig.transcript, argv, os.path.join(rig.folder, "nfcapd.log"))
    rig.programs.append(program)
    return program, folder


def has_read_all(rig):
    """Whether the collector has taken all datagrams out of its socket: it ends without those it has not."""
    sockets = [line.split() for line in rig.between.run("cat", "/proc/net/udp", quiet=True).stdout.splitlines()[1:]]
    waiting = [int(words[4].split(":")[1], 16) for words in sockets if int(words[1].split(":")[1], 16) == int(PORT)]
    return waiting == [0]


def nfdump(rig, folder):
    text = execute(rig.transcript, ["nfdump", "-R", folder, "-o", "json"], quiet=True).stdout
    rig.transcript.note(text)
    return json.loads(text)


@written("the flow log holds what sluice -E tells, wherever it is moved meanwhile, and nfdump is told the same flows")
def log_and_collector(context):
    with context.rig() as rig:
        path = os.path.join(rig.folder, "flows.log")
        rig.start_middle(context.sluiced(rig, extra=KEPT + f'[flow_log]\nfile = "{path}"\n'
                                         f'[ipfix]\ncollector = "127.0.0.1:{PORT}"\ntemplate_refresh = 1\n'))  # fmt: skip
        middle = rig.middle
        collector, collected = collect(rig)  # after the daemon, so it has missed the first templates
        time.sleep(1.1)  # until they are due again
        rig.nginx()
        follower = following(context, rig, "-o", "json", "-e", "DESTROY")
        wait_until(lambda: middle.statistics().get("event_readers") == 1, "somebody follows the events")

        def exchange():
            for path in (IPV4, IPV6):
                url = f"http://{path.bracketed(path.server)}/small-1"
                rig.client.run("curl", "--silent", "--fail", "--output", os.devnull, url)
                ping(rig.transcript, rig.client, path.server, "-c", "2", "-i", "0.1")
                with UdpEcho(rig.server, path.family, 9003):
                    with rig.client, socket.socket(path.family, socket.SOCK_DGRAM) as datagrams:
                        datagrams.settimeout(3)
                        datagrams.sendto(b"datagram", (path.server, 9003))
                        datagrams.recv(100)
            rig.settle()
            listed = [json.loads(row) for row in middle.rows("-o", "json")]
            middle.sluice("-F")
            return listed

        listed = exchange()
        wait_until(lambda: len(lines(path)) == len(listed), "all are in the log")
        os.rename(path, path + ".moved")
        middle.sluice("reload")
        wait_until(lambda: os.path.exists(path), "the file is made anew")
        expect(os.stat(path).st_mode & 0o777 == 0o640, "its group may read it")
        listed += exchange()
        wait_until(lambda: len(lines_of(follower)) == len(listed), "the follower is told of all")
        wait_until(lambda: len(lines(path)) + len(lines(path + ".moved")) == len(listed), "the log, too")
        expect(lines(path + ".moved") + lines(path) == lines_of(follower), "to the byte what the follower is told")
        logged = sorted(told(json.loads(line)) for line in lines_of(follower))
        expect(logged == sorted(map(told, listed)), "with packets and bytes of the listing before")
        wait_until(lambda: middle.statistics()["ipfix_records"] == len(listed), "all are sent to the collector")
        wait_until(lambda: has_read_all(rig), "the collector has read all")
        expect(collector.stop(signal.SIGTERM) == 0, "nfcapd stops")
        collected_flows = nfdump(rig, collected)
        theirs = sorted(map(told_by_nfdump, collected_flows))
        expect(theirs == logged, f"nfdump has the same flows:\n{theirs}\nand not\n{logged}")
        statistics = middle.statistics()
        expect(statistics["flow_log_records"] == len(listed), "records are counted")
        expect(statistics["flow_log_lost"] == statistics["ipfix_lost"] == 0, "none is lost")
        context.transcript.note(f"{len(listed)} flows are told alike by the log, the follower and nfdump")
        expect(middle.stop() == 0, "the daemon stops with status 0")


@written("a connection that lives long is told meanwhile, over a restart too, and the sums are right")
def active(context):
    with context.rig() as rig:
        collector, collected = collect(rig)
        middle = context.sluiced(rig, extra=KEPT + f'[state]\nfile = "{rig.folder}/state/flows"\n'
                                 f'[ipfix]\ncollector = "127.0.0.1:{PORT}"\nactive_timeout = 1\n')  # fmt: skip
        rig.start_middle(middle)
        with TcpServer(rig.server, IPV4.family, 9000, read_forever), connect(rig, IPV4, 9000) as connection:

            def send_until_told(records):
                connection.sendall(b"x" * 1000)
                return middle.statistics()["ipfix_records"] >= records

            wait_until(lambda: send_until_told(1), "it is told while it lives", every=0.1)
            expect(middle.stop() == 0, "the daemon stops with status 0")
            rig.start_middle(middle)
            wait_until(lambda: send_until_told(1), "the next daemon tells of it, too", every=0.1)
            rig.settle()
            listed = [json.loads(row) for row in middle.rows("-o", "json", "-p", "tcp")]
            expect(len(listed) == 1, f"one connection is listed: {listed}")
            middle.sluice("-D", "-p", "tcp")
            expect(middle.stop() == 0, "the daemon stops with status 0")
        wait_until(lambda: has_read_all(rig), "the collector has read all")
        expect(collector.stop(signal.SIGTERM) == 0, "nfcapd stops")
        records = [told_by_nfdump(row) for row in nfdump(rig, collected) if row["proto"] == 6]
        expect(len(records) >= 3, f"it was told again and again: {records}")
        one = told(listed[0])
        expect({record[:5] for record in records} == {one[:5]}, f"of this connection: {records}")
        sums = tuple(map(sum, zip(*(record[5:] for record in records))))
        expect(sums == one[5:], f"{sums} packets and bytes are told, and {one[5:]} were listed")


@written("a disk without room and a collector that is not there cost records, said and counted, and no packet")
def no_room(context):
    with context.rig() as rig:
        disk = os.path.join(rig.folder, "disk")
        os.mkdir(disk)
        path = os.path.join(disk, "flows", "flows.log")
        middle = context.sluiced(rig, extra=KEPT + f'[flow_log]\nfile = "{path}"\n[ipfix]\ncollector = "127.0.0.1:9"\n')
        middle.write_config()
        refused(middle, "flow_log.file: ", path, "No such file or directory", "make the folder")
        execute(rig.transcript, ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk])
        try:
            os.mkdir(os.path.dirname(path))
            rig.start_middle(middle)
            filler = os.path.join(disk, "filler")
            try:
                with open(filler, "wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
            except OSError:
                pass

            def flows(first, count):
                with rig.client:
                    for port in range(first, first + count):
                        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                            datagrams.bind(("", port))
                            datagrams.sendto(b"datagram", (IPV4.server, 9003))
                wait_until(lambda: middle.statistics()["insert"] >= count, "the flows are there")
                middle.sluice("-D", "-p", "udp", quiet=True)

            flows(20000, 50)
            wait_until(lambda: f"flow_log: {path}: No space left on device; 0 records lost" in middle.program.log(), "the log says so")  # fmt: skip
            wait_until(lambda: "ipfix: 127.0.0.1:9: Connection refused; " in middle.program.log(), "of the collector, too")
            ping(rig.transcript, rig.client, IPV4.server, "-c", "3", "-i", "0.1")
            before = lines(path)
            expect(len(before) < 50, "not all lines have found room")
            os.remove(filler)

            def ports():
                return [json.loads(line)["original"].get("sport") for line in lines(path)]

            wait_until(lambda: len(ports()) >= 50, "when there is room again they are written")
            expect(sorted(ports()) == list(range(20000, 20050)), "each once, and whole")
            expect(middle.statistics()["flow_log_lost"] == 0, "none is lost so far")
            expect(middle.statistics()["ipfix_lost"] > 0, "of those for the collector some are")
            expect(middle.stop() == 0, "the daemon stops with status 0")
        finally:
            execute(rig.transcript, ["umount", "-l", disk], check=False)
