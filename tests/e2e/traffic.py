"""Real stacks, real programs: whatever an honest client and server do must come through, and nothing of it may be
refused. (The runner checks the counters after every scenario.)"""

import hashlib
import json
import os
import random
import socket
import threading
import time

from rig.process import Failure, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, UdpEcho, digest, dns_answer_address, dns_question, ping, reset


def download(rig, path, name, count, parallel=32, seconds=120):
    """`count` downloads of a file with curl, each over a connection of its own, each compared byte for byte."""
    digests = rig.nginx()
    folder = os.path.join(rig.folder, "downloads")
    os.makedirs(folder, exist_ok=True)
    urls = f"http://server.test/{name}-[1-{count}]"
    argv = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", parallel,
            "--resolve", f"server.test:80:{path.bracketed(path.server)}",
            "--output", os.path.join(folder, "#1"), urls]  # fmt: skip
    execute(rig.transcript, rig.client.argv(*map(str, argv)), seconds=seconds)
    got = [digest(os.path.join(folder, str(number))) for number in range(1, count + 1)]
    for number in range(1, count + 1):
        os.unlink(os.path.join(folder, str(number)))
    wrong = sum(1 for each in got if each != digests[name])
    expect(wrong == 0, f"{wrong} of {count} downloads differ from what the server has")


@scenario("a thousand downloads over {family} arrive byte for byte")
def thousand_downloads(rig, path):
    download(rig, path, "small", 1000)


@scenario("large downloads over {family} arrive byte for byte")
def large_downloads(rig, path):
    download(rig, path, "large", 20, parallel=4)


def iperf3(rig, path, *options):
    """One run. When the time is up iperf3 resets its streams with data in flight."""
    rig.iperf3()
    argv = rig.client.argv("iperf3", "--client", path.server, "--json", "--time", "3", *options)

    def unless_busy():
        # Where the end of the run before was lost on the way, the server refuses the next one for a moment.
        report = json.loads(execute(rig.transcript, argv, seconds=60, check=False, quiet=True).stdout)
        return report if "busy" not in report.get("error", "") else None

    report = wait_until(unless_busy, "the iperf3 server is free", every=0.2)
    expect("error" not in report, f"iperf3 runs to its end: {report.get('error')}")
    received = report["end"]["sum_received"]
    rig.transcript.note(f"iperf3 {' '.join(options)}: {received['bits_per_second'] / 1e9:.2f} Gbit/s received")
    return report


@scenario("iperf3 with four streams over {family} flows from client to server", aborts=True)
def iperf3_up(rig, path):
    report = iperf3(rig, path, "--parallel", "4")
    for stream in report["end"]["streams"]:
        expect(stream["receiver"]["bytes"] > 100_000, "every one of the four streams carries data")


@scenario("iperf3 with four streams over {family} flows from server to client", aborts=True)
def iperf3_down(rig, path):
    report = iperf3(rig, path, "--parallel", "4", "--reverse")
    for stream in report["end"]["streams"]:
        expect(stream["receiver"]["bytes"] > 100_000, "every one of the four streams carries data")


@scenario("iperf3 with UDP over {family} loses nothing at a modest rate")
def iperf3_udp(rig, path):
    report = iperf3(rig, path, "--udp", "--bitrate", "20M", "--length", "1200")
    lost, sent = report["end"]["sum"]["lost_packets"], report["end"]["sum"]["packets"]
    expect(lost <= sent // 100, f"{lost} of {sent} datagrams were lost")


def connect(rig, path, port, timeout=10.0):
    """A TCP connection from the client's namespace to the server."""
    with rig.client:
        connection = socket.socket(path.family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    connection.connect((path.server, port))
    return connection


def read_to_end(connection):
    digested, total = hashlib.sha256(), 0
    while data := connection.recv(1 << 16):
        digested.update(data)
        total += len(data)
    return digested.hexdigest(), total


@scenario("a server over {family} goes on sending after the client has closed its half")
def half_closed(rig, path):
    body = random.Random(1).randbytes(4_000_000)

    def serve(connection):
        read_to_end(connection)  # only the client's FIN ends this
        for start in range(0, len(body), 1 << 16):
            connection.sendall(body[start : start + (1 << 16)])

    with TcpServer(rig.server, path.family, 7001, serve):
        for _ in range(3):
            with connect(rig, path, 7001, timeout=30.0) as connection:
                connection.sendall(b"send me everything, I say no more")
                connection.shutdown(socket.SHUT_WR)
                found, total = read_to_end(connection)
            expect(total == len(body), f"{total} of {len(body)} bytes came after the half-close")
            expect(found == hashlib.sha256(body).hexdigest(), "what came after the half-close is what was sent")


@scenario("a client over {family} goes on sending after the server has closed its half")
def half_closed_by_server(rig, path):
    arrived = []

    def serve(connection):
        connection.sendall(b"I say no more")
        connection.shutdown(socket.SHUT_WR)
        arrived.append(read_to_end(connection)[1])

    with TcpServer(rig.server, path.family, 7002, serve):
        with connect(rig, path, 7002, timeout=30.0) as connection:
            read_to_end(connection)
            connection.sendall(bytes(2_000_000))
            connection.shutdown(socket.SHUT_WR)
            wait_until(lambda: arrived, "the server has read to the end", 30)
    expect(arrived == [2_000_000], f"{arrived} bytes arrived after the server's half-close")


@scenario("a client over {family} sees the reset of a server that resets", aborts=True)
def resetting_server(rig, path):
    def serve(connection):
        connection.recv(1)
        reset(connection)

    with TcpServer(rig.server, path.family, 7003, serve):
        for number in range(50):
            with connect(rig, path, 7003) as connection:
                connection.sendall(b"x" * (number + 1))
                try:
                    while connection.recv(100):
                        pass
                    raise Failure("the connection ended without the reset the server sent")
                except ConnectionResetError:
                    pass


@scenario("a server over {family} sees the reset of a client that gives up in the middle of a download",
          aborts=True)  # fmt: skip
def resetting_client(rig, path, count=20):
    resets = []

    def serve(connection):
        try:
            while True:
                connection.sendall(bytes(1 << 16))
        except (ConnectionResetError, BrokenPipeError):
            resets.append(1)

    with TcpServer(rig.server, path.family, 7004, serve):
        for _ in range(count):
            connection = connect(rig, path, 7004)
            connection.recv(100_000)
            reset(connection)
        wait_until(lambda: len(resets) == count, f"the server sees all {count} resets, not {len(resets)}")


@scenario("a connection over {family} to a closed port is refused at once")
def refused_port(rig, path):
    for port in range(7100, 7150):
        try:
            connect(rig, path, port, timeout=3.0).close()
            raise Failure(f"a connection to the closed port {port} was accepted")
        except ConnectionRefusedError:
            pass


@scenario("both ends over {family} may open the same connection at the same time")
def simultaneous_open(rig, path):
    """Two bound sockets that connect to each other (RFC 9293, figure 8): tried until the SYNs cross."""
    for attempt in range(20):
        ends = []
        for namespace, own, port in ((rig.client, path.client, 7200), (rig.server, path.server, 7201)):
            with namespace:
                end = socket.socket(path.family, socket.SOCK_STREAM)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.bind((own, port + 2 * attempt))
            end.settimeout(5)
            ends.append(end)
        start = threading.Barrier(2)
        outcome = []

        def open_towards(end, other, port):
            start.wait()
            outcome.append(end.connect_ex((other, port)))

        threads = [
            threading.Thread(target=open_towards, args=(ends[0], path.server, 7201 + 2 * attempt)),
            threading.Thread(target=open_towards, args=(ends[1], path.client, 7200 + 2 * attempt)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if outcome == [0, 0]:
            ends[0].sendall(b"crossed")
            expect(ends[1].recv(100) == b"crossed", "data flows over the connection both ends opened")
        for end in ends:
            end.close()
        if outcome == [0, 0]:
            rig.transcript.note(f"the SYNs crossed at attempt {attempt + 1}")
            return
    rig.transcript.note("the SYNs did not cross in 20 attempts; every attempt was refused as it should be")


@scenario("UDP datagrams over {family} are echoed, whole ones and fragmented ones")
def udp_echo(rig, path):
    source = random.Random(7)
    with UdpEcho(rig.server, path.family, 7300), rig.client:
        client = socket.socket(path.family, socket.SOCK_DGRAM)
        client.settimeout(3.0)
        client.connect((path.server, 7300))
        for length in [1, 18, 512, 1400, 1452] * 40 + [1500, 3000, 8000, 20_000]:
            data = source.randbytes(length)
            client.send(data)
            expect(client.recv(65535) == data, f"a datagram of {length} bytes comes back as it was sent")
        client.close()


@scenario("DNS over {family} is answered, by UDP and by TCP")
def dns(rig, path):
    rig.dnsmasq()
    kind = 28 if path.family == socket.AF_INET6 else 1
    with rig.client:
        for identifier in range(1, 101):
            question = dns_question("server.test", kind, identifier)
            with socket.socket(path.family, socket.SOCK_DGRAM) as client:
                client.settimeout(3.0)
                client.connect((path.server, 53))
                client.send(question)
                address = dns_answer_address(client.recv(4096), question)
            expect(address == path.server, f"server.test is {path.server}, not {address}")
        question = dns_question("server.test", kind, 500)
        with socket.socket(path.family, socket.SOCK_STREAM) as client:
            client.settimeout(3.0)
            client.connect((path.server, 53))
            client.sendall(len(question).to_bytes(2, "big") + question)
            answer = client.recv(4096)
        expect(dns_answer_address(answer[2:], question) == path.server, "the answer over TCP is the same")


@scenario("ping over {family} is answered, small and fragmented")
def pings(rig, path):
    # Once one answer has come, ping waits for the last no longer than one interval (or two round trips).
    for size in (0, 56, 1400, 4000, 20_000):
        done = ping(rig.transcript, rig.client, path.server, "-c", "5", "-i", "0.1", "-W", "2", "-s", str(size))
        expect(done.returncode == 0 and " 0% packet loss" in done.stdout, f"all pings of {size} bytes come back")


@scenario("the ICMP error for a closed UDP port over {family} reaches the client")
def port_unreachable(rig, path):
    with rig.client:
        for port in range(7400, 7405):
            with socket.socket(path.family, socket.SOCK_DGRAM) as client:
                client.settimeout(3.0)
                client.connect((path.server, port))
                client.send(b"anyone there?")
                try:
                    client.recv(100)
                    raise Failure(f"the closed port {port} answered")
                except ConnectionRefusedError:
                    pass  # the port unreachable came through
                except TimeoutError:
                    raise Failure(f"no port unreachable came for port {port}") from None


@scenario("a connection over {family} that the server's firewall rejects is reported to the client")
def administratively_rejected(rig, path):
    """The server's own firewall answers the SYN with an ICMP error that quotes it: related to the flow."""
    ip = "ip6" if path.family == socket.AF_INET6 else "ip"
    rules = f"""
        add table inet rejecting
        add chain inet rejecting input {{ type filter hook input priority 0; }}
        add rule inet rejecting input meta l4proto tcp {ip} daddr {path.server} tcp dport 7500 reject with icmpx host-unreachable
    """
    rig.server.run("nft", rules)
    try:
        with rig.client:
            client = socket.socket(path.family, socket.SOCK_STREAM)
            client.settimeout(0.6)
            # The kernel keeps a soft error until the connection times out; IP_RECVERR makes it report at once.
            level, option = (socket.IPPROTO_IPV6, 25) if path.family == socket.AF_INET6 else (socket.SOL_IP, 11)
            client.setsockopt(level, option, 1)
            error = client.connect_ex((path.server, 7500))
            # The kernel wakes us when it queues the ICMP error, and sets the socket's own error after that.
            end = time.monotonic() + 0.6
            while error == 0 and time.monotonic() < end:
                time.sleep(0.01)
                error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            client.close()
        expect(error in (113, 101), f"the client learns that the host is unreachable (connect gave errno {error})")
    finally:
        rig.server.run("nft", "delete table inet rejecting")
