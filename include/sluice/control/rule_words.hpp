// Rules as the daemon shows them, and a packet that somebody made up to ask which of them decides.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sluice/control/json_fields.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::control {

/// A row for one rule, with what all workers have counted; with a line feed.
void append_rule(std::string& out, const pipeline::Policy& policy, policy::RuleNumber number);

/// A row: the rule that decides, and why each before it did not; of these at most so many.
inline constexpr std::size_t most_passed_over = 100;
void append_trial(std::string& out, const policy::RuleSet& rules, const policy::FirstPacket& packet);

/// A packet in a request: {"protocol":6,"src":"192.0.2.1","dst":"198.51.100.1","sport":40000,"dport":443},
/// for ICMP "icmp_type" and "icmp_code" instead of ports; "vlan" and "interface" where they matter.
void read_packet(JsonFields& outer, policy::FirstPacket& packet);
[[nodiscard]] nlohmann::json packet_json(const policy::FirstPacket& packet);

/// "tcp from 192.0.2.1 port 40000 to 198.51.100.1 port 443 vlan 7 on 1/2", as words; "on" is a pair and a
/// port of it, both from 1.
[[nodiscard]] Result<policy::FirstPacket> parse_packet(std::span<const std::string> words);

}  // namespace sluice::control
