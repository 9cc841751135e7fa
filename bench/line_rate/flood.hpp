// Floods: segments that belong to no connection, to one server, from 198.18.128.0/17 (see population.hpp), or
// from as many networks of 64 bits:
//
//     2001:2:0:1::1          the server
//     2001:2:0:8000::/49     where they come from
//
// A segment's numbers follow from its ends: where a source comes again, it says the same again.
#pragma once

#include <cstdint>
#include <type_traits>

#include "line_rate/arguments.hpp"
#include "line_rate/frame.hpp"
#include "line_rate/population.hpp"
#include "random.hpp"

namespace sluice::bench {

class Flood {
  public:
    static constexpr packet::Address ipv6_server{0x20, 0x01, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};

    /// The frames it needs, FCS included; new connections beside it have room in them, too.
    [[nodiscard]] static unsigned frame_bytes(const FloodPlan& plan) {
        if (!plan.ipv6) return plan.linux_options ? frame_with_linux_options : shortest_frame + fcs_bytes;
        const bool syn = (flags_of(plan.kind) & packet::syn) != 0;
        return ipv6_header_bytes + option_bytes(syn, options_of(plan)) + fcs_bytes;
    }

    /// Against a server of `target`.
    Flood(const Population& target, const FloodPlan& plan, std::uint64_t seed)
        : target_(target),
          sources_(plan.sources),
          ipv6_(plan.ipv6),
          flags_(flags_of(plan.kind)),
          options_(options_of(plan)),
          random_(seed),
          next_(random_.next()) {}

    /// One that belongs to `worker`.
    void write(unsigned worker, std::uint8_t* frame) {
        if (ipv6_) {
            const auto ends = next_ends<Ipv6Endpoints>(worker);
            write_ipv6_segment(frame, ends, segment(load<be32>(&ends.client[4]), ends.client_port));
        } else {
            const auto ends = next_ends<Endpoints>(worker);
            write_segment(frame, ends, 0, segment(ends.client, ends.client_port));
        }
    }

    /// Whether a frame that `side` has sent is a flood's. Nothing else is of IPv6.
    [[nodiscard]] static bool is_of_one(const std::uint8_t* frame, unsigned side) {
        return is_ipv6(frame) || (client_of(frame, side) & ~address_bits) == first_source;
    }

  private:
    static constexpr std::uint32_t first_source = 0xC612'8000, address_bits = 0x7FFF, few_bits = 0xF;
    static constexpr std::uint32_t first_network = 0x8000;  // of 2001:2::/48: its fourth 16 bits
    static_assert(first_network + address_bits <= 0xFFFF);
    static_assert(is_for_benchmarks(first_source) && is_for_benchmarks(first_source + address_bits));

    static std::uint8_t flags_of(FloodKind kind) {
        switch (kind) {
            case FloodKind::syn:
                return packet::syn;
            case FloodKind::ack:
                return packet::ack;
            case FloodKind::syn_ack:
                return packet::syn | packet::ack;
            case FloodKind::rst:
                return packet::rst;
            case FloodKind::fin:
                return packet::fin | packet::ack;
        }
        return 0;
    }

    static Options options_of(const FloodPlan& plan) {
        return plan.linux_options ? Options::as_linux : Options::none;
    }

    [[nodiscard]] Segment segment(be32 source, be16 port) const {
        const std::uint32_t number = source.host() * 0x9E37'79B1U ^ port.host() * 0x85EB'CA6BU;
        const bool acknowledges = (flags_ & packet::ack) != 0;
        return {.sequence = number,
                .acknowledgement = acknowledges ? ~number : 0,
                .flags = flags_,
                .options = options_,
                .timestamp = number,
                .echo = acknowledges ? ~number : 0};
    }

    template <class EndpointsT>
    EndpointsT next_ends(unsigned worker) {
        for (;;) {
            // In sequence the address changes fastest.
            const std::uint64_t bits = sources_ == FloodSources::sequential ? next_++ : random_.next();
            const auto address =
                static_cast<std::uint32_t>(bits) & (sources_ == FloodSources::few ? few_bits : address_bits);
            EndpointsT ends;
            if constexpr (std::is_same_v<EndpointsT, Ipv6Endpoints>) {
                ends.client = ends.server = ipv6_server;
                store(&ends.client[6], be16(static_cast<std::uint16_t>(first_network + address)));
                if (sources_ == FloodSources::random)
                    store(&ends.client[12], be32(static_cast<std::uint32_t>(bits >> 32U)));
            } else {
                ends.client = be32(first_source + address);
                ends.server = be32(Population::first_server);
            }
            ends.client_port = be16(static_cast<std::uint16_t>(bits >> 15U));
            ends.server_port = be16(target_.server_port());
            if (target_.owned_by(worker, ends)) return ends;
        }
    }

    const Population& target_;
    FloodSources sources_;
    bool ipv6_;
    std::uint8_t flags_;
    Options options_;
    Random random_;
    std::uint64_t next_;
};

}  // namespace sluice::bench
