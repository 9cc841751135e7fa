// How many flows there are of which protocol and in which state: a walk through the tables, a slice at a
// time, over and over for as long as somebody wants to know.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/control/workers.hpp"

namespace sluice::control {

/// Used by the control thread alone. Stops nobody: records are read beside their owners.
class FlowCensus {
  public:
    struct Row {
        std::string_view protocol;  ///< "tcp", "udp", "icmp", "icmpv6", "other"
        std::string_view state;     ///< of TCP nf_conntrack's name; of others "answered", "unanswered"
        std::uint64_t flows;
    };
    /// What one walk found. Flows that came or went meanwhile may be in it or not.
    struct Result {
        std::vector<Row> rows;  ///< a row for everything that is counted apart, that of 0 flows too
        Tick began = 0, ended = 0;
    };

    /// Looks at `slots` places for flows. True when that ended a walk; the next call begins another.
    bool look(const Workers& workers, std::uint32_t slots);
    /// Of the last walk that ended; no rows before that.
    [[nodiscard]] const Result& result() const { return result_; }
    /// Leaves the walk under way and forgets what was found.
    void stop() { *this = {}; }

  private:
    static constexpr std::size_t others = 8;  ///< protocols besides TCP, answered or not
    using Counts = std::array<std::uint64_t, tcp::pair_count + others>;

    template <class Table>
    bool walk(const Table& table, Tick now, std::uint32_t& slots);
    [[nodiscard]] std::vector<Row> rows() const;

    unsigned worker_ = 0;
    bool ipv6_ = false;
    flow::Ref next_ = 0;
    Tick began_ = 0;
    Counts counts_{};
    Result result_;
};

}  // namespace sluice::control
