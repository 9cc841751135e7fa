"""What docs/guard.md says of the other proofs, of rates and of sources that are allowed or denied, between real stacks: each time the
reasons that the box counts must say why."""

import os
import socket
import time

from counters import grown
from guard import GUARD, PORT, Flood, ServerView, accept_spoofed, alone, attacks, honest, more_addresses, prepare, say, service
from rig.process import execute, expect, wait_until
from rig.services import digest
from rig.topology import IPV4, IPV6


def guarding(path, mode, of_service="", of_all=""):
    return GUARD + of_all + service(path, PORT, mode, "web") + of_service


class Counted:
    """What the box has counted and the server has seen since this began, or since it was asked last."""

    def __init__(self, rig, middle):
        self.rig, self.middle, self.view = rig, middle, ServerView(rig)
        self.start()

    def start(self):
        self.view.before, self.before = self.view.read(), self.middle.statistics()

    def more(self):
        """Counters that have grown, "server" among them: SYNs that reached the server."""
        # Until nothing comes any more; a flood's half-open connections may stay at the server.
        after, deadline = self.middle.statistics(), time.monotonic() + 3
        while time.monotonic() < deadline:
            time.sleep(0.1)
            earlier, after = after, self.middle.statistics()
            if after["packets"] == earlier["packets"]:
                break
        change = {name.removeprefix("reason_"): value for name, value in grown(after, self.before).items() if value}
        change["server"] = self.view.since()["syns"]
        self.start()
        return change


def fetch(rig, path, source=None, patience=5.0):
    """A download by curl: how long it took from the SYN to the last byte, None when there was no connection in time."""
    wanted, target = rig.nginx()["small"], os.path.join(rig.folder, "fetched")
    argv = ["curl", "--silent", "--max-time", patience, "--output", target, f"http://{path.bracketed(path.server)}/small",
            "--interface", source or path.client]  # fmt: skip
    began = time.monotonic()
    status = execute(rig.transcript, rig.client.argv(*map(str, argv)), check=False).returncode
    took = time.monotonic() - began
    if status == 28:  # curl's for "timed out"
        return None
    expect(status == 0 and digest(target) == wanted, f"curl brings the file, not status {status}")
    return took


def flood(context, rig, path, rate, seconds, *more):
    """Sends it all; how many segments that were, and in how many seconds."""
    one = Flood(context, rig, path, rate, seconds, *more)
    one.program.wait(seconds + 20)
    report = one.stop()
    return report["sent"], report["seconds"]


def another_source(rig, path):
    """An address of the client's that is of another source: for IPv6 that is a network of 64 bits."""
    address, prefix = ("192.0.2.201", "/24") if path is IPV4 else ("2001:db8:0:1::1", "/64")
    rig.client.run("ip", "addr", "add", address + prefix, "dev", "eth0", quiet=True)
    if path is IPV6:
        rig.server.run("ip", "route", "add", "2001:db8:0:1::/64", "dev", "eth0", quiet=True)
    return address


# ── proofs ──


@alone("under proof reset, over {family}, a source's RST lets its own SYNs in, untranslated, and a flood none of its", families=(IPV4, IPV6))
def reset_cookies(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "always", 'proof = "reset"\n'))
        rig.start_middle(middle)
        accept_spoofed(rig)
        rig.nginx()
        counted, took = Counted(rig, middle), []
        for source in (path.client, another_source(rig, path)):
            took.append(fetch(rig, path, source))
            change = counted.more()
            expect(took[-1] is not None, f"a client that resets the box's answer gets in: {change}")
            expect(change.get("answered", 0) >= 2, f"its SYN is answered and its RST is for the box: {change}")
            expect(change["server"] == 1, f"the server sees its own SYN, repeated: {change}")
            expect("emitted" not in change and "dropped" not in change, f"nothing is said or dropped besides: {change}")
            later = fetch(rig, path, source)
            change = counted.more()
            expect("answered" not in change, f"from then on its SYNs pass untouched: {change}")
            expect(later < 0.9, f"and at once: {later:.2f} s")
        say(f"the first connections of two sources took {took[0]:.3f} and {took[1]:.3f} s")

        sent, _ = flood(context, rig, path, 2000, 1)
        change = counted.more()
        expect(change.get("answered") == sent, f"each of {sent} SYNs is answered: {change}")
        expect(change["server"] == 0, f"the server sees none of them: {change}")
        sent, _ = flood(context, rig, path, 2000, 0.5, "--flags", 4)
        change = counted.more()
        expect(change.get("no-connection") == sent, f"RSTs with numbers made up prove nothing: {change}")
        sent, _ = flood(context, rig, path, 2000, 1)
        change = counted.more()
        expect((change.get("answered"), change["server"]) == (sent, 0), f"nobody of them is trusted: {change}")


@alone("under proof reset a client behind a firewall that drops its RST does not get in")
def reset_cookies_behind_a_firewall(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "always", 'proof = "reset"\n'))
        rig.start_middle(middle)
        rig.client.run("nft", "table inet wall { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }")
        rig.nginx()
        counted = Counted(rig, middle)
        took = fetch(rig, path, patience=2.5)
        change = counted.more()
        expect(took is None, f"it waits in vain, and not only {took} s: {change}")
        expect(change.get("answered", 0) >= 2 and change["server"] == 0, f"each of its SYNs is answered: {change}")


@alone("under proof second_syn, over {family}, the first SYN of a client is dropped, and so is a flood's unless it repeats itself")
def second_syn(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "always", 'proof = "second_syn"\n'))
        rig.start_middle(middle)
        accept_spoofed(rig)
        rig.nginx()
        counted = Counted(rig, middle)
        took = fetch(rig, path)
        change = counted.more()
        expect(took is not None and took > 0.5, f"the client has to ask twice, which takes {took} s: {change}")
        expect((change.get("first-syn"), change["server"]) == (1, 1), f"the first is dropped, the second passes: {change}")
        expect("answered" not in change and "emitted" not in change, f"the box says nothing: {change}")
        later = fetch(rig, path)
        change = counted.more()
        expect("first-syn" not in change and later < 0.5, f"its source is trusted: {later:.2f} s, {change}")

        sent, _ = flood(context, rig, path, 1000, 1, "--seed", 3)
        change = counted.more()
        expect((change.get("first-syn"), change["server"]) == (sent, 0), f"all {sent} SYNs of a flood are dropped: {change}")
        again, _ = flood(context, rig, path, 1000, 1, "--seed", 3)
        change = counted.more()
        expect(change["server"] >= 0.9 * min(sent, again), f"a flood that repeats itself passes, too: {change}")


# ── rates ──


@alone("a service gets syn_rate SYNs a second and no more, over {family}, and one source source_rate of a service's, whatever the mode",
       families=(IPV6,))  # fmt: skip
def rates(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "monitor", "syn_rate = 50\n"))
        rig.start_middle(middle)
        accept_spoofed(rig)
        loud, quiet = *more_addresses(rig, path, 1), another_source(rig, path)
        rig.nginx()
        counted = Counted(rig, middle)
        sent, seconds = flood(context, rig, path, 1000, 1)
        change = counted.more()
        say(f"syn_rate 50: {change['server']} of {sent} SYNs passed in {seconds:.1f} s")
        expect(change["server"] + change.get("syn-limit", 0) == sent, f"what does not pass has its reason: {change}")
        # A tenth of a second's may have been saved up, and the last second's may be as many more.
        expect(0.5 * 50 * seconds <= change["server"] <= 50 * seconds + 5 + 1, f"50 a second pass: {change}")

        middle.write_config(guarding(path, "monitor", "source_rate = 20\n"))
        middle.sluice("reload")
        counted.start()
        # Nobody asks twice: patience ends before a SYN is repeated.
        report = honest(rig, path, count=100, number=100, pause=0, patience=0.9, sources=[loud])
        change = counted.more()
        other = honest(rig, path, count=20, number=20, pause=0, patience=0.9, sources=[quiet])
        say(f"source_rate 20: {report['succeeded']} of 100 connections of one source passed, {other['succeeded']} of 20 of another")
        # As many as in one and a half seconds, which is how far back the box looks.
        expect(10 <= report["succeeded"] <= 30 * (1 + int(report["seconds"])), f"one source's are limited: {report}, {change}")
        expect(change.get("source-limit", 0) >= 100 - report["succeeded"], f"they have their reason: {change}")
        expect(other["succeeded"] == 20, f"another source is not: {other}")


@alone("under attack a loud source is limited alone, and beyond maximum_rate a service gets no more than that")
def limits(context, path):
    levels = "alarm_rate = 200\nactivate_rate = 400\nmaximum_rate = 2000\nsource_floor = 20\nstay = 1\nbaseline_multiple = 0\n"
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "auto", levels))
        rig.start_middle(middle)
        prepare(rig)

        def level():
            return max((row["defence"] for row in attacks(middle)), key=("quiet", "alarm", "defend", "maximum").index, default="quiet")

        one = Flood(context, rig, path, 1000, 60, "--one-source")
        wait_until(lambda: level() == "defend", "the service is defended", 10)
        time.sleep(0.5)  # the source is named within a step or two, and what it had under way is gone
        counted = Counted(rig, middle)
        began = time.monotonic()
        report = honest(rig, path, seconds=2, number=10, pause=0.1)
        limited = middle.statistics()["reason_source-limit"] - counted.before["reason_source-limit"]
        seconds = time.monotonic() - began
        sent = one.stop()
        rate = sent["sent"] / sent["seconds"]
        say(f"one source sent {rate:.0f} SYNs a second, {limited / seconds:.0f} were dropped: source-limit; "
            f"others: {report['succeeded']} of {report['transactions']}")  # fmt: skip
        expect(limited > 0.8 * (rate - 20) * seconds, f"of {rate:.0f} SYNs a second 20 pass: {limited} dropped in {seconds:.1f} s")
        expect(report["succeeded"] == report["transactions"], f"nobody else is: {report}")
        expect("loud" in attacks(middle)[0]["kind"], f"the attack is called loud: {attacks(middle)}")

        wait_until(lambda: all(row["end"] for row in attacks(middle)), "the attack is over", 30, every=0.2)
        one = Flood(context, rig, path, 5000, 60)
        wait_until(lambda: level() == "maximum", "the service stands at maximum", 10)
        began, before = time.monotonic(), middle.statistics()
        time.sleep(1)
        change, seconds = grown(middle.statistics(), before), time.monotonic() - began
        one.stop()
        limit, answered = change["reason_syn-limit"] / seconds, change["answered"] / seconds
        say(f"at maximum_rate 2000, of a flood of 5000 SYNs a second {limit:.0f} were dropped: syn-limit, {answered:.0f} answered")
        expect(1000 <= answered <= 2400, f"2000 a second are answered: {answered:.0f}")
        expect(limit > 1000, f"the others are dropped for that reason: {limit:.0f} a second")


# ── sources ──


@alone("SYNs of a denied source are dropped, over {family}, those of an allowed one pass untouched, the longest prefix counting",
       families=(IPV4, IPV6))  # fmt: skip
def allowed_and_denied(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=guarding(path, "always"))
        rig.start_middle(middle)
        denied, allowed = more_addresses(rig, path, 2)
        rig.nginx()
        expect(fetch(rig, path) is not None, "the first shows what the server knows")
        with rig.client, socket.socket(path.family, socket.SOCK_STREAM) as held:
            held.settimeout(5)
            held.bind((denied, 0))
            held.connect((path.server, PORT))
            both = f"{denied}/{31 if path is IPV4 else 127}"
            middle.write_config(guarding(path, "always", of_all=f'deny = ["{both}"]\nallow = ["{allowed}"]\n'))
            middle.sluice("reload")
            counted = Counted(rig, middle)
            expect(fetch(rig, path, denied, patience=1.5) is None, "a denied source opens no connections")
            change = counted.more()
            expect(change.get("source-denied", 0) >= 1, f"its SYNs are dropped for that reason: {change}")
            expect(change["server"] == 0 and "answered" not in change, f"and neither answered nor passed on: {change}")
            held.sendall(b"GET /small HTTP/1.0\r\n\r\n")
            expect(held.recv(100).startswith(b"HTTP/1.1 200"), "what it has open goes on")
        counted.more()
        expect(fetch(rig, path, allowed) is not None, "an allowed source is served")
        change = counted.more()
        expect(change["server"] == 1, f"by its own SYN: {change}")
        expect("answered" not in change and "emitted" not in change, f"which passes untouched: {change}")
        expect(fetch(rig, path) is not None, "anybody else is served")
        change = counted.more()
        expect(change.get("emitted", 0) >= 3 and change.get("answered", 0) >= 2, f"and proxied: {change}")
