#include "sluice/pipeline/saved_flow.hpp"

#include <algorithm>
#include <tuple>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/time.hpp"
#include "sluice/policy/rule.hpp"
#include "sluice/tcp/rows.hpp"

namespace sluice::pipeline {
namespace {

constexpr Tick longest_life = max_lifetime_seconds * ticks_per_second;
constexpr std::uint32_t greatest_scale = 14;  // RFC 7323 2.3

template <class KeyT>
bool is_in_order(const KeyT& key) {
    if (key.spare != 0) return false;
    // Queries are ordered by address alone.
    if (key.protocol == packet::icmp || key.protocol == packet::icmpv6)
        return key.address[0] <= key.address[1];
    return std::tie(key.address[0], key.port[0]) <= std::tie(key.address[1], key.port[1]);
}

bool is_lifetime_of(std::uint8_t protocol, std::uint32_t lifetime) {
    if (lifetime >= lifetime_count) return false;
    return (protocol == packet::tcp) == (lifetime <= static_cast<std::uint32_t>(Lifetime::loose));
}

}  // namespace

bool is_possible(const SavedFlow& flow) {
    const bool ipv4 = flow.family == packet::Family::ipv4;
    const std::uint8_t protocol = ipv4 ? flow.key4.protocol : flow.key6.protocol;
    if (!(ipv4 ? is_in_order(flow.key4) : is_in_order(flow.key6))) return false;
    if (flow.left == 0 || flow.left > longest_life) return false;
    if (!is_lifetime_of(protocol, flow.state.datagram.lifetime)) return false;
    if (flow.interface >= policy::most_interfaces) return false;
    if (protocol != packet::tcp)
        return !flow.has_pending_syn && !flow.has_translation &&
               flow.state.datagram.stream_since <= longest_life;
    const tcp::Connection& connection = flow.state.tcp;
    if (connection.pair >= tcp::pair_count) return false;
    if (std::max<std::uint32_t>(connection.scale_original, connection.scale_reply) > greatest_scale)
        return false;
    return (connection.pending_syn != 0) == flow.has_pending_syn;
}

bool age(SavedFlow& flow, Tick passed) {
    if (flow.left <= passed) return false;
    flow.left -= passed;
    const std::uint8_t protocol =
        flow.family == packet::Family::ipv4 ? flow.key4.protocol : flow.key6.protocol;
    if (protocol != packet::tcp) {
        Tick& until = flow.state.datagram.stream_since;
        until -= std::min(until, passed);
    }
    return true;
}

void forget_numbers(SavedFlow& flow) {
    const std::uint8_t protocol =
        flow.family == packet::Family::ipv4 ? flow.key4.protocol : flow.key6.protocol;
    tcp::Connection& connection = flow.state.tcp;
    if (protocol != packet::tcp || !tcp::spec::synchronised.has(static_cast<tcp::Pair>(connection.pair)))
        return;
    connection.side = {};
    connection.seen = 0;
    connection.picked_up = 1;
    connection.retransmissions = 0;
    connection.pending_syn = 0;
    flow.has_pending_syn = false;
}

}  // namespace sluice::pipeline
