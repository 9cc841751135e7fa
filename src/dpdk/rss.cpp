#include "rss.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <vector>

namespace sluice::dpdk {
namespace {

using Table = std::vector<rte_eth_rss_reta_entry64>;

Table empty_table(std::uint16_t size) {
    Table table((size + RTE_ETH_RETA_GROUP_SIZE - 1U) / RTE_ETH_RETA_GROUP_SIZE);
    for (auto& group : table) group.mask = ~0ULL;
    return table;
}

}  // namespace

std::array<std::uint8_t, 52> symmetric_key() {
    std::array<std::uint8_t, 52> key{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<std::uint8_t>(i % 2 == 0 ? rss_word >> 8 : rss_word & 0xFF);
    }
    return key;
}

std::uint64_t wanted_rss_fields() {
    return RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
           RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_IPV6 |
           RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP |
           RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
}

std::uint64_t usable_rss_fields(std::uint64_t offered) {
    constexpr std::uint64_t needed = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |
                                     RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
    constexpr std::uint64_t others4 = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
    constexpr std::uint64_t others6 = RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
    const bool usable = (offered & needed) == needed && (offered & others4) != 0 && (offered & others6) != 0;
    return usable ? offered & wanted_rss_fields() : 0;
}

void write_rss_key(const Port& port, const Spreading& spreading) {
    auto key = spreading.key;
    rte_eth_rss_conf conf{.rss_key = key.data(), .rss_key_len = port.rss_key_size, .rss_hf = port.rss_fields};
    rte_eth_dev_rss_hash_update(port.id, &conf);
}

bool write_rss_table(const Port& port, const Spreading& spreading) {
    Table table = empty_table(port.rss_table_size);
    for (std::uint16_t i = 0; i < port.rss_table_size; ++i) {
        table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = spreading.table[i];
    }
    return rte_eth_dev_rss_reta_update(port.id, table.data(), port.rss_table_size) == 0;
}

Status verify_rss(const Port& port, const Spreading& spreading) {
    std::array<std::uint8_t, 52> key{};
    rte_eth_rss_conf conf{};
    conf.rss_key = key.data();
    conf.rss_key_len = port.rss_key_size;
    if (rte_eth_dev_rss_hash_conf_get(port.id, &conf) != 0)
        return Error{port.given + " does not tell its RSS key"};
    if (!std::equal(key.begin(), key.begin() + port.rss_key_size, spreading.key.begin())) {
        return Error{port.given + " did not take the symmetric RSS key"};
    }
    if ((conf.rss_hf & wanted_rss_fields()) != port.rss_fields) {
        return Error{port.given + " spreads by other fields than it was told"};
    }
    Table table = empty_table(port.rss_table_size);
    if (rte_eth_dev_rss_reta_query(port.id, table.data(), port.rss_table_size) != 0) {
        return Error{port.given + " does not tell its RSS indirection table"};
    }
    for (std::uint16_t i = 0; i < port.rss_table_size; ++i) {
        if (table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] != spreading.table[i]) {
            return Error{port.given + " did not take the RSS indirection table"};
        }
    }
    return success();
}

}  // namespace sluice::dpdk
