"""A router of the kernel in sluiced's place."""

from .topology import IPV4


class Routed:
    """Between two networks that think they are one (IPv4 alone): each end has the router's MAC for the other."""

    program = None
    tracks = False

    def __init__(self, rig):
        self.rig, self.namespace = rig, rig.between

    def start(self):
        run = self.namespace.run
        for end, port, own, other in (
            (self.rig.client, "left", IPV4.client, IPV4.server),
            (self.rig.server, "right", IPV4.server, IPV4.client),
        ):
            run("ip", "route", "add", own, "dev", port, quiet=True)
            run("ip", "neigh", "add", own, "lladdr", mac_of(end, "eth0"), "dev", port, quiet=True)
            end.run("ip", "neigh", "replace", other, "lladdr", mac_of(self.namespace, port), "dev", "eth0", quiet=True)
        # Answers to made-up sources go towards the client, who has never heard of them.
        run("ip", "route", "add", "198.18.0.0/15", "via", IPV4.client, "dev", "left", "onlink", quiet=True)
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", quiet=True)

    def stop(self):
        return 0


def mac_of(namespace, interface):
    return namespace.run("cat", f"/sys/class/net/{interface}/address", quiet=True).stdout.strip()
