"""What is negotiated through the SYN proxy: for every mixture of options, both ends must agree on what they would have
agreed on directly, but for what a cookie cannot keep: without timestamps neither window scale, SACK nor ECN (the bits
would be missing in its MAC), and of the client's MSS one of four classes.

Netem is not in every kernel; where a wire has to lose packets, each end drops what comes in, by lot (nft numgen)."""

import hashlib
import random
import re
import socket
import struct
import time

from guard import GUARD, LONG, say, service
from rig.process import expect
from rig.scenario import scenario
from rig.services import TcpServer
from rig.topology import IPV4, IPV6

FIRST_PORT = 7600
BLOB = 20_000  # bytes that each connection carries in each direction
LARGE = 100_000_000 if LONG else 3_000_000

OPTIONS = {"tcp_timestamps": 1, "tcp_sack": 1, "tcp_window_scaling": 1}
# ECN: 1 asks for it, 2 accepts it when asked, 0 neither.
CLIENT, SERVER = OPTIONS | {"tcp_ecn": 1}, OPTIONS | {"tcp_ecn": 2}
CLIENTS = [
    {"tcp_timestamps": bits & 1, "tcp_sack": bits >> 1 & 1, "tcp_window_scaling": bits >> 2 & 1, "tcp_ecn": bits >> 3}
    for bits in range(16)
]
# What servers lack, and the MSS they are held to.
SERVERS = [
    (SERVER, None),
    (SERVER | {"tcp_ecn": 0}, 1300),
    (SERVER | {"tcp_sack": 0}, None),
    (SERVER | {"tcp_window_scaling": 0}, 800),
    (SERVER | {"tcp_timestamps": 0}, None),
]
# Of the client: its interface's, one of the classes, and one between two (and the class that is left of it).
MSS = {socket.AF_INET: ((None, None), (1300, 1300), (1350, 1300)), socket.AF_INET6: ((None, None), (1300, 1300), (1290, 1220))}


def tune(namespace, settings):
    """Sets what is in net.ipv4 of the namespace: /proc/sys/net shows the namespace of the thread that looks."""
    with namespace:
        for name, value in settings.items():
            with open("/proc/sys/net/ipv4/" + name, "w") as file:
                file.write(str(value))


# ── two ends ──


def receive_exactly(connection, count):
    parts = []
    while count > 0:
        data = connection.recv(min(count, 1 << 16))
        if not data:
            raise EOFError(f"closed with {count} bytes still to come")
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def echo(connection):
    """Sends back what comes: a length, and as many bytes; until the client closes."""
    connection.settimeout(120)
    try:
        while True:
            (count,) = struct.unpack("!I", receive_exactly(connection, 4))
            connection.sendall(receive_exactly(connection, count))
    except EOFError:
        pass


class Server(TcpServer):
    def __init__(self, rig, path, port, mss, serve=echo):
        super().__init__(rig.server, path.family, port, serve)
        if mss:
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)


def open_connection(rig, path, port, mss=None, timeout=20.0):
    with rig.client:
        connection = socket.socket(path.family, socket.SOCK_STREAM)
    if mss:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    connection.settimeout(timeout)
    connection.connect((path.server, port))
    return connection


def there_and_back(connection, data):
    connection.sendall(struct.pack("!I", len(data)) + data)
    expect(receive_exactly(connection, len(data)) == data, f"{len(data)} bytes come back as they were sent")


# ── what `ss -tio` shows ──


def shown(namespace):
    """By (client's port, server's port): the options, the window scales, what each end may send."""
    found = {}
    for line in namespace.run("ss", "-tinoHO", "state", "established", quiet=True).stdout.splitlines():
        ports = [int(port) for port in re.findall(r":(\d+)(?=\s|$)", line)[:2]]
        words = line.split()
        values = dict(word.split(":", 1) for word in words if re.match(r"(wscale|mss|advmss):", word))
        found[tuple(sorted(ports, key=lambda port: FIRST_PORT <= port < FIRST_PORT + 100))] = {
            "options": {word for word in ("ts", "sack", "ecn") if word in words},
            "wscale": values.get("wscale"), "mss": int(values["mss"]), "advmss": int(values["advmss"]),
        }  # fmt: skip
    return found


def through_a_cookie(direct, kept_mss, at_server):
    """What has to be seen where the proxied connection differs from the direct one, and may."""
    expected = dict(direct)
    if "ts" not in direct["options"]:
        expected["options"], expected["wscale"] = set(), None
    if at_server and kept_mss:
        expected["mss"] = min(direct["mss"], kept_mss - (12 if "ts" in direct["options"] else 0))
    return expected


# ── the scenarios ──


def guarded_ports(ports, path):
    return GUARD + "".join(service(path, port, "always", f"p{port}") for port in ports)


def compare(context, rig, path, variants):
    """Opens every client's connection directly and through the proxy, for each of the servers."""
    ports = [(FIRST_PORT + 2 * number, FIRST_PORT + 2 * number + 1) for number in range(len(variants))]
    middle = context.sluiced(rig, workers=context.options.workers, extra=guarded_ports([two for _, two in ports], path))
    rig.start_middle(middle)
    data, compared, wrong = random.Random(5).randbytes(BLOB), 0, []
    for (direct, proxied), (settings, server_mss) in zip(ports, variants):
        tune(rig.server, settings)
        with Server(rig, path, direct, server_mss), Server(rig, path, proxied, server_mss):
            # The first SYN that asks for all there is shows what the server knows, and is not proxied; each worker learns
            # for itself, and a connection goes to either.
            tune(rig.client, CLIENT)
            for _ in range(1 if context.options.workers == 1 else 16):
                with open_connection(rig, path, proxied) as connection:
                    there_and_back(connection, data)
            before, pairs = middle.statistics()["emitted"], []
            for client in CLIENTS:
                tune(rig.client, client)
                for mss, kept in MSS[path.family]:
                    two = [open_connection(rig, path, port, mss) for port in (direct, proxied)]
                    for connection in two:
                        there_and_back(connection, data)
                    pairs.append((client, mss, kept, two))
            emitted = middle.statistics()["emitted"] - before
            expect(emitted >= 3 * len(pairs), f"all {len(pairs)} are proxied: {emitted} segments of the box's own")
            for at_server, end in enumerate((shown(rig.client), shown(rig.server))):
                for client, mss, kept, two in pairs:
                    seen = [end[(each.getsockname()[1], port)] for each, port in zip(two, (direct, proxied))]
                    compared += 1
                    if seen[1] != through_a_cookie(seen[0], kept, at_server):
                        wrong.append(f"{'server' if at_server else 'client'} sees {seen[1]}, directly {seen[0]}; client "
                                     f"{client} MSS {mss}, server {settings} MSS {server_mss}")  # fmt: skip
            for _, _, _, two in pairs:
                for connection in two:
                    connection.close()
    say(f"{compared} ends of connections compared with their direct likes, {len(wrong)} differ")
    expect(not wrong, f"{len(wrong)} of {compared} differ:\n" + "\n".join(wrong[:8]))


def lose_one_in_a_hundred(rig):
    for namespace in (rig.client, rig.server):
        namespace.run("nft", """
            table netdev lossy {
                chain ingress {
                    type filter hook ingress device eth0 priority 0;
                    ip protocol tcp numgen random mod 100 < 1 counter drop
                    ip6 nexthdr tcp numgen random mod 100 < 1 counter drop
                }
            }
        """, quiet=True)  # fmt: skip


def transfer(context, rig, path):
    """A large transfer in each direction for each of some clients, while one packet in a hundred is lost."""
    middle = context.sluiced(rig, workers=context.options.workers, extra=guarded_ports([FIRST_PORT], path))
    rig.start_middle(middle)
    block = random.Random(6).randbytes(1_000_000)
    digest = hashlib.sha256(block * (LARGE // len(block))).hexdigest()

    def up_or_down(connection):
        connection.settimeout(300)
        if receive_exactly(connection, 1) == b"d":
            for _ in range(LARGE // len(block)):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.sendall(digest_of(connection).encode())

    chosen = [CLIENT, CLIENT | {"tcp_sack": 0}, CLIENT | {"tcp_timestamps": 0}] if not LONG else CLIENTS[-6:]
    with Server(rig, path, FIRST_PORT, None, up_or_down):
        tune(rig.client, CLIENT)
        with open_connection(rig, path, FIRST_PORT) as connection:
            connection.sendall(b"u")
            connection.shutdown(socket.SHUT_WR)
            digest_of(connection)
        before, began = middle.statistics()["emitted"], time.monotonic()
        lose_one_in_a_hundred(rig)
        for client in chosen:
            tune(rig.client, client)
            with open_connection(rig, path, FIRST_PORT, timeout=300) as connection:
                connection.sendall(b"d")
                expect(digest_of(connection) == digest, f"{LARGE} bytes come down as they were sent: {client}")
            with open_connection(rig, path, FIRST_PORT, timeout=300) as connection:
                connection.sendall(b"u")
                for _ in range(LARGE // len(block)):
                    connection.sendall(block)
                connection.shutdown(socket.SHUT_WR)
                expect(receive_exactly(connection, 64).decode() == digest, f"{LARGE} bytes go up as they were sent: {client}")
        emitted = middle.statistics()["emitted"] - before
        # Each worker looks once, and once a minute, at what the server knows.
        looks = context.options.workers - 1 + context.options.workers * int((time.monotonic() - began) / 60)
        expect(emitted >= 3 * (2 * len(chosen) - looks), f"nearly all were proxied: {emitted} segments of the box's own")
    say(f"{2 * len(chosen)} transfers of {LARGE / 1e6:g} MB with one packet in a hundred lost at either end")


def digest_of(connection):
    digested = hashlib.sha256()
    while data := connection.recv(1 << 18):
        digested.update(data)
    return digested.hexdigest()


def register(body, sentence, path, device="af_packet", **settings):
    def run(context):
        with context.rig(**settings) as rig:
            body(context, rig, path)

    scenario(sentence, rig="own", families=(), needs_sluiced=True, device=device)(run)


for path, tag in ((IPV4, None), (IPV6, 42), *(((IPV4, 42), (IPV6, None)) if LONG else ())):
    where = f"over {path.name}" + (" in a VLAN" if tag else "")
    register(lambda context, rig, path, few=tag and not LONG: compare(context, rig, path, SERVERS[:2] if few else SERVERS),
             f"what ends negotiate {where} through the SYN proxy is what they negotiate directly",
             path, device="af_packet" if tag else None, tag=tag)  # fmt: skip
for path in (IPV4, IPV6):
    register(transfer, f"transfers over {path.name} through the SYN proxy are byte for byte the same, with losses", path)
