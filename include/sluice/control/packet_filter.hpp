// A filter expression of libpcap's ("tcp port 80 and host 192.0.2.1", pcap-filter(7)) as a program that looks
// at a packet's first bytes. Programs come over the control socket too, so what runs is checked first: it
// ends, and touches nothing but the packet.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::control {

/// A longer program is refused: some hundred addresses.
inline constexpr std::size_t most_filter_instructions = 512;

class PacketFilter {
  public:
    /// Everything matches.
    PacketFilter() = default;
    /// Of Ethernet frames. The error is a sentence with libpcap's own words. One thread at a time.
    [[nodiscard]] static Result<PacketFilter> compile(const std::string& expression);

    [[nodiscard]] bool everything() const { return instructions_.empty(); }
    /// `length` is that of the frame, `bytes` its first: a test of bytes behind them fails.
    [[nodiscard]] bool matches(std::span<const std::uint8_t> bytes, std::uint32_t length) const;

    /// As a list of lists: code, two offsets and a number.
    [[nodiscard]] nlohmann::json to_json() const;
    [[nodiscard]] static Result<PacketFilter> from_json(const nlohmann::json& list);

    friend bool operator==(const PacketFilter&, const PacketFilter&) = default;

  private:
    struct Instruction {
        std::uint16_t code;
        std::uint8_t if_true, if_false;
        std::uint32_t operand;
        friend bool operator==(const Instruction&, const Instruction&) = default;
    };
    /// No program that could go on for ever, or leave the packet.
    [[nodiscard]] bool harmless() const;

    std::vector<Instruction> instructions_;
};

}  // namespace sluice::control
