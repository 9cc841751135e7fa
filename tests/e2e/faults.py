"""A wire that loses one frame in a hundred and lets two in a hundred be overtaken: retransmissions, duplicates,
SACK and late segments, all of them honest, none of them to be refused."""

from rig.scenario import scenario
from traffic import download, half_closed, iperf3
from rig.process import expect

FAULTY = "faulty"


@scenario("downloads over {family} arrive byte for byte over a wire that loses and reorders", rig=FAULTY)
def lossy_downloads(rig, path):
    download(rig, path, "small", 200, parallel=40, seconds=180)
    download(rig, path, "large", 3, parallel=3, seconds=180)


@scenario("iperf3 over {family} runs both ways over a wire that loses and reorders", rig=FAULTY)
def lossy_iperf3(rig, path):
    for options in ((), ("--reverse",)):
        report = iperf3(rig, path, "--parallel", "4", *options)
        expect(report["end"]["sum_received"]["bytes"] > 100_000, "data flows in spite of the losses")


@scenario("a half-closed transfer over {family} survives a wire that loses and reorders", rig=FAULTY)
def lossy_half_close(rig, path):
    half_closed(rig, path)
