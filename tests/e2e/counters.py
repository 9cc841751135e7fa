"""What must hold of the counters after every scenario: nothing honest refused, at most one honest packet in a hundred
taken for a leftover, no packet gone without a reason."""

import time

from rig.process import expect


def read(middle):
    """The daemon's counters now, by name, or None when the middle does not count."""
    return middle.statistics() if middle.tracks else None


def grown(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items()}


def balance(change):
    """Frames that came in, less those that left and those that were dropped under a counted reason."""
    received = sum(value for name, value in change.items() if name.endswith("_rx_packets"))
    sent = sum(value for name, value in change.items() if name.endswith("_tx_packets"))
    own = sum(value for name, value in change.items() if name.endswith("_control_packets"))
    behind = sum(value for name, value in change.items() if name.startswith("drop_"))
    return received - (sent - own) - change["dropped"] - behind


def told(change):
    """What grew, on one line, for the report of a failure."""
    return ", ".join(f"{name} {value:+}" for name, value in change.items() if value)


def check(rig, before, scenario):
    """Fails unless the counters say that what happened since `before` was carried, or dropped for a reason."""
    if before is None:
        return
    # A packet may be on its way between two counters: what is left must come to nothing within a moment.
    for _ in range(50):
        change = grown(rig.middle.statistics(), before)
        missing = balance(change)
        if missing == 0:
            break
        time.sleep(0.05)
    reasons = {name[len("reason_") :]: value for name, value in change.items() if name.startswith("reason_") and value}
    expect(missing == 0, f"{missing} frames came in and neither left nor were dropped under a counted reason")
    if scenario.honest:
        expect(change["invalid"] == 0, f"{change['invalid']} honest packets were refused: {reasons}")
    if scenario.honest and not scenario.leftovers:
        tolerated = sum(reasons.get(name, 0) for name in rig.middle.tolerated_reasons())
        expect(tolerated <= change["packets"] // 100, f"{tolerated} honest packets were only tolerated: {reasons}")
