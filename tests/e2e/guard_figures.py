"""What a flood costs: sluice beside Linux's own SYNPROXY in the same place. Only with SLUICE_LONG=1."""

import glob
import time

from guard import LONG, PORT, RATE, SECONDS, Flood, alone, guarding, honest, prepare, say, told
from rig.process import expect
from rig.router import Routed
from rig.topology import IPV4

def thread_seconds(pid):
    """Processor time of all threads of a process, exactly (proc_pid_schedstat)."""
    total = 0
    for name in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(name) as file:
            total += int(file.read().split()[0])
    return total / 1e9


def softirq_seconds():
    """Of the threads that do for others what the kernel puts off."""
    total = 0.0
    for name in glob.glob("/proc/[0-9]*/comm"):
        with open(name) as file:
            if file.read().startswith("ksoftirqd/"):
                total += thread_seconds(name.split("/")[2])
    return total


class SynProxy(Routed):
    """Linux's SYNPROXY, on a router in sluiced's place."""

    RULES = """
        table ip proxy {{
            chain raw {{
                type filter hook prerouting priority raw;
                iif left tcp dport {port} tcp flags syn notrack
            }}
            chain forward {{
                type filter hook forward priority filter;
                tcp dport {port} ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
                ct state invalid drop
            }}
        }}
    """

    def start(self):
        super().start()
        # What belongs to no connection is invalid, so that an ACK is taken for what brings a cookie back.
        self.namespace.run("nft", self.RULES.format(port=PORT), quiet=True)
        self.namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", quiet=True)

    def answered(self):
        shown = self.namespace.run("cat", "/proc/net/stat/synproxy", quiet=True).stdout.splitlines()
        column = shown[0].split().index("syn_received")
        return sum(int(line.split()[column], 16) for line in shown[1:])


class Sink(Routed):
    """Drops the flood before anything else sees it: what sending and receiving it cost alone."""

    def start(self):
        super().start()
        self.namespace.run("nft", """
            table netdev sink {
                chain ingress {
                    type filter hook ingress device left priority 0;
                    ip saddr 198.18.0.0/15 counter drop
                }
            }
        """, quiet=True)  # fmt: skip

    def answered(self):
        return 0


def busy_seconds(context, rig, middle, rate, seconds):
    """What a flood without clients costs the processors, all that takes part in it: its sender (in whose system calls the
    kernel receives, and SYNPROXY answers), the kernel's threads for what it puts off, and the daemon."""
    pid = middle.program.pid if middle.tracks else None
    cost = lambda: softirq_seconds() + (thread_seconds(pid) if pid else 0)  # noqa: E731
    before = cost()
    flood = Flood(context, rig, IPV4, rate, seconds)
    flood.program.wait(seconds + 30)
    sent = flood.stop()
    time.sleep(0.3)
    return cost() - before + sent["cpu_seconds"], sent


def cycles_a_second():
    with open("/proc/cpuinfo") as info:
        return next(float(line.split(":")[1]) for line in info if line.startswith("cpu MHz")) * 1e6


class AnsweringSluiced:
    """The daemon in mode always, counting the answers."""

    def __init__(self, context, rig):
        self.inner = context.sluiced(rig, extra=guarding("always"))

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def answered(self):
        return self.inner.statistics()["answered"]


def figures_of(context, make, name, rounds=3):
    with context.rig() as rig:
        middle = make(context, rig)
        rig.start_middle(middle)
        prepare(rig)
        quiet = honest(rig, IPV4, seconds=SECONDS)
        costs = []
        for _ in range(rounds):
            before = middle.answered()
            busy, sent = busy_seconds(context, rig, middle, RATE, SECONDS / 3)
            costs.append((busy, sent["sent"], middle.answered() - before, sent["sent"] / sent["seconds"]))
        if name == "sink":
            return quiet, None, costs
        flood = Flood(context, rig, IPV4, RATE, 3 * SECONDS + 60)
        time.sleep(3)
        flooded = honest(rig, IPV4, seconds=SECONDS)
        sent = flood.stop()
        say(f"{name}: quiet    " + told(quiet))
        say(f"{name}: flooded  " + told(flooded) + f"; {sent['sent'] / sent['seconds']:,.0f} SYN/s sent")
        return quiet, flooded, costs


def beside_synproxy(context, path):
    makers = {
        "sink": lambda context, rig: Sink(rig),
        "SYNPROXY": lambda context, rig: SynProxy(rig),
        "sluice": AnsweringSluiced,
    }
    found = {name: figures_of(context, make, name) for name, make in makers.items()}
    hertz = cycles_a_second()
    base = min(busy / sent for busy, sent, _, _ in found["sink"][2])
    say(f"sink: {base * hertz:,.0f} cycles a SYN sent and dropped, at best of {len(found['sink'][2])}")
    for name in ("SYNPROXY", "sluice"):
        for busy, sent, answered, rate in found[name][2]:
            say(f"{name}: {busy * hertz / sent:,.0f} cycles a SYN sent, {(busy - base * sent) * hertz / max(1, answered):,.0f} "
                f"more than the sink's a SYN answered; {answered / sent:.1%} of {sent} answered, {rate:,.0f} SYN/s")  # fmt: skip
    ours, theirs = found["sluice"][1], found["SYNPROXY"][1]
    expect(ours["succeeded"] >= 0.95 * theirs["succeeded"], "sluice holds the goodput of SYNPROXY")


if LONG:
    alone("beside Linux's SYNPROXY over {family}: goodput, and busy cycles per SYN")(beside_synproxy)
