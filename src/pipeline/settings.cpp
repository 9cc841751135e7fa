#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

void Settings::set_default_ether_types() {
    pass_other_ether_types = false;
    ether_types = {};
    ether_type_count = 0;
    for (const std::uint16_t passed : {
             std::uint16_t{0x0000},  // LLC: spanning tree, IS-IS
             std::uint16_t{0x0806},  // ARP
             std::uint16_t{0x8809},  // slow protocols: LACP, OAM
             std::uint16_t{0x888E},  // 802.1X
             std::uint16_t{0x88CC},  // LLDP
             std::uint16_t{0x88F7},  // PTP
         }) {
        ether_types[ether_type_count++] = {passed, true};
    }
}

}  // namespace sluice::pipeline
