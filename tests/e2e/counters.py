"""What must hold of the counters after every scenario: nothing honest refused, no packet gone without a reason."""

from rig.process import expect


def read(middle):
    """The daemon's counters now, or None when the middle does not count."""
    return middle.statistics() if middle.tracks else None


def check(rig, before, honest):
    if before is None:
        return
    after = rig.middle.statistics()
    expect(not honest or after["invalid"] == before["invalid"], "an honest packet was refused")
