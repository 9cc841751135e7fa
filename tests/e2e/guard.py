"""The guard against SYN floods between real stacks: nginx behind sluiced, honest clients beside a flood.

With SLUICE_LONG=1 in the environment the scenarios are run at the length and the rates whose figures are worth
telling. SLUICE_FLOOD_RATE: another rate of the flood, SYNs a second.
"""

import ipaddress
import json
import os
import sys
import time

from rig import clients
from rig.process import execute, expect, wait_until
from rig.scenario import scenario
from rig.topology import IPV4, IPV6

LONG = os.environ.get("SLUICE_LONG") == "1"
RATE = int(os.environ.get("SLUICE_FLOOD_RATE", 300_000 if LONG else 20_000))
SECONDS = 15 if LONG else 4  # a measurement
CONNECTIONS = 100_000 if LONG else 2_000
PORT = 80

# Learning is off, so that the service under test is the one that is named.
GUARD = """
[guard]
mode = "off"
unlisted_mode = "off"
learn = false
stay = 3
"""


def service(path, port, mode, name):
    """The configuration's part for a service of the server."""
    return f'[[guard.service]]\nname = "{name}"\naddress = "{path.server}"\nport = {port}\nmode = "{mode}"\n'


def guarding(mode, path=IPV4):
    return GUARD + service(path, PORT, mode, "web")


def say(line):
    """Beside the scenario's verdict: figures, which are worth reading when nothing failed, too."""
    print("      " + line, flush=True)


# ── what is sent ──


class Flood:
    """A flood of SYNs from the client's side of the network, to its end or until it is stopped."""

    def __init__(self, context, rig, path, rate, seconds, *more):
        # Through a router it would go to the router; the client has found out.
        mac = neighbour(rig.client, path.server)
        program = os.path.join(context.options.build, "tests", "e2e", "syn_flood")
        argv = rig.client.argv(program, "eth0", mac, path.server, PORT, "--rate", rate, "--seconds", seconds, *more)
        self.program = rig.run_program(argv, f"flood-{time.monotonic_ns()}")

    def stop(self):
        """What it has sent, as it says itself."""
        self.program.stop()
        self.report = json.loads(self.program.log())
        return self.report


def neighbour(namespace, address):
    """The MAC to which frames for the address go."""
    namespace.run("ping", "-c", "1", "-W", "2", address, check=False, quiet=True)
    return namespace.run("ip", "neigh", "show", address, quiet=True).stdout.split("lladdr ")[1].split()[0]


def accept_spoofed(rig):
    """The server answers the flood's sources as if they were somewhere out there: behind a MAC that nobody has."""
    for path, gateway, sources in ((IPV4, IPV4.unused, "198.18.0.0/15"), (IPV6, IPV6.unused, "2001:2::/48")):
        rig.server.run("ip", "neigh", "replace", gateway, "lladdr", "02:00:00:00:00:99", "dev", "eth0", quiet=True)
        rig.server.run("ip", "route", "add", sources, "via", gateway, "dev", "eth0", quiet=True)


def more_addresses(rig, path, count):
    """Addresses that the client has besides: so no two connections have the same ports at both ends."""
    added = [f"{path.client}{number}" for number in range(10, 10 + count)]  # 192.0.2.110, 2001:db8::110
    for address in added:
        rig.client.run("ip", "addr", "add", address + ("/24" if path is IPV4 else "/64"), "dev", "eth0", quiet=True)
    return added


def honest(rig, path, seconds=0, count=0, number=50, pause=0.5, patience=5.0, longest=0, sources=()):
    """What honest clients say of their transactions with nginx."""
    digest = rig.nginx()["small"]
    options = ["--seconds", seconds] if seconds else ["--count", count]
    argv = rig.client.argv(sys.executable, clients.__file__, path.server, PORT, "/small", digest, *options,
                           "--clients", number, "--pause", pause, "--patience", patience,
                           *(["--sources", ",".join(sources)] if sources else []))  # fmt: skip
    return json.loads(execute(rig.transcript, argv, seconds=longest or seconds + 60).stdout)


def told(report):
    share = report["succeeded"] / max(1, report["transactions"])
    failures = f", {report['failures']}" if report["failures"] else ""
    return (
        f"{report['succeeded']} of {report['transactions']} transactions ({share:.1%}) in {report['seconds']:.1f} s, "
        f"median {report['median_ms']} ms, p90 {report['p90_ms']}, p99 {report['p99_ms']}{failures}"
    )


# ── what is seen ──


class ServerView:
    """SYNs that reach the server and handshakes that it completes, since this began."""

    TABLE = """
        table inet seen {{
            counter syns {{ }}
            chain input {{
                type filter hook input priority -300;
                tcp dport {port} tcp flags & (fin|syn|rst|ack) == syn counter name syns
            }}
        }}
    """

    def __init__(self, rig):
        self.rig = rig
        rig.server.run("nft", self.TABLE.format(port=PORT), quiet=True)
        self.before = self.read()

    def read(self):
        listed = json.loads(self.rig.server.run("nft", "-j", "list", "counters", "table", "inet", "seen", quiet=True).stdout)
        syns = next(item["counter"]["packets"] for item in listed["nftables"] if "counter" in item)
        shown = self.rig.server.run("nstat", "-asz", "TcpPassiveOpens", quiet=True).stdout
        return syns, int(shown.split("TcpPassiveOpens")[1].split()[0])

    def since(self):
        syns, completed = (after - before for after, before in zip(self.read(), self.before))
        return {"syns": syns, "completed": completed}

    @staticmethod
    def half_open(rig):
        shown = rig.server.run("ss", "-Htn", "state", "syn-recv", f"sport = :{PORT}", quiet=True).stdout
        return len(shown.splitlines())


def resident_kilobytes(middle):
    with open(f"/proc/{middle.program.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def attacks(middle):
    """The records of `sluice floods`."""
    return [json.loads(line) for line in middle.sluice("floods", "--json", quiet=True).stdout.splitlines()]


# ── the scenarios ──


def alone(sentence, families=(IPV4,)):
    """A scenario that builds its own rig: of the runs over several devices one is enough, unless it is for figures."""

    def register(function):
        for path in families:
            body = lambda context, path=path: function(context, path)  # noqa: E731
            scenario(sentence.format(family=path.name), rig="own", families=(), needs_sluiced=True,
                     device=None if LONG else "af_packet")(body)  # fmt: skip
        return function

    return register


def away_with_backscatter(rig):
    """What is answered to spoofed addresses goes elsewhere in the world, and does not keep the honest clients' machine busy
    with the search for a route (which over IPv6 takes it longer than the answer takes sluiced)."""
    rig.client.run("nft", """
        table netdev elsewhere {
            chain ingress {
                type filter hook ingress device eth0 priority 0;
                ip daddr 198.18.0.0/15 drop
                ip6 daddr 2001:2::/48 drop
            }
        }
    """, quiet=True)  # fmt: skip


def prepare(rig):
    """An nginx whose backlog a flood can fill: the server makes no cookies of its own, and keeps no place for clients that
    it remembers, who would be all of them here. It gives a half-open connection up after three seconds."""
    rig.server.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=0", "net.ipv4.tcp_max_syn_backlog=512",
                   "net.ipv4.tcp_no_metrics_save=1", "net.ipv4.tcp_synack_retries=1", quiet=True)  # fmt: skip
    accept_spoofed(rig)
    away_with_backscatter(rig)
    rig.nginx()
    honest(rig, IPV4, count=20, number=2, pause=0)


@alone("with the guard off a flood of SYNs over {family} keeps honest clients from a server")
def undefended(context, path):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra=guarding("off", path)))
        prepare(rig)
        quiet = honest(rig, path, seconds=SECONDS)
        flood = Flood(context, rig, path, RATE, SECONDS + 60)
        time.sleep(1)
        flooded = honest(rig, path, seconds=SECONDS, patience=3.0)
        sent = flood.stop()
        say("quiet:    " + told(quiet))
        say("flooded:  " + told(flooded) + f"; {sent['sent'] / sent['seconds']:,.0f} SYN/s")
        expect(quiet["succeeded"] == quiet["transactions"], f"all transactions succeed while it is quiet: {told(quiet)}")
        suffer = flooded["succeeded"] < 0.9 * flooded["transactions"] or flooded["median_ms"] > 2 * quiet["median_ms"]
        expect(suffer, f"the flood does harm where nothing is done about it: {told(flooded)}")


@alone("in mode auto a flood of SYNs over {family} is absorbed: clients get through, the server sees none of it, "
       "and the attack is recorded", families=(IPV4, IPV6) if LONG else (IPV4,))  # fmt: skip
def defended(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding("auto", path))
        rig.start_middle(middle)
        prepare(rig)
        quiet = honest(rig, path, seconds=SECONDS)
        expect(quiet["succeeded"] == quiet["transactions"], f"all transactions succeed while it is quiet: {told(quiet)}")
        expect(not attacks(middle), f"no attack is seen while it is quiet: {attacks(middle)}")
        memory = resident_kilobytes(middle)

        began = time.time()
        flood = Flood(context, rig, path, RATE, SECONDS + 60)
        wait_until(lambda: any(row["defence"] == "defend" for row in attacks(middle)), "the service is defended", 10)
        defended_after = time.time() - began
        # What got through before fills the server's backlog until the server gives it up.
        wait_until(lambda: ServerView.half_open(rig) < 100, "the server's backlog is free again", 20, every=0.2)
        free_after = time.time() - began
        view = ServerView(rig)
        flooded = honest(rig, path, seconds=SECONDS)
        seen, half_open = view.since(), view.half_open(rig)
        grown = resident_kilobytes(middle) - memory
        sent = flood.stop()
        ended = time.time()
        rate = sent["sent"] / sent["seconds"]
        say("quiet:    " + told(quiet))
        say("flooded:  " + told(flooded) + f"; {rate:,.0f} SYN/s")
        say(f"defended after {defended_after:.1f} s, the backlog free after {free_after:.1f} s; the server saw "
            f"{seen['syns']} SYNs, completed {seen['completed']} handshakes and had {half_open} half open at the end; memory grew by {grown} kB")  # fmt: skip

        expect(flooded["succeeded"] >= 0.99 * flooded["transactions"], f"99 % of transactions succeed: {told(flooded)}")
        # A busy machine adds to every step of a transaction what it pleases; that is no news of the guard.
        slack = 0 if LONG else 30
        expect(flooded["median_ms"] <= 2 * quiet["median_ms"] + slack,
               f"at most twice the quiet median: {flooded['median_ms']} and {quiet['median_ms']} ms")  # fmt: skip
        # One SYN in a while is let through to learn what the server knows.
        expect(seen["syns"] <= flooded["transactions"] + 10 + 0.01 * rate / 1000,
               f"the server sees no SYNs but honest ones: {seen}, {flooded['transactions']} transactions")  # fmt: skip
        expect(half_open <= 60, f"the server has {half_open} half-open connections")
        expect(grown <= 2048, f"memory stays flat: it grew by {grown} kB")

        wait_until(lambda: all(row["end"] for row in attacks(middle)), "the attack is over", 30, every=0.2)
        check_record(attacks(middle), path, began, ended, sent)
        after = honest(rig, path, seconds=2)
        expect(after["succeeded"] == after["transactions"], f"all transactions succeed afterwards: {told(after)}")


def check_record(records, path, began, ended, sent):
    expect(len(records) == 1, f"one attack is recorded: {records}")
    (record,) = records
    rate = sent["sent"] / sent["seconds"]
    say("record:   " + json.dumps({name: record[name] for name in ("kind", "highest_level", "peak_rate", "syns", "completed",
                                                                   "sources", "why", "done")}))  # fmt: skip
    address, _, port = record["service"].rpartition(":")
    address = ipaddress.ip_address(address.strip("[]"))
    expect((address, int(port)) == (ipaddress.ip_address(path.server), PORT), f"the service: {record['service']}")
    expect(record["name"] == "web" and record["mode"] == "auto", "the service's name and mode")
    # RFC 5180's range has 65,536 networks of 64 bits, and a network is a source: from 3 SYNs a second each they may be real.
    few = path is IPV4 or record["peak_rate"] < 3 * 65536
    kinds = ("spoofed",) if few else ("spoofed", "distributed")
    expect(record["kind"] in kinds, f"many sources, few packets each: {record['kind']}")
    expect(record["highest_level"] == "defend", f"it was defended: {record['highest_level']}")
    expect(0.4 * rate <= record["peak_rate"] <= 2 * rate, f"the peak, {record['peak_rate']}, of {rate:.0f} SYN/s")
    expect(0.4 * sent["sent"] <= record["syns"] <= 1.05 * sent["sent"] + 5000,
           f"{record['syns']} SYNs of {sent['sent']} sent")  # fmt: skip
    expect(record["sources"] > 5000, f"{record['sources']} sources")
    expect(abs(record["start"] - began) < 3, f"it began {record['start'] - began:.1f} s after the flood")
    expect(-1 < record["end"] - ended < 15, f"it ended {record['end'] - ended:.1f} s after the flood")


@alone("in mode always thousands of connections in a row over {family} are proxied, and none hangs",
       families=(IPV4, IPV6))  # fmt: skip
def in_a_row(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding("always", path))
        rig.start_middle(middle)
        more = more_addresses(rig, path, 8)
        rig.nginx()
        honest(rig, path, count=5, number=1, pause=0)  # the first shows what the server knows, and is not proxied
        before = middle.statistics()
        report = honest(rig, path, count=CONNECTIONS, number=20, pause=0, patience=20.0, longest=300 + CONNECTIONS / 100,
                        sources=more)  # fmt: skip
        after = middle.statistics()
        say(told(report) + f", longest {report['longest_ms']} ms")
        expect(report["succeeded"] == CONNECTIONS, f"all {CONNECTIONS} connections are served: {told(report)}")
        # For each the box has sent a SYN and an ACK to the server, and an ACK to the client.
        emitted = after["emitted"] - before["emitted"]
        expect(emitted >= 3 * 0.99 * CONNECTIONS, f"all but a few were proxied: {emitted} segments of the box's own")
        lost = after["not_emitted"] - before["not_emitted"]
        expect(lost == 0, f"{lost} segments of the box's own could not be sent")

        # So few ports that every one is used again while the server has it in TIME-WAIT, and the box, too.
        rig.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=20000 20499", quiet=True)
        again = honest(rig, path, count=CONNECTIONS // 2, number=20, pause=0, patience=20.0, longest=300 + CONNECTIONS / 100)
        say("with 500 ports: " + told(again) + f", longest {again['longest_ms']} ms")
        expect(again["succeeded"] == CONNECTIONS // 2, f"all are served over ports used again: {told(again)}")
