"""Real stacks over two bad wires with a tap between them: the daemon's own tracker, run over what the tap recorded,
refuses nothing of it and tolerates at most one segment in a hundred (but for what timing alone decides). Faults on both
sides of the middle are what a single bad wire cannot show: segments that the middle sees and the other end never does,
and the other way round."""

import collections
import json
import os
import socket
import threading
import time

from counters import TIMING_ALONE
from rig.middle import Tap
from rig.process import Failure, Program, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, reset
from rig.topology import IPV4, IPV6
from traffic import (connect, download, half_closed, half_closed_by_server, iperf3, read_to_end, refused_port,
                     resetting_client, simultaneous_open)  # fmt: skip

FAULTS = ["--loss", "0.01", "--reorder", "0.02", "--seed"]


def keepalive(rig, path):
    """A connection on which nothing is said for a while but keepalives."""
    answers = []

    def serve(connection):
        answers.append(connection.recv(100))

    with TcpServer(rig.server, path.family, 7600, serve):
        with connect(rig, path, 7600, timeout=30.0) as connection:
            for option, seconds in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
                connection.setsockopt(socket.IPPROTO_TCP, option, seconds)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            time.sleep(3.5)
            connection.sendall(b"still here")
            wait_until(lambda: answers, "the server hears what is said after the silence", 30)
    expect(answers == [b"still here"], f"what came after the silence was {answers}")


def slow_reader(rig, path):
    """The server sends more than the client, which reads nothing for a while, has room for: the window closes."""
    length = 600_000

    def serve(connection):
        connection.sendall(bytes(length))

    with TcpServer(rig.server, path.family, 7601, serve):
        with connect(rig, path, 7601, timeout=30.0) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            time.sleep(2.5)
            total = read_to_end(connection)[1]
    expect(total == length, f"{total} of {length} bytes came once the client read")


def resetting_server(rig, path):
    """The server resets; where its RST is lost, what the client says next draws another."""

    def serve(connection):
        connection.recv(1)
        reset(connection)

    with TcpServer(rig.server, path.family, 7604, serve):
        for _ in range(20):
            with connect(rig, path, 7604, timeout=30.0) as connection:
                connection.sendall(b"reset me")
                connection.settimeout(0.5)
                for _ in range(20):
                    try:
                        connection.recv(1)
                    except TimeoutError:
                        connection.sendall(b"?")
                    except ConnectionResetError:
                        break
                else:
                    raise Failure("no reset came")


def reused_ports(rig, path):
    """One pair of ports, again and again: the server closes first and so has it in TIME_WAIT."""

    def serve(connection):
        connection.sendall(b"good bye")

    with TcpServer(rig.server, path.family, 7602, serve):
        for _ in range(5):
            with rig.client, socket.socket(path.family, socket.SOCK_STREAM) as client:
                client.settimeout(30)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind((path.client, 7603))
                client.connect((path.server, 7602))
                total = read_to_end(client)[1]
            expect(total == len(b"good bye"), f"{total} bytes came over the reused ports")
            # Until the server has our FIN it is not in TIME_WAIT, nor our own end gone.
            wait_until(lambda: not client_has(rig, 7603), "the client's end is gone", 30)


def client_has(rig, port):
    return rig.client.run("ss", "-H", "-t", "-n", "state", "connected", f"sport = :{port}", quiet=True).stdout.strip()


def in_the_background(tasks, rig, path):
    """Starts each task in a thread; the function it returns waits for all and passes on the first failure."""
    failures = []

    def attempt(task):
        try:
            task(rig, path)
        except Exception as failure:  # whatever it is, it belongs into the report
            failures.append(failure)

    threads = [threading.Thread(target=attempt, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()

    def finish():
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    return finish


def judge(rig, context):
    """Runs the tracker over what the tap recorded; its verdicts by reason, and no segment refused among them."""
    argv = [context.programs.sluice, "replay", "--json", rig.middle.path]
    capture = os.path.join(rig.folder, "replayed.jsonl")
    program = Program(context.transcript, argv, capture, error_path=capture + ".summary")
    expect(program.wait(60) == 0, "the replay comes to its end")
    segments, reasons, refused = 0, collections.Counter(), []
    with open(capture) as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("protocol") != "tcp":
                continue
            segments += 1
            if row["verdict"] == "invalid":
                refused.append(line)
            elif row["reason"]:
                reasons[row["reason"]] += 1
    counts = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()))
    print(f"      {segments} segments, {len(refused)} refused, tolerated: {counts or 'none'}", flush=True)
    if refused:
        raise Failure(f"{len(refused)} of {segments} honest segments were refused:\n" + "".join(refused[:5]))
    expect(segments > 10_000, f"the tap recorded {segments} segments, which proves little")
    tolerated = sum(count for name, count in reasons.items() if name not in TIMING_ALONE)
    expect(tolerated * 100 <= segments, f"more than one segment in a hundred was only tolerated: {counts}")


def record(context, path):
    wires = {"wire": [*FAULTS, "7"], "server_wire": [*FAULTS, "8"]}
    with context.rig(**wires) as rig:
        rig.start_middle(Tap(rig))
        finish = in_the_background((keepalive, slow_reader, reused_ports), rig, path)
        download(rig, path, "small", 60, parallel=20)
        for task in (half_closed, half_closed_by_server, resetting_server, refused_port, simultaneous_open):
            task(rig, path)
        resetting_client(rig, path, count=3)  # each leaves what was in flight behind
        iperf3(rig, path, "--parallel", "4", "--bitrate", "8M")
        finish()
        rig.settle()
        rig.middle.stop()
        judge(rig, context)


for family in (IPV4, IPV6):
    scenario(f"real stacks over {family.name} with bad wires on both sides are recorded, and nothing of it is refused",
             rig="own", families=(), needs_sluiced=True, device="af_packet")(lambda context, path=family: record(context, path))  # fmt: skip
