"""Traffic that is tagged between the wires: everything the middle sees carries an 802.1Q tag."""

from rig.scenario import scenario
from traffic import dns, download, pings, port_unreachable, udp_echo

TAGGED = "tagged"


@scenario("downloads over {family} in a VLAN arrive byte for byte", rig=TAGGED)
def tagged_downloads(rig, path):
    download(rig, path, "small", 100)
    download(rig, path, "large", 2, parallel=2)


@scenario("DNS, UDP, ping and port unreachable over {family} work in a VLAN", rig=TAGGED)
def tagged_datagrams(rig, path):
    dns(rig, path)
    udp_echo(rig, path)
    pings(rig, path)
    port_unreachable(rig, path)
