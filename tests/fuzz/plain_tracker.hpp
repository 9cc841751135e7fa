// A tracker as one would write it on a blackboard: one packet at a time, whole and in one piece, flows in a
// std::map, time compared by subtraction. pipeline::Tracker must decide the same. It uses the parser and the
// engine, which have targets of their own, and nothing else of the product.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "plain_checksum.hpp"
#include "sluice/packet/icmp.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/pipeline/packet_io.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/verdict.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::fuzz {

/// One end of a flow: address and port.
using PlainEnd = std::tuple<packet::Address, std::uint16_t>;
/// Family, protocol, the ends in order, what tells queries apart, tags, port pair, zone.
using PlainKey = std::tuple<packet::Family, std::uint8_t, PlainEnd, PlainEnd, std::uint32_t, std::uint16_t,
                            std::uint16_t, std::uint8_t, std::uint16_t>;

struct PlainFlow {
    bool from_high = false;     ///< the originator is the second end of the key
    tcp::Connection tcp{};      ///< of TCP; of others only the status bits are used
    tcp::PendingSyn pending{};  ///< valid when the connection says so
    Tick stream_since = 0;      ///< UDP
    Tick expiry = 0;
    std::uint32_t mark = 0;
    std::uint64_t packets[2] = {0, 0}, bytes[2] = {0, 0};
};

struct PlainDecision {
    pipeline::Action action = pipeline::Action::drop;
    pipeline::CtState state = pipeline::CtState::invalid;
    Reason reason = Reason::none;
    bool has_flow = false;
    tcp::Direction direction = tcp::Direction::original;
};

/// A whole packet. Of a datagram put together: how many transport bytes its first fragment held, since an
/// ICMP error is known by its first fragment alone.
struct PlainPacket {
    std::span<const std::uint8_t> bytes;
    std::uint8_t port_pair = 0;
    pipeline::ChecksumState checksum = pipeline::ChecksumState::unknown;
    std::optional<std::size_t> first_fragment_transport{};
};

class PlainTracker {
  public:
    explicit PlainTracker(const pipeline::Settings& settings) : settings_(settings) {}

    PlainDecision judge(const PlainPacket& packet, Tick now);
    void obey(const pipeline::Settings& settings) { settings_ = settings; }
    /// Forgets what has expired.
    void expire(Tick now) {
        std::erase_if(flows_, [now](const auto& one) { return reached(now, one.second.expiry); });
    }
    [[nodiscard]] std::map<PlainKey, PlainFlow>& flows() { return flows_; }
    /// Flows with something pending: there is room for few of them.
    [[nodiscard]] std::size_t pending() const {
        std::size_t out = 0;
        for (const auto& [key, flow] : flows_) out += std::get<1>(key) == packet::tcp && flow.tcp.pending_syn;
        return out;
    }

  private:
    using Found = std::map<PlainKey, PlainFlow>::iterator;
    struct Keyed {
        PlainKey key;
        bool from_high;
    };

    pipeline::Settings settings_;
    std::map<PlainKey, PlainFlow> flows_;
    bool put_together_ = false;  ///< the packet being judged came in fragments

    void account(PlainFlow& flow, tcp::Direction direction, const packet::Headers& headers) const;
    [[nodiscard]] PlainDecision refuse(Reason reason) const {
        return {settings_.drop_invalid ? pipeline::Action::drop : pipeline::Action::pass,
                pipeline::CtState::invalid, reason};
    }
    static PlainDecision pass(pipeline::CtState state, tcp::Direction direction = tcp::Direction::original,
                              bool has_flow = true, Reason reason = Reason::none) {
        return {pipeline::Action::pass, state, reason, has_flow, direction};
    }
    [[nodiscard]] bool checksums_hold(const PlainPacket& packet, const packet::Headers& headers) const;
    [[nodiscard]] PlainDecision other_ether_type(std::uint16_t ether_type) const;
    [[nodiscard]] Keyed key_of(const PlainPacket& packet, const packet::Headers& headers,
                               const packet::Address& source, const packet::Address& destination,
                               std::uint16_t source_port, std::uint16_t destination_port,
                               std::uint8_t protocol, std::uint8_t icmp_type) const;
    [[nodiscard]] Found find(const PlainKey& key, Tick now) {
        const Found found = flows_.find(key);
        return found == flows_.end() || reached(now, found->second.expiry) ? flows_.end() : found;
    }
    [[nodiscard]] Tick ticks_of(Lifetime lifetime) const;
    PlainDecision judge_error(const PlainPacket& packet, const packet::Headers& headers, Tick now);
    PlainDecision judge_tcp(const packet::Headers& headers, const Keyed& keyed, Tick now);
    PlainDecision open_tcp(const packet::Headers& headers, const tcp::Segment& segment, const Keyed& keyed,
                           Tick now);
    PlainDecision begin_tcp(const packet::Headers& headers, const tcp::Connection& connection,
                            Lifetime lifetime, const Keyed& keyed, Tick now);
    PlainDecision judge_datagram(const packet::Headers& headers, const Keyed& keyed, Tick now);
};

}  // namespace sluice::fuzz
