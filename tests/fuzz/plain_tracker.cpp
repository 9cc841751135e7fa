#include "plain_tracker.hpp"

#include <algorithm>

#include "fuzz.hpp"
#include "sluice/base/sequence.hpp"

namespace sluice::fuzz {

using packet::Family;
using packet::Headers;
using pipeline::ChecksumState;
using pipeline::CtState;
using tcp::Direction;

namespace {

tcp::Segment segment_of(const packet::TcpFields& fields) {
    tcp::Segment out;
    out.sequence = fields.sequence;
    out.acknowledgement = fields.acknowledgement;
    out.payload_length = fields.payload_length;
    out.window = fields.window;
    out.flags = fields.flags;
    out.has_window_scale = fields.options.has_window_scale;
    out.window_scale = fields.options.window_scale;
    out.sack_permitted = fields.options.sack_permitted;
    out.has_sack = fields.options.has_sack;
    out.sack_highest = fields.options.sack_highest;
    return out;
}

CtState state_of(Direction direction, bool answered) {
    return direction == Direction::original && !answered ? CtState::new_flow : CtState::established;
}

bool is_reply(const Headers& headers) {
    return headers.icmp_query &&
           packet::icmp_kind(headers.protocol, headers.icmp_type) == packet::IcmpKind::reply;
}

/// RFC 5927 4.1: not beyond what the receiver allows, not more than a window behind.
bool sent_lately(const tcp::Connection& connection, Direction sender, std::uint32_t sequence) {
    if ((connection.seen & (sender == Direction::original ? 1U : 2U)) == 0) return false;
    const tcp::Side& from = connection.side[static_cast<unsigned>(sender)];
    const tcp::Side& to = connection.side[1 - static_cast<unsigned>(sender)];
    const auto oldest = from.end - std::max<std::uint32_t>(66'000, to.max_window);
    const auto newest = after(from.max_end, from.end) ? from.max_end : from.end;
    return !before(sequence, oldest) && !after(sequence, newest);
}

}  // namespace

/// IP bytes; of an IPv6 datagram that came in fragments, one fragment header is counted with them.
void PlainTracker::account(PlainFlow& flow, Direction direction, const Headers& headers) const {
    const auto i = static_cast<unsigned>(direction);
    ++flow.packets[i];
    flow.bytes[i] += headers.transport_offset + headers.transport_length - headers.network_offset;
    if (put_together_ && headers.family == Family::ipv6) flow.bytes[i] += 8;
}

Tick PlainTracker::ticks_of(Lifetime lifetime) const {
    std::uint32_t seconds = settings_.timeouts[static_cast<std::size_t>(lifetime)];
    if (lifetime == Lifetime::max_retrans || lifetime == Lifetime::unacknowledged ||
        lifetime == Lifetime::loose)
        seconds = std::min(seconds, settings_.timeouts[static_cast<std::size_t>(Lifetime::established)]);
    return seconds * ticks_per_second;
}

bool PlainTracker::checksums_hold(const PlainPacket& packet, const Headers& headers) const {
    const bool any_header = headers.family == Family::ipv4 || !headers.fragment.present;
    if (packet.checksum == ChecksumState::bad) return !any_header;
    if (packet.checksum == ChecksumState::good || !settings_.checksum) return true;
    // The fragments' own headers have been looked at one by one.
    if (headers.family == Family::ipv4 && !packet.first_fragment_transport) {
        PlainSum sum;
        sum.add(
            packet.bytes.subspan(headers.network_offset, (packet.bytes[headers.network_offset] & 15U) * 4U));
        if (sum.folded() != 0xFFFF) return false;
    }
    if (headers.fragment.present) return true;
    return plain_verdict(headers, packet.bytes.subspan(headers.transport_offset, headers.transport_length)) !=
           packet::ChecksumVerdict::bad;
}

PlainDecision PlainTracker::other_ether_type(std::uint16_t ether_type) const {
    bool passes = settings_.pass_other_ether_types;
    for (std::size_t i = 0; i < settings_.ether_type_count; ++i)
        if (settings_.ether_types[i].ether_type == (ether_type < 0x600 ? 0 : ether_type))
            passes = settings_.ether_types[i].pass;
    if (passes) return pass(CtState::untracked, Direction::original, false);
    return {pipeline::Action::drop, CtState::untracked, Reason::ethertype};
}

PlainTracker::Keyed PlainTracker::key_of(const PlainPacket& packet, const Headers& headers,
                                         const packet::Address& source, const packet::Address& destination,
                                         std::uint16_t source_port, std::uint16_t destination_port,
                                         std::uint8_t protocol, std::uint8_t icmp_type) const {
    PlainEnd from{source, source_port}, to{destination, destination_port};
    std::uint32_t query = 0;
    if (protocol == packet::icmp ||
        protocol == packet::icmpv6) {  // told apart by identifier, request and who asks
        const bool answer = packet::icmp_kind(protocol, icmp_type) == packet::IcmpKind::reply;
        const bool high_asks = (source > destination) != answer;
        query = std::uint32_t{source_port} << 16 | (high_asks ? 256U : 0U) |
                packet::request_type_of(protocol, icmp_type);
        std::get<1>(from) = std::get<1>(to) = 0;
    }
    const bool high = from > to;
    const auto tag = [&](std::uint8_t i) {
        return settings_.vlan_in_key && headers.vlan_count > i ? headers.vlan[i] : flow::Domain::no_tag;
    };
    const auto pair = static_cast<std::uint8_t>(packet.port_pair % pipeline::max_port_pairs);
    return {{headers.family, protocol, high ? to : from, high ? from : to, query, tag(0), tag(1), pair,
             settings_.zone[pair]},
            high};
}

PlainDecision PlainTracker::judge(const PlainPacket& packet, Tick now) {
    put_together_ = packet.first_fragment_transport.has_value();
    Headers headers;
    packet::parse({packet.bytes, packet.bytes.size()}, headers);
    if (headers.refusal != Reason::none) return refuse(headers.refusal);
    if (headers.family == Family::none) return other_ether_type(headers.ether_type);
    if (!checksums_hold(packet, headers)) return refuse(Reason::bad_checksum);
    require(!headers.fragment.present, "no fragment is judged by itself");
    if (headers.icmp_error) return judge_error(packet, headers, now);
    const bool icmp = headers.protocol == packet::icmp || headers.protocol == packet::icmpv6;
    if (icmp && !headers.icmp_query) return pass(CtState::untracked, Direction::original, false);
    const Keyed keyed = key_of(packet, headers, headers.source, headers.destination, headers.source_port,
                               headers.destination_port, headers.protocol, headers.icmp_type);
    return headers.protocol == packet::tcp ? judge_tcp(headers, keyed, now)
                                           : judge_datagram(headers, keyed, now);
}

PlainDecision PlainTracker::judge_error(const PlainPacket& packet, const Headers& headers, Tick now) {
    auto bytes = packet.bytes;
    if (packet.first_fragment_transport)
        bytes = bytes.first(headers.transport_offset + *packet.first_fragment_transport);
    const packet::Quote quote = packet::parse_quote({bytes, packet.bytes.size()}, headers);
    if (!quote.valid) return refuse(Reason::malformed);
    if (quote.source != headers.destination) return refuse(Reason::icmp_mismatch);
    const Keyed keyed = key_of(packet, headers, quote.source, quote.destination, quote.source_port,
                               quote.destination_port, quote.protocol, quote.icmp_type);
    const Found found = find(keyed.key, now);
    if (found == flows_.end()) return refuse(Reason::icmp_unmatched);
    const bool by_originator = keyed.from_high == found->second.from_high;
    const Direction quoted = by_originator ? Direction::original : Direction::reply;
    const bool fits =
        quote.protocol != packet::tcp ||
        (quote.tcp_sequence_known && sent_lately(found->second.tcp, quoted, quote.tcp_sequence));
    PlainDecision out = fits ? pass(CtState::related) : refuse(Reason::icmp_mismatch);
    out.has_flow = true;
    out.direction = opposite(quoted);
    return out;
}

PlainDecision PlainTracker::judge_tcp(const Headers& headers, const Keyed& keyed, Tick now) {
    const tcp::Segment segment = segment_of(headers.tcp);
    const Found found = find(keyed.key, now);
    if (found == flows_.end()) return open_tcp(headers, segment, keyed, now);
    PlainFlow& flow = found->second;
    const Direction direction = keyed.from_high == flow.from_high ? Direction::original : Direction::reply;
    const tcp::Verdict verdict = tcp::step(flow.tcp, flow.pending, direction, segment, settings_.tcp);
    if (verdict.outcome == Outcome::refused) {
        PlainDecision out = refuse(verdict.reason);
        out.has_flow = true;
        out.direction = direction;
        return out;
    }
    if (verdict.reopens) {
        const tcp::Connection anew = flow.tcp;
        flows_.erase(found);
        return begin_tcp(headers, anew, verdict.lifetime, keyed, now);
    }
    if (verdict.refresh != tcp::Refresh::keep) {
        flow.tcp.lifetime = static_cast<unsigned>(verdict.lifetime) & 31U;
        const Tick wanted = now + ticks_of(verdict.lifetime);
        const bool longer = static_cast<std::int32_t>(wanted - flow.expiry) > 0;
        if ((verdict.refresh == tcp::Refresh::set || longer) && flow.tcp.fixed_timeout == 0)
            flow.expiry = wanted;
    }
    account(flow, direction, headers);
    return pass(state_of(direction, flow.tcp.seen_reply != 0), direction, true, verdict.reason);
}

PlainDecision PlainTracker::open_tcp(const Headers& headers, const tcp::Segment& segment, const Keyed& keyed,
                                     Tick now) {
    tcp::Connection connection{};
    const tcp::Verdict verdict = tcp::open(connection, segment, settings_.tcp);
    if (verdict.outcome == Outcome::refused) return refuse(verdict.reason);
    return begin_tcp(headers, connection, verdict.lifetime, keyed, now);
}

PlainDecision PlainTracker::begin_tcp(const Headers& headers, const tcp::Connection& connection,
                                      Lifetime lifetime, const Keyed& keyed, Tick now) {
    PlainFlow flow;
    flow.tcp = connection;
    flow.from_high = keyed.from_high;
    flow.expiry = now + ticks_of(lifetime);
    account(flow, Direction::original, headers);
    flows_[keyed.key] = flow;
    return pass(CtState::new_flow);
}

PlainDecision PlainTracker::judge_datagram(const Headers& headers, const Keyed& keyed, Tick now) {
    const Lifetime first = headers.protocol == packet::udp      ? Lifetime::udp
                           : headers.protocol == packet::icmp   ? Lifetime::icmp
                           : headers.protocol == packet::icmpv6 ? Lifetime::icmpv6
                                                                : Lifetime::generic;
    Found found = find(keyed.key, now);
    if (found == flows_.end()) {
        if (is_reply(headers)) return refuse(Reason::no_connection);
        PlainFlow flow;
        flow.from_high = keyed.from_high;
        flow.tcp.lifetime = static_cast<unsigned>(first) & 31U;
        flow.stream_since = now + 2000;
        flow.expiry = now + ticks_of(first);
        account(flow, Direction::original, headers);
        flows_[keyed.key] = flow;
        return pass(CtState::new_flow);
    }
    PlainFlow& flow = found->second;
    const Direction direction = keyed.from_high == flow.from_high ? Direction::original : Direction::reply;
    if (direction == Direction::reply) flow.tcp.seen_reply = 1;
    if (headers.protocol == packet::udp && flow.tcp.seen_reply != 0 && flow.tcp.assured == 0 &&
        reached(now, flow.stream_since)) {
        flow.tcp.assured = 1;
        flow.tcp.lifetime = static_cast<unsigned>(Lifetime::udp_stream) & 31U;
    }
    if (flow.tcp.fixed_timeout == 0) flow.expiry = now + ticks_of(static_cast<Lifetime>(flow.tcp.lifetime));
    account(flow, direction, headers);
    return pass(state_of(direction, flow.tcp.seen_reply != 0), direction);
}

}  // namespace sluice::fuzz
