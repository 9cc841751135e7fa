#include "sluice/control/flow_census.hpp"

#include <algorithm>

#include "sluice/packet/headers.hpp"

namespace sluice::control {
namespace {

constexpr std::string_view other_protocols[] = {"udp", "icmp", "icmpv6", "other"};

/// Where a flow of a protocol without connections is counted, behind the pairs of TCP.
std::size_t place_of(std::uint8_t protocol, bool seen_reply) {
    const std::size_t row = protocol == packet::udp      ? 0
                            : protocol == packet::icmp   ? 1
                            : protocol == packet::icmpv6 ? 2
                                                         : 3;
    return tcp::pair_count + 2 * row + (seen_reply ? 0 : 1);
}

}  // namespace

/// True when the table has been gone through.
template <class Table>
bool FlowCensus::walk(const Table& table, Tick now, std::uint32_t& slots) {
    typename Table::Record record;
    for (const flow::Ref end = table.high_water(); next_ < end; ++next_) {
        if (slots == 0) return false;
        --slots;
        if (!table.read(next_, record) || reached(now, record.expiry)) continue;
        const bool is_tcp = record.key.protocol == packet::tcp;
        const std::size_t place =
            is_tcp ? std::min<std::size_t>(record.payload.tcp.pair, tcp::pair_count - 1)
                   : place_of(record.key.protocol, record.payload.datagram.seen_reply != 0);
        ++counts_[place];
    }
    return true;
}

bool FlowCensus::look(const Workers& workers, std::uint32_t slots) {
    const Tick now = workers.now();
    if (worker_ == 0 && !ipv6_ && next_ == 0) began_ = now;
    for (; worker_ < workers.all.size(); ++worker_, ipv6_ = false) {
        const WorkerHandle& worker = workers.all[worker_];
        if (!ipv6_) {
            if (!walk(*worker.table4, now, slots)) return false;
            ipv6_ = true;
            next_ = 0;
        }
        if (!walk(*worker.table6, now, slots)) return false;
        next_ = 0;
    }
    result_ = {rows(), began_, now};
    worker_ = 0;
    ipv6_ = false;
    counts_ = {};
    return true;
}

/// Pairs that nf_conntrack gives one name are one row.
std::vector<FlowCensus::Row> FlowCensus::rows() const {
    std::vector<Row> out;
    for (std::size_t pair = 0; pair < tcp::pair_count; ++pair) {
        const std::string_view name = tcp::pair_texts[pair].conntrack_name;
        const auto known =
            std::find_if(out.begin(), out.end(), [&](const Row& row) { return row.state == name; });
        if (known == out.end())
            out.push_back({"tcp", name, counts_[pair]});
        else
            known->flows += counts_[pair];
    }
    for (std::size_t row = 0; row < others; ++row)
        out.push_back({other_protocols[row / 2], row % 2 == 0 ? "answered" : "unanswered",
                       counts_[tcp::pair_count + row]});
    return out;
}

}  // namespace sluice::control
