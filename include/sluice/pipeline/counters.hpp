// What one worker counts: written by it alone, read by the control thread at any time.
#pragma once

#include "sluice/base/counters.hpp"

namespace sluice::pipeline {

/// nf_conntrack's statistics (`conntrack -S`), with the same meanings, and a counter per reason.
struct alignas(64) Counters {
    Counter packets;         ///< packets judged (a datagram of n fragments counts n)
    Counter bytes;           ///< their frame lengths
    Counter passed;          ///< packets to be forwarded
    Counter dropped;         ///< packets dropped, each under one reason
    Counter answered;        ///< packets that the box dealt with itself: answered with a cookie, or part of a
                             ///< handshake it carries on
    Counter emitted;         ///< packets made by the box, beyond those that were answers in their own buffers
    Counter emitted_on;      ///< of those, the ones that go on by the port's partner as forwarded ones do
    Counter not_emitted;     ///< packets of the box's own for which no buffer or no room was left
    Counter handed_over;     ///< packets given to the worker that owns the flow
    Counter found;           ///< packets that belonged to a flow
    Counter invalid;         ///< refused packets
    Counter insert;          ///< flows created
    Counter insert_failed;   ///< flows that could not be created
    Counter early_drop;      ///< flows evicted to make room
    Counter expired;         ///< flows whose time ran out
    Counter deleted;         ///< flows removed on request or replaced by a new connection
    Counter untracked;       ///< packets that pass without a flow (neighbour discovery, other EtherTypes …)
    Counter related;         ///< ICMP errors that belonged to a flow
    Counter held;            ///< fragments waiting for their datagram and segments waiting to be read, now
    ReasonCounters reasons;  ///< packets by reason: tolerated, refused and dropped ones
};

}  // namespace sluice::pipeline
