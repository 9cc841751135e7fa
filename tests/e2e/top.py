"""`sluice top` on a terminal of tmux, and as JSON beside the counters."""

import json
import os
import shlex
from contextlib import contextmanager

from rig.process import execute, expect, wait_until
from rig.scenario import scenario
from rig.services import ping
from rig.topology import IPV4


class Terminal:
    """A shell on a terminal of so many columns and lines."""

    def __init__(self, rig, columns, lines):
        self.rig, self.socket = rig, os.path.join(rig.folder, "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), "env PS1='$ ' sh")

    def tmux(self, *words):
        return execute(self.rig.transcript, ["tmux", "-S", self.socket, *words], quiet=True).stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def until(self, text, seconds=10.0):
        try:
            wait_until(lambda: text in self.screen(), f"`{text}' is on the screen", seconds, every=0.05)
        finally:
            self.rig.transcript.note(self.screen())


@contextmanager
def terminal(rig, columns=100, lines=30):
    made = Terminal(rig, columns, lines)
    try:
        yield made
    finally:
        made.tmux("kill-server")


def equal_to_the_counters(rig):
    """`sluice top --once -o json` says what `sluice stats` and `sluice drops` say."""
    rig.settle()
    top = json.loads(rig.middle.sluice("top", "--once", "--interval", "0.1", "-o", "json", quiet=True).stdout)
    stats = [json.loads(line) for line in rig.middle.sluice("stats", "--json", quiet=True).stdout.splitlines()]
    workers = [row for row in stats if "worker" in row]
    for ours, theirs in zip(top["workers"], workers, strict=True):
        differing = [name for name in theirs if name not in ("loop", "untracked") and ours[name] != theirs[name]]
        expect(not differing, f"top and stats say the same, but for {differing}: {ours} {theirs}")
    drops = [json.loads(line) for line in rig.middle.sluice("drops", "-o", "json", quiet=True).stdout.splitlines()]
    expect(
        [(row["reason"], row["packets"]) for row in top["drops"]] == [(row["reason"], row["packets"]) for row in drops],
        f"top and drops count the same: {top['drops']} {drops}",
    )
    flows = sum(row["flows"]["ipv4"] + row["flows"]["ipv6"] for row in workers)
    expect(top["census"]["flows"] == flows, f"the census finds all {flows} flows: {top['census']}")
    return top


@scenario("sluice top shows what is counted, on a terminal and as JSON, obeys its keys and outlives the daemon", rig="own",
          families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def top_on_a_terminal(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra="[tracker]\nacct = true\n"))
        ping(rig.transcript, rig.client, IPV4.server, "-c", "3", "-i", "0.01")
        top = equal_to_the_counters(rig)
        expect(any(row["address"] == IPV4.client for row in top["talkers"]), f"the client has flows: {top['talkers']}")

        with terminal(rig) as screen:
            words = [context.programs.sluice, "--socket", rig.middle.socket_path]
            screen.keys(shlex.join([words[0], "top", *words[1:], "-d", "0.2"]) + "; echo ended=$?", "Enter")
            screen.until("Flows     1 now")
            screen.until(IPV4.client)
            screen.keys("6")
            screen.until("CYCLES/P")
            screen.keys("4")
            screen.until("nothing has been refused or dropped")
            screen.tmux("resize-window", "-x", "60", "-y", "20")
            screen.until("F10Quit")
            screen.keys("F1")
            screen.until("this help")
            screen.keys("F1", "1")

            rig.middle.stop()
            screen.until("connection lost, retrying")
            rig.middle.start()
            wait_until(lambda: "connection lost" not in screen.screen(), "it has found the new daemon")
            screen.keys("q")
            screen.until("ended=0")
            expect("Traffic" not in screen.screen(), f"the screen is as it was: {screen.screen()}")
            screen.keys(shlex.join([words[0], "top", *words[1:]]) + "; echo then=$?", "Enter")
            screen.until("Traffic")
            screen.keys("C-c")
            screen.until("then=0")
