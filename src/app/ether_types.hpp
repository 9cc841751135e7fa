// EtherTypes by the names an operator writes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::app {

struct EtherTypeName {
    std::string_view name;
    std::uint16_t number;
};

/// Stands for frames whose EtherType field is a length (below 0x0600): LLC, hence spanning tree. LLC/SNAP
/// with an EtherType behind it goes by that.
inline constexpr std::uint16_t llc_frames = 0;

inline constexpr std::array ether_type_names{
    EtherTypeName{"llc", llc_frames},
    EtherTypeName{"arp", 0x0806},
    EtherTypeName{"wake-on-lan", 0x0842},
    EtherTypeName{"rarp", 0x8035},
    EtherTypeName{"slow", 0x8809},
    EtherTypeName{"mpls", 0x8847},
    EtherTypeName{"mpls-multicast", 0x8848},
    EtherTypeName{"pppoe-discovery", 0x8863},
    EtherTypeName{"pppoe-session", 0x8864},
    EtherTypeName{"eapol", 0x888e},
    EtherTypeName{"profinet", 0x8892},
    EtherTypeName{"aoe", 0x88a2},
    EtherTypeName{"ethercat", 0x88a4},
    EtherTypeName{"lldp", 0x88cc},
    EtherTypeName{"macsec", 0x88e5},
    EtherTypeName{"ptp", 0x88f7},
    EtherTypeName{"cfm", 0x8902},
    EtherTypeName{"fcoe", 0x8906},
    EtherTypeName{"fip", 0x8914},
    EtherTypeName{"loopback", 0x9000},
};

/// A name of the list above or "0x" and one to four hexadecimal digits. Nothing for what the tracker itself
/// parses (IPv4, IPv6, VLAN tags) and for lengths.
[[nodiscard]] std::optional<std::uint16_t> ether_type_of(std::string_view text);

/// Its name, or "0x" and four digits.
[[nodiscard]] std::string name_of_ether_type(std::uint16_t number);

}  // namespace sluice::app
