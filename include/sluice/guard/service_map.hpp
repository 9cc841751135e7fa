// Which protected service a packet goes to: an immutable table, built off the packet path and swapped whole.
//
// A service is an address or a prefix, with one port or all. There are few different shapes of these (length
// of the prefix, with or without a port): for each shape the map's table holds the services of that shape by
// their masked address and port, and a packet asks once per shape, the longest prefix first and one port
// before all (tuple space search; Srinivasan, Suri, Varghese 1999). At most eight shapes, so at most eight
// questions; a configuration of single addresses and ports asks one.
//
// The table is hashed with linear probing, a quarter full at most, and build() tries seeds until nothing lies
// more than four places from its home: a question reads at most five entries, whatever is asked. The contents
// are the operator's own, so no outsider chooses them; a learnt service has had completed handshakes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/address_text.hpp"
#include "sluice/base/result.hpp"
#include "sluice/guard/address.hpp"

namespace sluice::guard {

/// The number of a service; 0: whatever no service covers.
using ServiceNumber = std::uint16_t;
inline constexpr ServiceNumber no_service = 0;

/// What is protected together.
struct Service {
    Address address;
    std::uint8_t prefix_length = 128;  ///< of Address: IPv4's plus 96
    std::uint16_t port = 0;            ///< host order; 0: all
    ServiceNumber number = 1;          ///< 1 or more; several entries may share one

    friend bool operator==(const Service&, const Service&) = default;
};

/// "192.0.2.1:443", "192.0.2.0/24:all", "[2001:db8::/64]:443", for people.
[[nodiscard]] std::string text_of(const Service& service);
using sluice::text_of;
[[nodiscard]] std::string text_of(Source source);

class ServiceMap {
  public:
    static constexpr unsigned most_services = 8192;
    static constexpr unsigned most_shapes = 8;
    static constexpr unsigned most_steps = 4;  ///< from an entry's home

    /// An empty map: everything is no_service.
    ServiceMap() = default;
    /// Fails with a sentence when there are too many services or shapes, two for the same address and port,
    /// a number of 0, a prefix length over 128 or an address with bits beyond its prefix.
    [[nodiscard]] static Result<ServiceMap> build(std::span<const Service> services);

    [[nodiscard]] bool empty() const { return shape_count_ == 0; }
    /// The most particular service that covers this address and port (host order). A few ns; any thread.
    [[nodiscard]] ServiceNumber find(const Address& address, std::uint16_t port) const {
        for (unsigned i = 0; i < shape_count_; ++i) {
            const Shape& shape = shapes_[i];
            const Address masked{address.high & shape.mask.high, address.low & shape.mask.low};
            const ServiceNumber number =
                find_in(i, masked, static_cast<std::uint16_t>(port & shape.port_mask));
            if (number != no_service) return number;
        }
        return no_service;
    }

    /// Bits of an address that a prefix of this length keeps.
    [[nodiscard]] static constexpr Address mask_of(unsigned length) { return prefix_mask(length); }

  private:
    struct Shape {
        Address mask;
        std::uint16_t port_mask = 0;  ///< all bits, or none where all ports are meant
        std::uint8_t prefix_length = 0;

        friend bool operator==(const Shape&, const Shape&) = default;
    };
    struct Entry {
        Address address;
        std::uint16_t port = 0;
        std::uint16_t shape = 0;
        ServiceNumber number = no_service;  ///< no_service: an empty entry
    };

    [[nodiscard]] std::size_t home(unsigned shape, const Address& address, std::uint16_t port) const {
        const std::uint64_t port_and_shape = port | std::uint64_t{shape} << 16;
        std::uint64_t mixed = address.low ^ seed_ ^ address.high * 0x9E37'79B9'7F4A'7C15U ^
                              port_and_shape * 0xD6E8'FEB8'6659'FD93U;
        mixed *= 0xA076'1D64'78BD'642FU;
        mixed = (mixed ^ mixed >> 32) * 0x9E37'79B9'7F4A'7C15U;
        return mixed >> shift_;
    }
    [[nodiscard]] ServiceNumber find_in(unsigned shape, const Address& address, std::uint16_t port) const {
        const Entry* entry = &entries_[home(shape, address, port)];
        for (unsigned step = 0; step <= most_steps && entry->number != no_service; ++step, ++entry)
            if (entry->address == address && entry->port == port && entry->shape == shape)
                return entry->number;
        return no_service;
    }
    [[nodiscard]] bool place(std::span<const Service> services);

    std::array<Shape, most_shapes> shapes_{};
    unsigned shape_count_ = 0;
    unsigned shift_ = 63;
    std::uint64_t seed_ = 0;
    std::vector<Entry> entries_;  ///< a power of two, and most_steps beyond so that no step wraps
};

}  // namespace sluice::guard
