// Which flows a request is about: conntrack's filters. Sent over the control socket as JSON and matched by
// the daemon, so that a listing of a few flows out of millions costs the command nothing.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

/// An address under a mask: `address & mask` is compared. Of the filter's family.
struct AddressMatch {
    packet::Address address{};
    packet::Address mask{};
    friend bool operator==(const AddressMatch&, const AddressMatch&) = default;
};
/// The mask of a prefix; `bits` at most 32 or 128.
[[nodiscard]] packet::Address prefix_mask(packet::Family family, unsigned bits);

/// One direction's tuple, each part optional.
struct TupleMatch {
    std::optional<AddressMatch> source, destination;
    std::optional<std::uint16_t> source_port, destination_port;
    friend bool operator==(const TupleMatch&, const TupleMatch&) = default;
};

/// Bits of a flow's status, with conntrack's names.
enum StatusBit : std::uint8_t { seen_reply_bit = 1, assured_bit = 2, fixed_timeout_bit = 4 };

/// A flow matches when every part that is set matches.
struct Filter {
    std::optional<packet::Family> family;  ///< set when any address is
    std::optional<std::uint8_t> protocol;
    TupleMatch original, reply;
    std::optional<std::uint8_t> icmp_type, icmp_code;  ///< of the request
    std::optional<std::uint16_t> icmp_id;
    std::optional<std::string> state;  ///< nf_conntrack's name of a TCP state
    std::uint8_t status_set = 0;       ///< StatusBits that must be set
    std::uint8_t status_clear = 0;     ///< StatusBits that must not be
    struct Mark {
        std::uint32_t value, mask;  ///< (mark & mask) == value
        friend bool operator==(const Mark&, const Mark&) = default;
    };
    std::optional<Mark> mark;
    std::optional<std::uint16_t> zone;
    std::optional<std::uint16_t> vlan;      ///< outermost VLAN id
    std::optional<std::uint8_t> port_pair;  ///< which pair of ports carries it
    bool nothing = false;  ///< asks for what no flow of ours has (NAT, an offload, a zone of one direction)

    friend bool operator==(const Filter&, const Filter&) = default;
    /// No part is set: every flow matches.
    [[nodiscard]] bool everything() const { return *this == Filter{}; }
};

[[nodiscard]] bool matches(const Filter& filter, const pipeline::FlowView& flow);

/// Only the parts that are set, under stable keys (docs/control-socket.md).
[[nodiscard]] nlohmann::json to_json(const Filter& filter);
/// The filter in `json`, or what is wrong with it. An unknown key is an error: a filter that was not
/// understood must not match more than was meant.
[[nodiscard]] Result<Filter> filter_from_json(const nlohmann::json& json);

}  // namespace sluice::control
