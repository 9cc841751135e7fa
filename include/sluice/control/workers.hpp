// What the control part sees of the workers: their tables to read, their mailboxes to ask, their counters.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sluice/control/snapshot.hpp"
#include "sluice/pipeline/captures.hpp"
#include "sluice/pipeline/counters.hpp"
#include "sluice/pipeline/events.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/inspection.hpp"
#include "sluice/pipeline/mailbox.hpp"
#include "sluice/pipeline/policy.hpp"
#include "sluice/pipeline/worker_counters.hpp"

namespace sluice::control {

struct WorkerHandle {
    const pipeline::Table4* table4 = nullptr;
    const pipeline::Table6* table6 = nullptr;
    pipeline::Mailbox* mailbox = nullptr;
    const pipeline::Counters* counters = nullptr;
    pipeline::EventRing* events = nullptr;                     ///< null: it tells nothing
    pipeline::AlertRing* alerts = nullptr;                     ///< null: it inspects nothing
    const pipeline::InspectionCounters* inspection = nullptr;  ///< null: the same
    const pipeline::WorkerCounters* loop = nullptr;            ///< null: its turns are not counted
    pipeline::Captures* captures = nullptr;                    ///< null: it captures nothing
};

class GuardWatch;

/// The workers of a running daemon (or, in tests, of trackers driven by hand). Used by the control thread
/// alone.
struct Workers {
    std::vector<WorkerHandle> all;
    std::function<Tick()> now;  ///< the workers' clock
    bool accounting = false, timestamps = false;
    std::uint64_t start_seconds = 0;  ///< when the daemon started, in seconds since 1970
    SnapshotLayout layout;            ///< that the keys of flows depend on
    /// Which worker owns a flow with this key: by the keyed hash or RSS (pipeline::Steering::owner).
    std::function<unsigned(const flow::Key4&)> owner4;
    std::function<unsigned(const flow::Key6&)> owner6;
    /// Most half-open connections in each table of each worker; 0: no limit of their own. The control thread
    /// replaces it.
    std::uint32_t half_open_limit = 0;
    /// What TCP segments are judged by, for those who explain it. The control thread replaces it.
    tcp::Settings tcp;
    /// The ports, in the order of the pairs, as `extra_counters` numbers them.
    std::vector<std::string> port_names;
    /// More counters for `stats`, by name: ports, queues, rings. May be empty.
    std::function<std::vector<std::pair<std::string, std::uint64_t>>()> extra_counters;
    /// What watches for floods; null: nobody does.
    const GuardWatch* guard = nullptr;
    /// The rules in force; null: none. The control thread replaces it.
    std::shared_ptr<const pipeline::Policy> policy;
};

}  // namespace sluice::control
