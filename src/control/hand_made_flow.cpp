#include "hand_made_flow.hpp"

#include "sluice/control/text.hpp"
#include "sluice/tcp/begin.hpp"

namespace sluice::control {
namespace {

/// A UDP flow becomes a stream two seconds after it began, at the earliest (nf_conntrack's rule).
constexpr Tick stream_after = 2 * ticks_per_second;

Lifetime lifetime_of_datagrams(std::uint8_t protocol, bool assured) {
    switch (protocol) {
        case packet::udp:
            return assured ? Lifetime::udp_stream : Lifetime::udp;
        case packet::icmp:
            return Lifetime::icmp;
        case packet::icmpv6:
            return Lifetime::icmpv6;
        default:
            return Lifetime::generic;
    }
}

pipeline::FlowState state_of(const NewFlow& flow, Tick now) {
    const auto bit = [&](StatusBit which) { return (flow.status & which) != 0 ? 1U : 0U; };
    pipeline::FlowState state{};
    if (flow.protocol == packet::tcp) {
        state.tcp = tcp::unheard(flow.pair);
        state.tcp.seen_reply = bit(seen_reply_bit) & 1U;
        state.tcp.assured = bit(assured_bit) & 1U;
        state.tcp.fixed_timeout = bit(fixed_timeout_bit) & 1U;
        return state;
    }
    state.datagram = pipeline::DatagramFlow{};
    state.datagram.stream_since = now + stream_after;
    state.datagram.lifetime =
        static_cast<std::uint32_t>(lifetime_of_datagrams(flow.protocol, bit(assured_bit) != 0)) & 31U;
    state.datagram.seen_reply = bit(seen_reply_bit) & 1U;
    state.datagram.assured = bit(assured_bit) & 1U;
    state.datagram.fixed_timeout = bit(fixed_timeout_bit) & 1U;
    return state;
}

template <unsigned AddressBytes>
flow::DirectedKey<AddressBytes> key_of(const NewFlow& flow) {
    const auto domain = flow::Domain::make(flow.vlan.value_or(flow::Domain::no_tag), flow::Domain::no_tag,
                                           flow.port_pair, flow.zone);
    if (is_icmp(flow.protocol))
        return flow::make_query_key<AddressBytes>(flow.source.data(), flow.destination.data(), flow.icmp_id,
                                                  flow.icmp_type, false, flow.protocol, domain);
    return flow::make_key<AddressBytes>(flow.source.data(), flow.destination.data(), flow.source_port,
                                        flow.destination_port, flow.protocol, domain);
}

}  // namespace

pipeline::Request insertion_of(const NewFlow& flow, Tick now) {
    pipeline::Request request;
    request.kind = pipeline::Request::Kind::insert;
    request.family = flow.family;
    request.state = state_of(flow, now);
    request.timeout_seconds = flow.timeout_seconds;
    request.mark = flow.mark;
    if (flow.family == packet::Family::ipv4) {
        const auto key = key_of<4>(flow);
        request.key4 = key.key;
        request.original_from_high = key.from_high;
    } else {
        const auto key = key_of<16>(flow);
        request.key6 = key.key;
        request.original_from_high = key.from_high;
    }
    return request;
}

std::optional<NewFlow> flow_of(const Filter& filter) {
    const TupleMatch& tuple = filter.original;
    if (filter.nothing || !filter.family || !filter.protocol || !tuple.source || !tuple.destination ||
        (has_ports(*filter.protocol) && (!tuple.source_port || !tuple.destination_port)) ||
        (is_icmp(*filter.protocol) && (!filter.icmp_type || !filter.icmp_id)))
        return std::nullopt;
    const auto whole = prefix_mask(*filter.family, *filter.family == packet::Family::ipv4 ? 32 : 128);
    if (tuple.source->mask != whole || tuple.destination->mask != whole) return std::nullopt;
    NewFlow flow;
    flow.family = *filter.family;
    flow.protocol = *filter.protocol;
    flow.source = tuple.source->address;
    flow.destination = tuple.destination->address;
    flow.source_port = tuple.source_port.value_or(0);
    flow.destination_port = tuple.destination_port.value_or(0);
    flow.icmp_type = filter.icmp_type.value_or(0);
    flow.icmp_id = filter.icmp_id.value_or(0);
    flow.zone = filter.zone.value_or(0);
    flow.vlan = filter.vlan;
    flow.port_pair = filter.port_pair.value_or(0);
    return flow;
}

}  // namespace sluice::control
