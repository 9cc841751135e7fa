// Flows to print and to filter, made by hand.
#pragma once

#include <string>
#include <string_view>

#include "sluice/control/format.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/icmp.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control::testing {

inline std::string line_of(const pipeline::FlowView& flow, const Format& format = {}) {
    std::string out;
    append_flow(out, flow, format);
    return out;
}

inline pipeline::FlowView flow_between(std::string_view source, std::string_view destination,
                                       std::uint8_t protocol) {
    pipeline::FlowView flow;
    const auto from = parse_address(source);
    const auto to = parse_address(destination);
    flow.family = from->family;
    flow.source = from->address;
    flow.destination = to->address;
    flow.protocol = protocol;
    flow.state.datagram = pipeline::DatagramFlow{};
    return flow;
}

inline pipeline::FlowView tcp_flow(std::string_view source, std::uint16_t source_port,
                                   std::string_view destination, std::uint16_t destination_port,
                                   tcp::Pair pair) {
    auto flow = flow_between(source, destination, packet::tcp);
    flow.source_port = source_port;
    flow.destination_port = destination_port;
    flow.state.tcp = tcp::Connection{};
    flow.state.tcp.pair = static_cast<std::uint32_t>(pair) & 31U;
    return flow;
}

inline pipeline::FlowView udp_flow(std::string_view source, std::uint16_t source_port,
                                   std::string_view destination, std::uint16_t destination_port) {
    auto flow = flow_between(source, destination, packet::udp);
    flow.source_port = source_port;
    flow.destination_port = destination_port;
    return flow;
}

inline pipeline::FlowView query_flow(std::string_view source, std::string_view destination,
                                     std::uint8_t protocol, std::uint8_t type, std::uint16_t id) {
    auto flow = flow_between(source, destination, protocol);
    flow.icmp_type = type;
    flow.reply_icmp_type = packet::reply_type_of(protocol, type);
    flow.icmp_id = id;
    return flow;
}

}  // namespace sluice::control::testing
