"""Network namespaces and the veth pairs between them.

    client ── [wire] ── left | middle | right ── [wire] ── server

The middle (sluiced, or a plain bridge) owns `left` and `right` in a namespace of its own. A wire is a little
forwarder of ours that can sit on either side; see wire.py.
"""

import ctypes
import os
import threading

from .process import execute

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# What a bump in the wire over af_packet or af_xdp needs off at every end: a veth otherwise hands over
# unfinished checksums and merged frames.
OFFLOADS = "rx off tx off sg off tso off gso off gro off".split()


class Namespace:
    """A network namespace. `with namespace:` makes the sockets the calling thread opens belong to it."""

    def __init__(self, transcript, name):
        self.transcript, self.name = transcript, name
        self.outer = threading.local()
        execute(transcript, ["ip", "netns", "add", name], quiet=True)
        self.run("ip", "link", "set", "lo", "up", quiet=True)
        # No address is ever probed for a duplicate, or the first seconds of a test would wait for it.
        for setting in ("ipv6.conf.default.accept_dad=0", "ipv6.conf.all.accept_dad=0"):
            self.run("sysctl", "-qw", "net." + setting, quiet=True)

    def run(self, *argv, **options):
        return execute(self.transcript, ["ip", "netns", "exec", self.name, *argv], **options)

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *argv]

    def pids(self):
        return [int(pid) for pid in self.run_outside("pids").split()]

    def run_outside(self, verb):
        return execute(self.transcript, ["ip", "netns", verb, self.name], quiet=True).stdout

    def delete(self):
        execute(self.transcript, ["ip", "netns", "del", self.name], check=False, quiet=True)

    def __enter__(self):
        stack = self.outer.__dict__.setdefault("stack", [])
        stack.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        inner = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self._switch(inner)
        os.close(inner)
        return self

    def __exit__(self, *_):
        outer = self.outer.stack.pop()
        self._switch(outer)
        os.close(outer)

    @staticmethod
    def _switch(descriptor):
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def connect(one, one_name, other, other_name, offloads=False):
    """A veth pair between two namespaces, both ends up; offloads off unless asked for."""
    one.run("ip", "link", "add", one_name, "type", "veth", "peer", "name", other_name, "netns", other.name,
            quiet=True)  # fmt: skip
    for namespace, name in ((one, one_name), (other, other_name)):
        if not offloads:
            namespace.run("ethtool", "-K", name, *OFFLOADS, quiet=True)
        namespace.run("ip", "link", "set", name, "up", quiet=True)


def silence(namespace):
    """No address, no neighbour discovery, no router solicitation: the namespace only carries frames."""
    for setting in ("ipv6.conf.default.disable_ipv6=1", "ipv6.conf.all.disable_ipv6=1"):
        namespace.run("sysctl", "-qw", "net." + setting, quiet=True)
