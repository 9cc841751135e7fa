// Initial sequence numbers that nobody can guess, for hosts that choose guessable ones (RFC 6528):
//
//     ISN = M + F(local address, local port, remote address, remote port, secret)
//
// M is a clock that ticks every 4 microseconds, F a keyed hash: here SipHash-2-4, which stays unpredictable
// to somebody who sees its values for connections of his own. Each pair of endpoints has a number space of
// its own, in which the clock runs: a connection that follows another begins above it, as TIME_WAIT wants,
// unless the former sent more than 250,000 bytes a second or began over 4.77 hours ago, when the clock has
// gone round (or, by the arithmetic of sequence numbers, 2.38 hours).
//
// The host keeps its own number, and the difference is translated for the life of the flow.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/endian.hpp"
#include "sluice/base/siphash.hpp"
#include "sluice/guard/translation.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::guard {

/// A connection as its protected host names it: "local" is the host, whoever opened. Ports in host order.
struct Endpoints {
    packet::Family family;  ///< ipv4 or ipv6
    std::uint16_t local_port, remote_port;
    packet::Address local, remote;
};

/// Draws the numbers that clients see. Immutable, so for any number of threads; about 50 cycles a number.
class InitialSequence {
  public:
    /// `secret`: from the kernel's generator, drawn once at start, never printed and of no other use. It must
    /// not change while the box runs: the order of a connection's numbers would be lost.
    explicit InitialSequence(const SipHashKey& secret) : secret_(secret) {}

    /// `clock` counts 4 microseconds, modulo 2^32, and never goes back.
    [[nodiscard]] std::uint32_t number(const Endpoints& endpoints, std::uint32_t clock) const {
        // The families' inputs have different lengths, so none of one is one of the other.
        const std::size_t address_bytes = endpoints.family == packet::Family::ipv4 ? 4 : 16;
        std::array<std::uint8_t, 2 * sizeof(packet::Address) + 4> bytes;
        std::uint8_t* const ports = bytes.data() + 2 * address_bytes;
        std::memcpy(bytes.data(), endpoints.local.data(), address_bytes);
        std::memcpy(bytes.data() + address_bytes, endpoints.remote.data(), address_bytes);
        store(ports, be16(endpoints.local_port));
        store(ports + 2, be16(endpoints.remote_port));
        const std::uint64_t hash = siphash(std::span(bytes).first(2 * address_bytes + 4), secret_);
        return clock + static_cast<std::uint32_t>(hash);
    }

    /// How a connection is translated whose protected host began with `its_own`: its SYN or SYN,ACK, and all
    /// it sends later. A host that repeats its SYN keeps its number and must get the same translation: keep
    /// it in the flow.
    [[nodiscard]] Translation hide(const Endpoints& endpoints, std::uint32_t its_own,
                                   std::uint32_t clock) const {
        return {.sequence_delta = number(endpoints, clock) - its_own};
    }

  private:
    SipHashKey secret_;
};

}  // namespace sluice::guard
