"""The servers real clients talk to: nginx, dnsmasq, iperf3, and small ones of our own where behaviour has to be
exact (half-closed, resetting, echoing)."""

import hashlib
import os
import random
import shutil
import socket
import struct
import threading

from .process import Failure, Program, execute, wait_until

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
user root;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 0;   # every request is a connection of its own
    sendfile off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    server {{
        listen 80;
        listen [::]:80;
        root {folder}/www;
        rewrite ^/small-.*$ /small last;   # many names for one file
        rewrite ^/large-.*$ /large last;
    }}
}}
"""

SIZES = {"small": 20_000, "large": 2_000_000}


def listening(namespace, port, kind="-t"):
    """Whether something listens on the port in the namespace."""
    shown = namespace.run("ss", "-H", "-l", "-n", kind, f"sport = :{port}", quiet=True).stdout
    return bool(shown.strip())


def may_still_send(namespace):
    """The TCP sockets in the namespace, a line each, that have something on the way: data or a FIN that nobody has
    acknowledged, a handshake half done. What is established, half-closed or in TIME_WAIT with nothing queued is silent."""
    shown = namespace.run("ss", "-H", "-t", "-n", "state", "connected", "exclude", "time-wait", quiet=True).stdout
    busy = ("SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "CLOSING", "LAST-ACK")
    rows = (line.split() for line in shown.splitlines())
    return [" ".join(row) for row in rows if row[0] in busy or row[2] != "0"]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def start_nginx(transcript, namespace, folder):
    """nginx on port 80, both families. Returns the program and the digest of each file it serves."""
    if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        raise Failure("nginx is not installed: run scripts/install-dependencies")
    www = os.path.join(folder, "www")
    os.makedirs(www)
    source = random.Random(80)
    digests = {}
    for name, size in SIZES.items():
        path = os.path.join(www, name)
        with open(path, "wb") as file:
            file.write(source.randbytes(size))
        digests[name] = digest(path)
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w") as file:
        file.write(NGINX.format(folder=folder))
    argv = namespace.argv("nginx", "-p", folder, "-c", config, "-e", os.path.join(folder, "nginx-error.log"))
    program = Program(transcript, argv, os.path.join(folder, "nginx.log"))
    wait_until(lambda: listening(namespace, 80), "nginx listens on port 80")
    return program, digests


def start_dnsmasq(transcript, namespace, folder, names):
    """dnsmasq on port 53, answering `names` (name to list of addresses) and nothing else."""
    argv = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-poll", "--user=root",
            "--conf-file=/dev/null", f"--pid-file={folder}/dnsmasq.pid", "--local=/test/"]  # fmt: skip
    for name, addresses in names.items():
        argv.append(f"--host-record={name},{','.join(addresses)}")
    program = Program(transcript, namespace.argv(*argv), os.path.join(folder, "dnsmasq.log"))
    wait_until(lambda: listening(namespace, 53, "-u"), "dnsmasq listens on port 53")
    return program


def start_iperf3(transcript, namespace, folder):
    argv = namespace.argv("iperf3", "--server", "--port", "5201")
    program = Program(transcript, argv, os.path.join(folder, "iperf3.log"))
    wait_until(lambda: listening(namespace, 5201), "iperf3 listens on port 5201")
    return program


def one_family(listener):
    """Keeps an IPv6 socket from taking the IPv4 port too."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


class TcpServer:
    """Accepts connections in the namespace and hands each to `serve(connection)` on a thread of its own."""

    def __init__(self, namespace, family, port, serve):
        with namespace:
            self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one_family(self.listener)
        self.listener.bind(("", port))
        self.listener.listen(256)
        self.serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass  # the client's own view is what the test judges
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown() wakes the thread that sits in accept(); close() alone would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class UdpEcho:
    """Sends every datagram back to where it came from."""

    def __init__(self, namespace, family, port):
        with namespace:
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        one_family(self.socket)
        self.socket.bind(("", port))
        self.socket.settimeout(0.2)
        self.going = True
        self.thread = threading.Thread(target=self._echo, daemon=True)
        self.thread.start()

    def _echo(self):
        while self.going:
            try:
                data, sender = self.socket.recvfrom(65535)
                self.socket.sendto(data, sender)
            except OSError:
                continue  # the timeout, or an ICMP error about an earlier answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.going = False
        self.thread.join()
        self.socket.close()


def read_forever(connection):
    """Serves a connection by reading until it ends."""
    while connection.recv(1 << 16):
        pass


def reset(connection):
    """Closes with a RST: lingering for zero seconds discards what is queued (tcp(7), SO_LINGER)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dns_question(name, kind, identifier):
    """A DNS query (RFC 1035, section 4) for one name; kind 1 is A, 28 is AAAA."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", identifier, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def dns_answer_address(answer, question):
    """The address in the first record of the answer to `question`, as text; None when there is none."""
    identifier, _, _, answers = struct.unpack("!HHHH", answer[:8])
    if identifier != struct.unpack("!H", question[:2])[0] or answers == 0:
        return None
    record = answer[len(question) :]  # the question is repeated whole, then a compressed name of two bytes
    kind, _, _, length = struct.unpack("!HHIH", record[2:12])
    data = record[12 : 12 + length]
    return socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data)


def ping(transcript, namespace, address, *options):
    return execute(transcript, namespace.argv("ping", *options, address), check=False)
