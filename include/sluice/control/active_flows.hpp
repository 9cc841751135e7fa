// Flows that live for long, so that a collector hears of them before they end: the tables are gone through
// again and again, and of each flow it is kept what was told already.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sluice/pipeline/burst.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

/// Tables that may be read in any thread, and the clock of their workers. Tables keep the start and the
/// account of each flow.
struct FlowTables {
    std::vector<std::pair<const pipeline::Table4*, const pipeline::Table6*>> of_workers;
    std::function<pipeline::Now()> now;
};

/// One thread.
class ActiveFlows {
  public:
    using Use = std::function<void(const pipeline::FlowView&, std::uint64_t wall_nanoseconds)>;

    /// `interval`: a flow older than that is told once in it. Of those in the tables now a daemon before this
    /// one has told.
    ActiveFlows(FlowTables tables, std::chrono::seconds interval);

    /// Looks at some slots of the tables, if that is due; or at all of them, and at young flows too: for the
    /// next daemon to go on from. `use` is given those flows of which there is something to tell, their
    /// accounts less what was told before.
    void look(const Use& use, bool all);
    /// Leaves in the account of a flow that has ended what was not told before.
    void end(pipeline::FlowView& flow);
    /// Flows of which something was told, and some that have ended since.
    [[nodiscard]] std::size_t known() const { return told_.size(); }

  private:
    /// Records are used again: the start tells flows of one apart.
    struct Name {
        std::uint64_t id, start;
        friend bool operator==(const Name&, const Name&) = default;
    };
    struct HashOfName {
        std::size_t operator()(const Name& name) const {
            return std::hash<std::uint64_t>()(name.id ^ name.start * 0x9E37'79B9'7F4A'7C15U);
        }
    };
    struct Told {
        flow::Account account{};
        std::uint64_t round = 0;  ///< in which the flow was met last
    };

    template <class Table>
    [[nodiscard]] bool look_through(const Table& table, const pipeline::Now& now, unsigned& slots,
                                    const Use& use);
    void meet(pipeline::FlowView& flow, const pipeline::Now& now, const Use& use);
    void finish_round();

    const FlowTables tables_;
    const std::chrono::seconds interval_;
    std::unordered_map<Name, Told, HashOfName> told_;
    std::uint64_t round_ = 0;
    bool under_way_ = false, all_ = false;
    std::chrono::steady_clock::time_point next_round_{};
    // Where the round is.
    unsigned worker_ = 0;
    bool ipv6_ = false;
    flow::Ref next_ = 0;
};

}  // namespace sluice::control
