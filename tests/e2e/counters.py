"""What must hold of the counters after every scenario: nothing honest refused, no packet gone without a reason, and of
honest packets only tolerated none over a perfect wire, one in a hundred over a bad one (but
for what timing alone decides)."""

import time

from rig.process import expect

# An endpoint that is gone answers whatever still comes with a reset: what was in flight when a connection was aborted,
# and over a bad wire the acknowledgements of what was sent twice. What is in flight then arrives after the close, and
# the resets carry the number last acknowledged, perhaps before a FIN: how much of either there is depends on timing alone.
TIMING_ALONE = ("after-close", "rst-old")


def read(rig, seconds=5.0):
    """The daemon's counters once the network is quiet, by name, or None when the middle does not count. On a busy
    machine a worker may be put to sleep with a frame in its hands, counted as received and not yet as sent: as long as
    one is missing the counters are read again, but for no longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        rig.settle()
        if not rig.middle.tracks:
            return None
        totals = rig.middle.statistics()
        if balance(totals) == 0 or time.monotonic() > deadline:
            return totals


def grown(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items()}


def balance(change):
    """Frames that came in, less those that left, those that were answered and those that were dropped under a counted
    reason."""
    received = sum(value for name, value in change.items() if name.endswith("_rx_packets"))
    sent = sum(value for name, value in change.items() if name.endswith("_tx_packets"))
    own = sum(value for name, value in change.items() if name.endswith("_control_packets"))
    own += change["emitted_on"]
    behind = sum(value for name, value in change.items() if name.startswith("drop_"))
    return received - (sent - own) - change["dropped"] - change["answered"] - behind


def told(change):
    """What grew, on one line, for the report of a failure."""
    return ", ".join(f"{name} {value:+}" for name, value in change.items() if value)


def check(rig, before, scenario):
    """Fails unless the counters say that what happened since `before` was carried, or dropped for a reason."""
    if before is None:
        return
    change = grown(read(rig), before)
    missing = balance(change)
    reasons = {name[len("reason_") :]: value for name, value in change.items() if name.startswith("reason_") and value}
    expect(missing == 0, f"{missing} frames came in and neither left nor were dropped under a counted reason")
    if scenario.honest:
        expect(change["invalid"] == 0, f"{change['invalid']} honest packets were refused: {reasons}")
        check_tolerated(rig, change, reasons, scenario)


def check_tolerated(rig, change, reasons, scenario):
    """Of what depends on timing alone any amount may come over a bad wire, and over a perfect one where the scenario
    says that it aborts connections."""
    tolerated = {name: reasons[name] for name in rig.middle.tolerated_reasons() if name in reasons}
    if scenario.aborts or not rig.perfect:
        for name in TIMING_ALONE:
            tolerated.pop(name, None)
    total, allowed = sum(tolerated.values()), 0 if rig.perfect else change["packets"] // 100
    expect(total <= allowed, f"{total} of {change['packets']} honest packets were only tolerated: {tolerated}")
