// Flows between two lives of the daemon: the file that it leaves when it stops and takes up when it starts,
// and the note beside it that tells the next one when there was no orderly stop.
//
//     FILE           the flows of a daemon that was stopped; used once
//     FILE.running   while a daemon runs: how many flows it had, and when
//     FILE.last      while it runs, with state.interval: a copy of its flows
//     FILE.refused   a file that did not fit, put aside
//
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "sluice/control/flow_transfer.hpp"
#include "sluice/control/snapshot.hpp"
#include "sluice/control/snapshot_file.hpp"

namespace sluice::app {

class FlowKeeper {
  public:
    /// For the log.
    struct Line {
        bool warning;
        std::string text;
    };
    /// Flows that may be taken up.
    struct Found {
        control::Snapshot snapshot;
        control::SnapshotFit fit;
        control::SavedSince since;
    };
    /// What flows are to fit into.
    struct Room {
        control::SnapshotLayout layout;
        std::uint64_t ipv4_flows = 0, ipv6_flows = 0;
    };

    /// With an empty path it keeps nothing.
    explicit FlowKeeper(const StateFile& options) : options_(options) {}

    [[nodiscard]] bool keeps() const { return !options_.path.empty(); }

    /// Looks for what an earlier daemon left, at the time `now` (ns since 1970): the file of its stop, or,
    /// when it did not stop in good order, its last copy. A file that does not fit is put aside; what was
    /// lost is said in `lines`.
    [[nodiscard]] std::optional<Found> find(const Room& room, std::uint64_t now, std::vector<Line>& lines);
    /// The flows have been taken up: nobody will take them up again. A copy stays until there is a newer one,
    /// if there will be one.
    void used();

    /// Once at start and then now and then: should this daemon end without stop(), the next one says what was
    /// lost. The error is for the log.
    [[nodiscard]] Status note(std::uint64_t flows, std::uint64_t now);

    /// Begins the file of a stop.
    [[nodiscard]] Result<std::unique_ptr<control::SnapshotFile>> begin(const control::SnapshotLayout& layout,
                                                                       std::uint64_t now) const;
    /// Begins a copy, which takes the place of the one before when it is whole.
    [[nodiscard]] Result<std::unique_ptr<control::SnapshotFile>> begin_copy(
        const control::SnapshotLayout& layout, std::uint64_t now) const;
    /// The daemon stops in good order: the note goes, and the copy.
    void stop();

  private:
    [[nodiscard]] std::string note_path() const { return options_.path + ".running"; }
    [[nodiscard]] std::string copy_path() const { return options_.path + ".last"; }
    [[nodiscard]] std::string last_words(std::uint64_t now) const;
    [[nodiscard]] std::optional<Found> take(const std::string& path, const Room& room, std::uint64_t now,
                                            std::vector<Line>& lines) const;
    [[nodiscard]] Result<Found> fitting(const std::string& path, const Room& room, std::uint64_t now) const;

    StateFile options_;
};

}  // namespace sluice::app
