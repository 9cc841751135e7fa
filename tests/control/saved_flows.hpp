// Flows taken out of one tracker and put into another, for tests: through the bytes that a file has.
#pragma once

#include <string>
#include <vector>

#include "sluice/control/flow_transfer.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {

inline control::SnapshotLayout layout_of(std::vector<std::string> names = {"pair1"}) {
    control::SnapshotLayout out;
    out.pairs.reserve(names.size());
    for (std::string& name : names) out.pairs.push_back({std::move(name), 0});
    return out;
}

/// All flows of a tracker, as records of a snapshot.
template <class TrackerT>
std::string records_of(TrackerT& tracker, pipeline::Now now, std::uint64_t* left_out = nullptr) {
    std::string out;
    const std::uint64_t left = control::save_all(
        tracker, now, [&](const pipeline::SavedFlow& flow) { control::append_flow(out, flow); });
    if (left_out != nullptr) *left_out = left;
    return out;
}

/// A whole snapshot of such records.
inline std::string snapshot_of(const std::string& records, std::uint64_t flows,
                               const control::SnapshotLayout& layout = layout_of(),
                               std::uint64_t saved = 1'000'000'000) {
    return control::to_snapshot({layout, saved}, records, flows);
}

/// Puts records into trackers; who owns which flow is asked of the first one's steering.
template <class TrackerT>
control::RestoreTally restore_into(const std::vector<TrackerT*>& trackers, const std::string& records,
                                   pipeline::Now now, control::SavedSince since = {},
                                   const pipeline::Steering& steering = {},
                                   const control::SnapshotLayout& layout = layout_of()) {
    control::Workers workers;
    workers.all.resize(trackers.size());
    const auto owner = [&](const auto& key, const auto& table) {
        return steering.owner(key, table.hash_of(key));
    };
    workers.owner4 = [&](const flow::Key4& key) { return owner(key, trackers[0]->table4()); };
    workers.owner6 = [&](const flow::Key6& key) { return owner(key, trackers[0]->table6()); };
    const auto fit = control::SnapshotFit::find(layout, layout);
    control::RestoreTally tally;
    control::restore_all(records, fit.value(), since, workers, trackers, now, tally);
    return tally;
}

}  // namespace sluice::test
