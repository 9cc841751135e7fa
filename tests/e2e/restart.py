"""The daemon is stopped, killed, reloaded and replaced under connections that are in use: a hundred, with SLUICE_LONG=1 a
thousand."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

from guard import LONG, say
from rig.process import Program, execute, expect, wait_until
from rig.scenario import scenario
from rig.topology import IPV4

HELD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rig", "held.py")
CONNECTIONS = 1000 if LONG else 100
PORT = 7000


def restarted(sentence):
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, device="af_packet")


def serve(rig):
    server = rig.run_program(rig.server.argv(sys.executable, HELD, "serve", IPV4.server, PORT), "echo")
    wait_until(lambda: "ready" in server.log(), "the echo server listens")


class Connections:
    """CONNECTIONS of them unless it is said otherwise, to what serve() has started, through the middle of a rig."""

    def __init__(self, rig, count=CONNECTIONS):
        self.count = count
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CONNECTIONS)), hard))
        self.transcript = rig.transcript
        argv = rig.client.argv(
            sys.executable, HELD, "hold", IPV4.server, PORT, "--connections", count
        )  # fmt: skip
        self.holder = subprocess.Popen(
            [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        expect(self.holder.stdout.readline() == "ready\n", f"{self.count} connections are open")
        return self

    def __exit__(self, *_):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()

    def check(self, seconds=30.0):
        """How many go on, and the longest that one had to wait."""
        self.holder.stdin.write(f"check {seconds}\n")
        self.holder.stdin.flush()
        answer = json.loads(self.holder.stdout.readline())
        self.transcript.note(f"(of {self.count} connections {answer['alive']} go on; the longest wait {answer['gap']} s)")
        return answer["alive"], answer["gap"]

    def finish(self, seconds=15.0):
        """Each comes to its end, and what arrived is what was sent."""
        self.holder.stdin.write(f"finish {seconds}\n")
        self.holder.stdin.flush()
        whole = json.loads(self.holder.stdout.readline())["whole"]
        expect(whole == self.count, f"of {self.count} connections {whole} arrived byte by byte")


class Pings:
    """A hundred pings a second; afterwards, how long none came through."""

    def __init__(self, rig):
        argv = rig.client.argv("ping", "-n", "-i", "0.01", "-D", IPV4.server)
        self.program = Program(rig.transcript, argv, os.path.join(rig.folder, f"pings-{time.monotonic()}.log"))
        wait_until(lambda: "icmp_seq" in self.program.log(), "pings come back")

    def gap(self):
        self.program.stop(signal.SIGINT)
        times = [float(line[1:].split("]")[0]) for line in self.program.log().splitlines() if "icmp_seq" in line and line[0] == "["]
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=0.0)


def sluice(context, middle, word, path, check=True):
    """`sluice save` or `sluice restore`."""
    argv = [context.programs.sluice, word, "--socket", middle.socket_path, path]
    return execute(context.transcript, argv, check=check)


def state_of(rig, more=""):
    return f'[state]\nfile = "{rig.folder}/state/flows"\n{more}'


@restarted("connections in use go on over a reload and over a restart, and the gap is measured")
def restart(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=state_of(rig))
        rig.start_middle(middle)
        serve(rig)
        with Connections(rig) as connections:
            expect(connections.check()[0] == CONNECTIONS, "all connections are in use")
            pings = Pings(rig)
            middle.write_config(state_of(rig) + "[udp]\ntimeout = 40\n")
            os.kill(middle.program.pid, signal.SIGHUP)
            wait_until(lambda: "configuration reloaded" in middle.program.log(), "the daemon reloads")
            alive, wait = connections.check()
            expect(alive == CONNECTIONS, f"of {CONNECTIONS} connections {alive} outlive a reload")
            before = middle.program
            expect(middle.stop() == 0, "the daemon stops in good order")
            expect("flows kept for the next start" in before.log(), "and says that flows are kept")
            rig.start_middle(middle)
            alive, wait = connections.check()
            gap = pings.gap()
            log = middle.program.log()
            expect(alive == CONNECTIONS, f"of {CONNECTIONS} connections {alive} outlive a restart: {log[-600:]!r}")
            expect("flows restored; saved" in log, "the daemon says what it took up")
            expect(not os.path.exists(f"{rig.folder}/state/flows"), "the file is used once")
            connections.finish()
            statistics = middle.statistics()
            expect(statistics["invalid"] == 0, "no segment was refused after the restart")
            say(f"restart: none of {CONNECTIONS} connections lost, no ping for {gap:.2f} s, an exchange took {wait:.2f} s at most")


@restarted("a daemon that was killed comes up by itself and says what was lost")
def killed(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=state_of(rig))
        rig.start_middle(middle)
        serve(rig)
        with Connections(rig) as connections:
            expect(connections.check()[0] == CONNECTIONS, "all connections are in use")
            note = f"{rig.folder}/state/flows.running"
            wait_until(lambda: int(open(note).read().split()[0]) >= CONNECTIONS, "the note counts them", 15, every=0.2)
            middle.program.stop(signal.SIGKILL)
            rig.start_middle(middle)
            log = middle.program.log()
            expect("did not stop in good order: its flows are lost, 10" in log, f"what was lost is said: {log[-600:]!r}")
            alive, _ = connections.check(1.0)
            expect(alive == 0, f"{alive} connections outlive it though nobody knows them: is the other scenario a test?")
            expect(middle.statistics()["reason_no-connection"] > 0, "they are refused for that reason")
        with Connections(rig, 50) as connections:
            expect(connections.check()[0] == 50, "new connections are served as ever")


@restarted("after a daemon was killed the next takes up the last copy of its flows, and connections of before go on")
def copied(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=state_of(rig, "interval = 1\n"))
        rig.start_middle(middle)
        serve(rig)
        with Connections(rig) as connections:
            expect(connections.check()[0] == CONNECTIONS, "all connections are in use")
            copy = f"{rig.folder}/state/flows.last"
            flows = os.stat(copy).st_mtime_ns
            wait_until(lambda: os.stat(copy).st_mtime_ns != flows, "another copy is made", every=0.1)
            connections.check(1.0)  # and they go on after it
            before = middle.program
            before.stop(signal.SIGKILL)
            expect("flows copied in" in before.log(), f"the first copy is told of: {before.log()[-300:]!r}")
            rig.start_middle(middle)
            log = middle.program.log()
            expect("but for those of the copy that it made" in log, f"what was lost is said: {log[-600:]!r}")
            alive, wait = connections.check()
            expect(alive == CONNECTIONS, f"of {CONNECTIONS} connections {alive} outlive it: {middle.sluice('drops').stdout!r}")
            connections.finish()
            expect(middle.statistics()["invalid"] == 0, "no segment was refused")
            say(f"SIGKILL with copies each second: none of {CONNECTIONS} connections lost, an exchange took {wait:.2f} s at most")
            expect(middle.stop() == 0 and not os.path.exists(copy), "a stop in good order leaves no copy")


@restarted("flows saved from one daemon, once its wire is cut, and restored into another go on there")
def moved(context):
    with context.rig() as rig:
        first = context.sluiced(rig)
        rig.start_middle(first)
        serve(rig)
        with Connections(rig) as connections:
            path = f"{rig.folder}/moved"
            done = sluice(context, first, "save", path)
            expect("flow entries have been saved" in done.stderr, done.stderr)
            expect(connections.check()[0] == CONNECTIONS, "saving disturbs nobody")
            rig.between.run("ip", "link", "set", "left", "down")
            time.sleep(0.2)  # what is under way arrives
            sluice(context, first, "save", path)
            first.program.stop(signal.SIGKILL)
            second = context.sluiced(rig, name="second", workers=2)
            rig.start_middle(second)
            done = sluice(context, second, "restore", path)
            alive, _ = connections.check()
            expect(alive == CONNECTIONS, f"of {CONNECTIONS} connections {alive} go on over the other daemon: {done.stderr}")
            again = sluice(context, second, "restore", path)
            expect("had been opened anew" in again.stderr, f"flows that live stay as they are: {again.stderr}")
            damaged = bytearray(open(path, "rb").read())
            damaged[len(damaged) // 2] ^= 1
            with open(path, "wb") as file:
                file.write(damaged)
            refused = sluice(context, second, "restore", path, check=False)
            expect(refused.returncode == 1 and "is damaged" in refused.stderr, f"a damaged file is refused: {refused.stderr}")
