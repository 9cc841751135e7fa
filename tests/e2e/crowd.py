"""The control socket under a crowd, half of it hostile; and events as fast as a flood makes them."""

import json
import os
import re
import signal
import sys
import time

from guard import LONG, Flood, accept_spoofed, resident_kilobytes, say
from rig import crowd
from rig.process import Program, expect, wait_until
from rig.scenario import scenario
from rig.topology import IPV4
from traffic import iperf3

CLIENTS = 1000 if LONG else 200
SECONDS = 20 if LONG else 3
MEGABITS = 100  # a second, of the traffic that must not mind
NOBODY = 65534


def beside(sentence):
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, device="af_packet")


def clients(rig, name, *words):
    """Of another user than root, but for what is told apart."""
    argv = [sys.executable, crowd.__file__, rig.middle.socket_path, "--seconds", SECONDS + 1, *words]
    return rig.run_program(argv, name)


def report(program):
    program.wait(SECONDS + 30)
    return json.loads(program.log())


@beside("half a crowd of hostile clients at the control socket costs neither traffic nor memory nor the honest half")
def hostile_crowd(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig))
        rig.iperf3()
        os.chmod(rig.middle.socket_path, 0o666)
        before = resident_kilobytes(rig.middle)
        hostile = clients(rig, "hostile", "--hostile", CLIENTS // 2, "--user", NOBODY)
        honest = clients(rig, "honest", "--honest", CLIENTS // 2 - 10, "--user", NOBODY)
        root = clients(rig, "root", "--honest", 10)
        time.sleep(0.8)  # all are there
        rate = iperf3(rig, IPV4, "--bitrate", f"{MEGABITS}M", "--time", str(SECONDS - 1))["end"]["sum_received"]["bits_per_second"] / 1e6
        during = resident_kilobytes(rig.middle)
        attacked, served, roots = report(hostile), report(honest), report(root)
        wait_until(lambda: rig.middle.statistics()["clients"] == 1, "all are gone")
        grown = max(during, resident_kilobytes(rig.middle)) - before
        say(f"{rate:.1f} of {MEGABITS} Mbit/s beside {CLIENTS} clients; memory {before // 1024} MB, and {grown / 1024:.1f} more")
        say(f"honest: {json.dumps({**served, 'hostile': None})}")
        say(f"root:   {json.dumps({**roots, 'hostile': None})}")
        say(f"hostile ones that came: {json.dumps(attacked['hostile'])}")
        expect(all(attacked["hostile"].values()), "each kind came")
        expect(rate > 0.9 * MEGABITS, f"traffic goes on at its rate, and not at {rate:.1f} Mbit/s")
        expect(grown < 40 * 1024, f"memory does not grow by {grown} KB")
        for who, told in (("honest", served), ("root", roots)):
            expect(told["wrong"] == 0 and told["cut"] == 0, f"{who} clients are answered right: {told}")
            expect(told["right"] > SECONDS * 10, f"{who} clients are served: {told}")
            expect(told["longest_ms"] < 3000, f"{who} clients wait no longer than a moment: {told}")
        expect(roots["refused"] == 0, f"root has a place: {roots}")


LOST = re.compile(r"events have been lost: (\d+) were read too slowly, (\d+) came too fast")
SHOWN = re.compile(r"(\d+) flow events have been shown")


# A flood makes events until it stops, and none after that: no flow of it ends by itself meanwhile.
STEADY = "[tracker]\nmax = 65536\n[guard]\nenabled = false\n[tcp]\ntimeout_close = 600\ntimeout_syn_sent = 600\ntimeout_syn_recv = 600\n"


def microseconds_of(process):
    """Of processor time, that its first thread has used."""
    with open(f"/proc/{process}/task/{process}/schedstat") as file:
        return int(file.read().split()[0]) / 1000


@beside("of events that a flood makes faster than they are read each is shown or counted as lost")
def flooded_followers(context):
    seconds, rate = (10, 300_000) if LONG else (1, 100_000)
    for words in ((), ("-o", "json")) if LONG else ((),):
        with context.rig() as rig:
            rig.start_middle(context.sluiced(rig, extra=STEADY))
            accept_spoofed(rig)
            said = os.path.join(rig.folder, "said")
            argv = [context.programs.sluice, "--socket", rig.middle.socket_path, "-E", *([] if LONG else ["-b", "65536"]), "-e", "NEW,UPDATES,DESTROY", *words]
            follower = Program(rig.transcript, argv, os.devnull, error_path=said)
            rig.programs.append(follower)
            wait_until(lambda: rig.middle.statistics().get("event_readers") == 1, "somebody follows the events")
            spent = [microseconds_of(each.pid) for each in (rig.middle.program, follower)]
            flood = Flood(context, rig, IPV4, rate, seconds, "--plain")
            time.sleep(seconds / 2)
            follower.send(signal.SIGSTOP)  # it reads nothing for a while
            time.sleep(0.3)
            follower.send(signal.SIGCONT)
            flood.program.wait(60)
            rig.settle(quiet=0.3)
            statistics = rig.middle.statistics()
            spent = [microseconds_of(each.pid) - before for each, before in zip((rig.middle.program, follower), spent)]
            follower.stop(signal.SIGINT)
            with open(said) as file:
                words_said = file.read()
            shown = int(SHOWN.search(words_said)[1])
            made = statistics["events"] + statistics["events_lost"]
            say(f"{made / seconds:,.0f} events a second, {shown / seconds:,.0f} shown ({' '.join(words) or 'listing'}), lost "
                f"{statistics['event_rows_lost']} by the reader and {statistics['events_lost']} by the worker; an event took "
                f"{spent[0] / made:.2f} µs of the daemon's control thread and {spent[1] / shown:.2f} µs of the reader")  # fmt: skip
            expect(made > 10_000, f"a flood makes events: {made}")
            expect(statistics["event_rows_lost"] > 0, "one that does not read loses some")
            expect(shown == statistics["event_rows"], f"all rows arrive: {shown} of {statistics['event_rows']}")
            if not words:
                lost = [sum(map(int, found)) for found in zip(*LOST.findall(words_said))]
                expect(shown + sum(lost) == made, f"{shown} shown and {lost} lost are not the {made} that there were")
