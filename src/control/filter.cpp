#include "sluice/control/filter.hpp"

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using pipeline::FlowView;

bool under_mask(const AddressMatch& match, const packet::Address& address) {
    for (std::size_t i = 0; i < address.size(); ++i)
        if (((address[i] ^ match.address[i]) & match.mask[i]) != 0) return false;
    return true;
}

bool tuple_matches(const TupleMatch& match, const packet::Address& source, const packet::Address& destination,
                   std::uint16_t source_port, std::uint16_t destination_port) {
    return (!match.source || under_mask(*match.source, source)) &&
           (!match.destination || under_mask(*match.destination, destination)) &&
           (!match.source_port || *match.source_port == source_port) &&
           (!match.destination_port || *match.destination_port == destination_port);
}

bool asks_for_ports(const TupleMatch& match) {
    return match.source_port || match.destination_port;
}

bool protocol_matches(const Filter& filter, const FlowView& flow) {
    if (filter.protocol && *filter.protocol != flow.protocol) return false;
    if ((asks_for_ports(filter.original) || asks_for_ports(filter.reply)) && !has_ports(flow.protocol))
        return false;
    if (filter.icmp_type || filter.icmp_code || filter.icmp_id) {
        if (!is_icmp(flow.protocol)) return false;
        if (filter.icmp_type && *filter.icmp_type != flow.icmp_type) return false;
        if (filter.icmp_code && *filter.icmp_code != 0) return false;
        if (filter.icmp_id && *filter.icmp_id != flow.icmp_id) return false;
    }
    if (filter.state) {
        if (flow.protocol != packet::tcp) return false;
        const auto pair = static_cast<tcp::Pair>(flow.state.tcp.pair);
        if (tcp::text_of(pair).conntrack_name != *filter.state) return false;
    }
    return true;
}

std::uint8_t status_of(const FlowView& flow) {
    return static_cast<std::uint8_t>((flow.seen_reply ? seen_reply_bit : 0) |
                                     (flow.assured ? assured_bit : 0) |
                                     (flow.state.datagram.fixed_timeout != 0 ? fixed_timeout_bit : 0));
}

}  // namespace

packet::Address prefix_mask(packet::Family family, unsigned bits) {
    packet::Address mask{};
    const unsigned bytes = family == packet::Family::ipv4 ? 4 : 16;
    for (unsigned i = 0; i < bytes && bits > 0; ++i) {
        const unsigned here = bits < 8 ? bits : 8;
        mask[i] = static_cast<std::uint8_t>(0xFF00U >> here);
        bits -= here;
    }
    return mask;
}

bool matches(const Filter& filter, const FlowView& flow) {
    if (filter.nothing) return false;
    if (filter.family && *filter.family != flow.family) return false;
    if (!protocol_matches(filter, flow)) return false;
    if (!tuple_matches(filter.original, flow.source, flow.destination, flow.source_port,
                       flow.destination_port))
        return false;
    if (!tuple_matches(filter.reply, flow.destination, flow.source, flow.destination_port, flow.source_port))
        return false;
    const std::uint8_t status = status_of(flow);
    if ((status & filter.status_set) != filter.status_set || (status & filter.status_clear) != 0)
        return false;
    if (filter.mark && (flow.mark & filter.mark->mask) != filter.mark->value) return false;
    if (filter.zone && *filter.zone != flow.zone) return false;
    if (filter.vlan && *filter.vlan != flow.outer_vlan) return false;
    return !filter.port_pair || *filter.port_pair == flow.port_pair;
}

}  // namespace sluice::control
