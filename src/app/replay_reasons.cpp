#include "app/replay_reasons.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "app/replay_format.hpp"
#include "sluice/base/words.hpp"
#include "sluice/packet/explain.hpp"
#include "sluice/packet/fragments.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::app {
namespace {

using packet::Headers;
using packet::ParseInput;

ParseInput bytes_of(const Frame& frame, packet::LinkLayer link) {
    return {frame.first, pipeline::MemoryIo::length(&frame), link};
}

std::string endpoint_text(const packet::Family family, const packet::Address& address, std::uint16_t port,
                          bool ports) {
    TextBuffer out;
    append_endpoint(out, family, address, ports ? std::optional(port) : std::nullopt);
    return fmt::to_string(out);
}

// ---- Fragments

std::uint32_t end_of(const packet::FragmentFields& fragment) {
    return std::uint32_t{fragment.offset} + fragment.length;
}

/// "bytes 0 to 31", the last one included.
std::string bytes_text(const packet::FragmentFields& fragment) {
    return fmt::format("bytes {} to {}", fragment.offset, end_of(fragment) - 1);
}

std::string datagram_text(const Frame& frame) {
    return fmt::format("datagram {}", frame.headers.fragment.identification);
}

/// The fragments of one datagram that were given up together.
class Datagram {
  public:
    Datagram(const Frame& first, const Frame& one) {
        for (const pipeline::MemoryPacket* at = &first; at != nullptr; at = at->next_fragment) {
            const auto* frame = static_cast<const Frame*>(at);
            if (of_one_datagram(frame->headers, one.headers)) frames_.push_back(frame);
        }
        std::sort(frames_.begin(), frames_.end(),
                  [](const Frame* a, const Frame* b) { return a->number < b->number; });
    }
    /// In the order of arrival; at least one.
    [[nodiscard]] const std::vector<const Frame*>& frames() const { return frames_; }
    [[nodiscard]] const Frame& newest() const { return *frames_.back(); }

  private:
    std::vector<const Frame*> frames_;
};

std::string explain_overlap(const Datagram& datagram) {
    const Frame& newest = datagram.newest();
    const auto& own = newest.headers.fragment;
    for (const Frame* other : datagram.frames()) {
        const auto& there = other->headers.fragment;
        if (other == &newest || own.offset >= end_of(there) || there.offset >= end_of(own)) continue;
        return fmt::format("packet {} brought {} of {}, and packet {} had brought {}", newest.number,
                           bytes_text(own), datagram_text(newest), other->number, bytes_text(there));
    }
    return fmt::format("{} belong to {}, which was discarded when its fragments overlapped", bytes_text(own),
                       datagram_text(newest));
}

/// One fragment says where the datagram ends, another goes beyond that or says otherwise.
std::string explain_contradiction(const Datagram& datagram) {
    const Frame& newest = datagram.newest();
    const auto& own = newest.headers.fragment;
    for (const Frame* other : datagram.frames()) {
        const auto& there = other->headers.fragment;
        if (other == &newest) continue;
        const auto& last = own.more ? there : own;
        const auto& beyond = own.more ? own : there;
        const bool contradicts =
            !last.more && (end_of(beyond) > end_of(last) || (end_of(beyond) == end_of(last) && beyond.more) ||
                           (!beyond.more && end_of(beyond) != end_of(last)));
        if (!contradicts) continue;
        return fmt::format("by packet {} {} ends at byte {}, by packet {} it {} byte {}",
                           own.more ? other->number : newest.number, datagram_text(newest), end_of(last),
                           own.more ? newest.number : other->number,
                           beyond.more ? "goes on behind" : "ends at", end_of(beyond));
    }
    return fmt::format("{} belong to {}, which was discarded when its fragments contradicted its length",
                       bytes_text(own), datagram_text(newest));
}

std::string explain_too_many(const Datagram& datagram) {
    const Frame& newest = datagram.newest();
    if (datagram.frames().size() > packet::max_fragments)
        return fmt::format("packet {} is fragment {} of {}, which may have {}", newest.number,
                           datagram.frames().size(), datagram_text(newest), packet::max_fragments);
    return fmt::format("{} belong to {}, which was discarded when it had more than {} fragments",
                       bytes_text(newest.headers.fragment), datagram_text(newest), packet::max_fragments);
}

std::string explain_duplicate(const ReasonInput& input) {
    const auto& own = input.frame.headers.fragment;
    for (const auto& other : input.frames) {
        const auto& there = other->headers.fragment;
        if (other->held && of_one_datagram(other->headers, input.frame.headers) &&
            there.offset == own.offset && there.length == own.length)
            return fmt::format("packet {} brought {} of {} already", other->number, bytes_text(own),
                               datagram_text(input.frame));
    }
    return fmt::format("{} of {} are held already", bytes_text(own), datagram_text(input.frame));
}

std::string explain_timeout(const ReasonInput& input, const Datagram& datagram) {
    std::uint64_t brought = 0;
    std::uint32_t total = 0;
    for (const Frame* frame : datagram.frames()) {
        brought += frame->headers.fragment.length;
        if (!frame->headers.fragment.more) total = end_of(frame->headers.fragment);
    }
    const bool ipv4 = input.frame.headers.family == packet::Family::ipv4;
    const auto seconds = ipv4 ? input.settings.fragment_timeout_ipv4 : input.settings.fragment_timeout_ipv6;
    return fmt::format(
        "{} brought {} of the {} of {}{}", counted(datagram.frames().size(), "fragment"), grouped(brought),
        total != 0 ? counted(total, "byte") : std::string("bytes"), datagram_text(input.frame),
        input.input_ended ? std::string(" before the capture ended") : fmt::format(" in {} s", seconds));
}

std::string explain_table_full(const ReasonInput& input) {
    const auto limits = pipeline::fragment_limits(input.limits, input.settings, {});
    return fmt::format("the fragment table holds {}, {} and {} at most: {} had to go",
                       counted(limits.datagrams, "datagram"), counted(limits.packets, "fragment"),
                       counted(limits.bytes, "byte"), datagram_text(input.frame));
}

std::string explain_fragment(const ReasonInput& input) {
    const Datagram datagram(input.first, input.frame);
    switch (input.decision.reason) {
        case Reason::fragment_overlap:
            return explain_overlap(datagram);
        case Reason::fragment_too_long:
            return explain_contradiction(datagram);
        case Reason::fragment_too_many:
            return explain_too_many(datagram);
        case Reason::fragment_duplicate:
            return explain_duplicate(input);
        case Reason::fragment_timeout:
            return explain_timeout(input, datagram);
        case Reason::fragment_table_full:
            return explain_table_full(input);
        default:
            return {};
    }
}

// ---- Whole packets, and datagrams put together

void append_bytes(std::vector<std::uint8_t>& out, const Frame& frame, std::uint32_t offset,
                  std::uint32_t length) {
    const std::size_t at = out.size();
    out.resize(at + length);
    pipeline::MemoryIo::copy(&frame, offset, length, out.data() + at);
}

/// A datagram as its first fragment's headers and its bytes; an ordinary packet is one of a single piece.
struct Whole {
    const Frame* first = nullptr;  ///< holds the upper-layer header; null: no fragment does
    Headers headers;
    std::vector<std::uint8_t> transport;
};

Whole put_together(const ReasonInput& input) {
    Whole out;
    std::vector<const Frame*> frames;
    for (const pipeline::MemoryPacket* at = &input.first; at != nullptr;
         at = input.decision.datagram ? at->next_fragment : nullptr)
        frames.push_back(static_cast<const Frame*>(at));
    std::sort(frames.begin(), frames.end(), [](const Frame* a, const Frame* b) {
        return a->headers.fragment.offset < b->headers.fragment.offset;
    });
    if (packet::is_later_fragment(frames.front()->headers)) return out;
    out.first = frames.front();
    out.headers = frames.front()->headers;
    for (const Frame* frame : frames)
        append_bytes(out.transport, *frame, frame->headers.transport_offset, frame->headers.transport_length);
    if (input.decision.datagram) out.headers.fragment = {};
    out.headers.transport_length = static_cast<std::uint32_t>(out.transport.size());
    return out;
}

std::string explain_checksum(const ReasonInput& input) {
    const Headers& headers = input.frame.headers;
    std::vector<std::uint8_t> network;
    if (headers.family == packet::Family::ipv4)
        append_bytes(network, input.frame, headers.network_offset,
                     std::uint32_t{headers.transport_offset} - headers.network_offset);
    if (headers.fragment.present && !input.decision.datagram)
        return packet::explain_checksum(headers, network, {});
    const Whole whole = put_together(input);
    if (whole.first == nullptr) return {};
    return packet::explain_checksum(whole.headers, network, whole.transport);
}

std::string explain_malformed(const ReasonInput& input) {
    const Headers& headers = input.frame.headers;
    if (headers.refusal != Reason::none)
        return packet::explain_refusal(bytes_of(input.frame, input.link), headers);
    const Whole whole = put_together(input);
    if (whole.first == nullptr) return {};
    if (whole.headers.icmp_error)
        return packet::explain_quote(bytes_of(*whole.first, input.link), whole.first->headers);
    if (whole.headers.protocol == packet::udp)
        return fmt::format("the UDP header says {}, the datagram holds {}",
                           counted(whole.headers.udp_length, "byte"), grouped(whole.transport.size()));
    return {};
}

std::string explain_same_endpoint(const Headers& headers) {
    return fmt::format("both ends are {}",
                       endpoint_text(headers.family, headers.source, headers.source_port, true));
}

// ---- ICMP

std::string quote_text(const packet::Quote& quote) {
    const bool ports = quote.protocol == packet::tcp || quote.protocol == packet::udp;
    return fmt::format("{} {} > {}", protocol_name(quote.protocol),
                       endpoint_text(quote.family, quote.source, quote.source_port, ports),
                       endpoint_text(quote.family, quote.destination, quote.destination_port, ports));
}

std::string explain_quoted_sequence(const packet::Quote& quote, const tcp::Connection& connection,
                                    tcp::Direction sender) {
    const char who = sender == tcp::Direction::original ? 'A' : 'B';
    const std::uint32_t sequence = quote.tcp_sequence;
    const auto bounds = pipeline::quote_bounds(connection, sender);
    std::string out = fmt::format("the ICMP error quotes {} with sequence {}, ", quote_text(quote), sequence);
    if (!bounds) return out + fmt::format("and nothing that {} sent has been seen", who);
    if (after(sequence, bounds->newest))
        return out + fmt::format("which is {} beyond {}, up to which {} may have sent",
                                 grouped(sequence - bounds->newest), bounds->newest, who);
    return out + fmt::format("which is {} below {}, the oldest that {} may still have under way",
                             grouped(bounds->oldest - sequence), bounds->oldest, who);
}

std::string explain_icmp_error(const ReasonInput& input) {
    const Whole whole = put_together(input);
    if (whole.first == nullptr) return {};
    const packet::Quote quote = packet::parse_quote(bytes_of(*whole.first, input.link), whole.first->headers);
    const Headers& headers = whole.first->headers;
    if (input.decision.reason == Reason::icmp_unmatched)
        return fmt::format("the ICMP error quotes {}, and no such flow is tracked", quote_text(quote));
    if (quote.source != headers.destination)
        return fmt::format("the ICMP error goes to {} and quotes {}: it should go to the sender of that",
                           endpoint_text(headers.family, headers.destination, 0, false), quote_text(quote));
    if (input.connection == nullptr) return {};
    return explain_quoted_sequence(quote, *input.connection, tcp::opposite(input.decision.direction));
}

std::string explain_unasked_answer(const ReasonInput& input) {
    const Headers& headers = input.first.headers;
    if (!headers.icmp_query) return {};
    return fmt::format(
        "an ICMP answer of type {} with identifier {}, and nobody sent a query of type {} with it",
        headers.icmp_type, headers.source_port, packet::request_type_of(headers.protocol, headers.icmp_type));
}

// ---- Resources

std::string explain_no_room(const ReasonInput& input) {
    const bool ipv4 = input.decision.family == packet::Family::ipv4;
    return fmt::format("the table for IPv{} holds {}, and all of them are assured", ipv4 ? 4 : 6,
                       counted(ipv4 ? input.limits.ipv4_flows : input.limits.ipv6_flows, "flow"));
}

/// Which rule it was.
std::string explain_rule(const ReasonInput& input) {
    const pipeline::Policy* const policy = input.settings.policy.get();
    const Whole whole = put_together(input);
    if (policy == nullptr || whole.first == nullptr) return {};
    const Headers& headers = whole.headers;
    policy::FirstPacket first;
    first.ipv4 = headers.family == packet::Family::ipv4;
    const auto address = [&](const packet::Address& bytes) {
        return first.ipv4 ? Address::ipv4(bytes.data()) : Address::ipv6(bytes.data());
    };
    first.source = address(headers.source);
    first.destination = address(headers.destination);
    first.protocol = headers.protocol;
    const bool is_icmp = headers.protocol == packet::icmp || headers.protocol == packet::icmpv6;
    first.source_port = is_icmp ? headers.icmp_type : headers.source_port;
    first.destination_port = is_icmp ? headers.icmp_code : headers.destination_port;
    if (headers.vlan_count != 0) first.vlan = headers.vlan[0];
    const policy::RuleNumber number = policy->matcher->match(first);
    if (number == policy::no_rule) return {};
    return fmt::format("{}: {}", title_of(*policy->rules, number), describe(policy->rules->rule(number)));
}

std::string explain_reason(const ReasonInput& input) {
    const Headers& headers = input.frame.headers;
    switch (input.decision.reason) {
        case Reason::malformed:
            return explain_malformed(input);
        case Reason::too_many_headers:
        case Reason::fragment_tiny:
            return packet::explain_refusal(bytes_of(input.frame, input.link), headers);
        case Reason::fragment_too_long:
            if (headers.refusal != Reason::none)
                return packet::explain_refusal(bytes_of(input.frame, input.link), headers);
            return explain_fragment(input);
        case Reason::same_endpoint:
            return explain_same_endpoint(headers);
        case Reason::bad_checksum:
            return explain_checksum(input);
        case Reason::icmp_unmatched:
        case Reason::icmp_mismatch:
            return explain_icmp_error(input);
        case Reason::no_connection:
            return explain_unasked_answer(input);
        case Reason::table_full:
            return explain_no_room(input);
        case Reason::policy_denied:
        case Reason::rule_limit:
            return explain_rule(input);
        case Reason::ethertype:
            return fmt::format("its EtherType 0x{:04x} is configured to be dropped", headers.ether_type);
        default:
            return explain_fragment(input);
    }
}

}  // namespace

std::string explain_packet(const ReasonInput& input) {
    std::string why = explain_reason(input);
    if (why.empty()) why = text_of(input.decision.reason).sentence;
    if (input.frame.captured < input.frame.length && input.frame.headers.refusal != Reason::none)
        why += fmt::format(" (the capture holds {} of the packet's {})", grouped(input.frame.captured),
                           counted(input.frame.length, "byte"));
    return why;
}

}  // namespace sluice::app
