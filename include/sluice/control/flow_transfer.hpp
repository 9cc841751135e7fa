// Saved flows on their way into trackers: aged, given the numbers that pairs have here, and dealt out to the
// workers that own them now, which may be more or fewer than there were.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/control/snapshot.hpp"
#include "sluice/control/workers.hpp"
#include "sluice/pipeline/burst.hpp"

namespace sluice::control {

/// What became of the flows of a snapshot.
struct RestoreTally {
    pipeline::RestoredCounts outcomes{};
    std::uint64_t expired = 0;   ///< before they could be restored
    std::uint64_t misfits = 0;   ///< that cannot be, or are of no pair that their layout names
    std::uint64_t left_out = 0;  ///< of whoever saved them: not saved

    void add(const RestoreTally& other) {
        for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i] += other.outcomes[i];
        expired += other.expired;
        misfits += other.misfits;
        left_out += other.left_out;
    }
    void add(const pipeline::FlowImport& taken) {
        for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i] += taken.outcomes[i];
    }
    [[nodiscard]] std::uint64_t of(pipeline::Restored outcome) const {
        return outcomes[static_cast<std::size_t>(outcome)];
    }
    [[nodiscard]] std::uint64_t restored() const { return of(pipeline::Restored::done); }
};

/// "1000 flows restored; 2 not: 2 had expired"
[[nodiscard]] std::string describe(const RestoreTally& tally);

/// The same as a row of the control socket, and back; nothing when it is none.
[[nodiscard]] std::string to_row(const RestoreTally& tally);
[[nodiscard]] std::optional<RestoreTally> parse_tally(std::string_view row);

/// Milliseconds between two wall clocks (ns since 1970), at least 0 and at most the longest life of a flow:
/// clocks are set.
[[nodiscard]] Tick ticks_between(std::uint64_t saved_nanoseconds, std::uint64_t now_nanoseconds);

/// What became of saved flows until they are dealt out.
struct SavedSince {
    Tick passed = 0;  ///< since they were saved
    /// Their tracker went on after that: pipeline::forget_numbers().
    bool went_on = false;
};

/// Deals out `records` (append_flow()), aged by what has passed. `take(unsigned worker, const
/// std::shared_ptr<FlowImport>&)` is called with a batch of each worker whenever it is full, and at the end
/// with what is left; the batch is the callee's. Counts in `tally` what is dealt to nobody.
template <class Take>
void deal_out(std::string_view records, const SnapshotFit& fit, SavedSince since, const Workers& workers,
              RestoreTally& tally, Take&& take) {
    std::vector<std::shared_ptr<pipeline::FlowImport>> batches(workers.all.size());
    pipeline::SavedFlow flow;
    while (!records.empty()) {
        if (!take_flow(records, flow)) {
            ++tally.misfits;  // and where the next begins nobody knows
            break;
        }
        if (!fit.adapt(flow)) {
            ++tally.misfits;
            continue;
        }
        if (!pipeline::age(flow, since.passed)) {
            ++tally.expired;
            continue;
        }
        if (since.went_on) pipeline::forget_numbers(flow);
        const unsigned owner =
            flow.family == packet::Family::ipv4 ? workers.owner4(flow.key4) : workers.owner6(flow.key6);
        auto& batch = batches[owner];
        if (batch == nullptr) batch = std::make_shared<pipeline::FlowImport>();
        batch->flows[batch->count++] = flow;
        if (batch->count == pipeline::FlowImport::most) take(owner, std::exchange(batch, nullptr));
    }
    for (unsigned worker = 0; worker < batches.size(); ++worker)
        if (batches[worker] != nullptr) take(worker, std::move(batches[worker]));
}

/// Restores all of `records` into trackers that no worker runs yet: `trackers[i]` is worker i's.
template <class Trackers>
void restore_all(std::string_view records, const SnapshotFit& fit, SavedSince since, const Workers& workers,
                 Trackers& trackers, pipeline::Now now, RestoreTally& tally) {
    deal_out(records, fit, since, workers, tally,
             [&](unsigned worker, const std::shared_ptr<pipeline::FlowImport>& batch) {
                 trackers[worker]->import_flows(*batch, now, pipeline::FlowImport::most);
                 tally.add(*batch);
             });
}

/// Every flow of a tracker that no worker runs any more: `take(const SavedFlow&)`. Returns how many could not
/// be saved, as handshakes with their servers are under way.
template <class TrackerT, class Take>
std::uint64_t save_all(TrackerT& tracker, pipeline::Now now, Take&& take) {
    const auto batch = std::make_unique<pipeline::FlowExport>();
    batch->since = now.tick;
    while (!batch->complete) {
        tracker.export_flows(*batch, now, ~0U);
        for (std::size_t i = 0; i < batch->count; ++i) take(batch->flows[i]);
        batch->count = 0;
    }
    return batch->left_out;
}

}  // namespace sluice::control
