// Floods: segments that belong to no connection, to one server, from 198.18.128.0/17 (see population.hpp).
//
// A segment's numbers follow from its ends: where a source comes again, it says the same again.
#pragma once

#include <cstdint>

#include "line_rate/arguments.hpp"
#include "line_rate/frame.hpp"
#include "line_rate/population.hpp"
#include "random.hpp"

namespace sluice::bench {

class Flood {
  public:
    /// Against a server of `target`.
    Flood(const Population& target, const FloodPlan& plan, std::uint64_t seed)
        : target_(target),
          sources_(plan.sources),
          flags_(flags_of(plan.kind)),
          options_(plan.linux_options ? Options::as_linux : Options::none),
          random_(seed),
          next_(random_.next()) {}

    /// One that belongs to `worker`.
    void write(unsigned worker, std::uint8_t* frame) {
        const Endpoints ends = next_ends(worker);
        const std::uint32_t number =
            ends.client.host() * 0x9E37'79B1U ^ ends.client_port.host() * 0x85EB'CA6BU;
        const bool acknowledges = (flags_ & packet::ack) != 0;
        write_segment(frame, ends, 0,
                      {.sequence = number,
                       .acknowledgement = acknowledges ? ~number : 0,
                       .flags = flags_,
                       .options = options_,
                       .timestamp = number,
                       .echo = acknowledges ? ~number : 0});
    }

    /// Whether the client of a frame is a flood's.
    [[nodiscard]] static bool is_client(std::uint32_t address) {
        return (address & ~address_bits) == first_source;
    }

  private:
    static constexpr std::uint32_t first_source = 0xC612'8000, address_bits = 0x7FFF, few_bits = 0xF;
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

    Endpoints next_ends(unsigned worker) {
        for (;;) {
            // In sequence the address changes fastest.
            const std::uint64_t bits = sources_ == FloodSources::sequential ? next_++ : random_.next();
            const auto address =
                static_cast<std::uint32_t>(bits) & (sources_ == FloodSources::few ? few_bits : address_bits);
            const Endpoints ends{be32(first_source + address), be32(Population::first_server),
                                 be16(static_cast<std::uint16_t>(bits >> 15U)), be16(target_.server_port())};
            if (target_.owned_by(worker, ends)) return ends;
        }
    }

    const Population& target_;
    FloodSources sources_;
    std::uint8_t flags_;
    Options options_;
    Random random_;
    std::uint64_t next_;
};

}  // namespace sluice::bench
