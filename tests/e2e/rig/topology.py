"""The rig a scenario runs on: namespaces, wires, the middle, the servers; built once, used by many scenarios."""

import os
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import dataclass

from . import services
from .middle import WIRE
from .network import Namespace, connect, silence
from .process import Program, wait_until


@dataclass(frozen=True)
class Path:
    """One address family's view of the rig."""

    name: str  # for people: IPv4 or IPv6
    family: int
    client: str
    server: str
    unused: str  # an address on the same network that nobody has

    def bracketed(self, address):
        return f"[{address}]" if self.family == socket.AF_INET6 else address


# Documentation prefixes (RFC 5737, RFC 3849): never anyone's real address.
IPV4 = Path("IPv4", socket.AF_INET, "192.0.2.1", "192.0.2.2", "192.0.2.99")
IPV6 = Path("IPv6", socket.AF_INET6, "2001:db8::1", "2001:db8::2", "2001:db8::99")


class Rig:
    """client ns ── [wire] ── middle ── [wire] ── server ns. Use as a context manager: leaving takes it all down."""

    def __init__(self, transcript, make_middle, wire=None, server_wire=None, tag=None,
                 offloads=False):  # fmt: skip
        self.transcript = transcript
        self.make_middle = make_middle  # (rig) -> a middle, not yet started; None for an empty middle
        self.wire = wire  # arguments of a faulty wire on the client's side
        self.server_wire = server_wire  # and of one on the server's
        self.tag = tag  # a VLAN identifier everything in the middle carries
        self.offloads = offloads
        self.perfect = wire is None and server_wire is None  # nothing is lost or overtaken between the two ends
        self.programs, self.namespaces = [], []
        self.middle = None
        self.folder = None
        self._nginx = self._dnsmasq = self._iperf3 = None

    # ── building and taking down ──

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-e2e-")
        os.chmod(self.folder, 0o755)
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _namespace(self, role):
        namespace = Namespace(self.transcript, f"sluice-e2e-{os.getpid()}-{role}")
        self.namespaces.append(namespace)
        return namespace

    def _build(self):
        self.client, self.server = self._namespace("client"), self._namespace("server")
        self.between = self._namespace("middle")
        silence(self.between)
        self._side("client", self.client, "left", [*(self.wire or []), *self._tag_words()])
        self._side("server", self.server, "right", [*(self.server_wire or []), *self._tag_words()])
        for namespace, four, six in (
            (self.client, IPV4.client, IPV6.client),
            (self.server, IPV4.server, IPV6.server),
        ):
            namespace.run("ip", "addr", "add", four + "/24", "dev", "eth0", quiet=True)
            namespace.run("ip", "addr", "add", six + "/64", "dev", "eth0", "nodad", quiet=True)
        # What is sent to the address nobody has reaches the server's wire, and is dropped there.
        mac = self.server.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip()
        for path in (IPV4, IPV6):
            self.client.run("ip", "neigh", "add", path.unused, "lladdr", mac, "dev", "eth0", quiet=True)
        if self.make_middle:
            self.start_middle(self.make_middle(self))

    def start_middle(self, middle):
        self.middle = middle
        middle.start()

    def _tag_words(self):
        return ["--tag", str(self.tag)] if self.tag else []

    def _side(self, role, end, port, wire_words):
        if not wire_words:
            connect(end, "eth0", self.between, port, self.offloads)
            return
        wire = self._namespace(role + "-wire")
        silence(wire)
        connect(end, "eth0", wire, "outer")
        connect(wire, "inner", self.between, port)
        argv = wire.argv(sys.executable, WIRE, "outer", "inner", *wire_words)
        program = self.run_program(argv, f"wire-{role}")
        wait_until(lambda: "ready" in program.log(), "the wire carries frames")

    def run_program(self, argv, name):
        program = Program(self.transcript, argv, os.path.join(self.folder, name + ".log"))
        self.programs.append(program)
        return program

    def __exit__(self, *_):
        status = None
        if self.middle:
            status = self.middle.stop()
            self.middle = None
        for program in reversed(self.programs):
            program.stop()
        self.programs.clear()
        for namespace in reversed(self.namespaces):
            namespace.delete()
        self.namespaces.clear()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
        self.stop_status = status

    # ── between two scenarios ──

    def settle(self, seconds=10.0, quiet=0.1):
        """Waits until neither end has anything to say and nothing has come through for `quiet` seconds, but for no
        longer than `seconds`. What a scenario left on the way would be counted to the next; and a frame between two
        counters when they are read would be missing in one."""

        def carried():
            counters = self.middle.statistics() if self.middle and self.middle.tracks else {}
            return {name: value for name, value in counters.items() if name.endswith("packets")}

        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            busy = services.may_still_send(self.client) + services.may_still_send(self.server)
            before = carried()
            time.sleep(quiet)
            if not busy and carried() == before:
                return
        self.transcript.note("\n".join([f"(not quiet after {seconds:g} s)", *busy]))

    # ── servers, started when first asked for ──

    def nginx(self):
        """The digests of the files nginx serves."""
        if self._nginx is None:
            program, self._nginx = services.start_nginx(self.transcript, self.server, self.folder)
            self.programs.append(program)
        return self._nginx

    def dnsmasq(self):
        if self._dnsmasq is None:
            names = {"server.test": [IPV4.server, IPV6.server]}
            self._dnsmasq = services.start_dnsmasq(self.transcript, self.server, self.folder, names)
            self.programs.append(self._dnsmasq)

    def iperf3(self):
        if self._iperf3 is None:
            self._iperf3 = services.start_iperf3(self.transcript, self.server, self.folder)
            self.programs.append(self._iperf3)

    def logs(self):
        """The end of every program's log, for the report of a failure."""
        parts = []
        for program in [*self.programs, *([self.middle.program] if self.middle and self.middle.program else [])]:
            text = program.log().strip()
            if text:
                parts.append(f"--- {os.path.basename(program.log_path)}\n" + "\n".join(text.split("\n")[-12:]))
        return "\n".join(parts)
