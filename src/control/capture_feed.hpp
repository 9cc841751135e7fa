// Where the packets that workers capture meet those who look at them. As with events (event_feed.hpp), the
// rings are emptied whether a reader keeps up or not.
#pragma once

#include <cstdint>
#include <vector>

#include "drain.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// Used by the control thread alone.
class CaptureFeed {
  public:
    explicit CaptureFeed(const Workers& workers) : workers_(workers) {}

    /// Has the workers capture these from now on. What they had captured for nobody goes.
    void want(pipeline::CaptureKinds kinds);
    /// Has the workers show every packet of these flows, too, and of no others: hashes of their keys, at most
    /// TracedFlows::most.
    void trace(std::vector<std::uint64_t> hashes);
    /// One more; false when there are as many as there may be.
    [[nodiscard]] bool trace_too(std::uint64_t hash);
    /// Hands at most `most` packets to `use(const CapturedPacket&, worker)`; returns how many.
    template <class Use>
    unsigned drain(unsigned most, Use&& use) {
        return control::drain(
            workers_.all.size(), turn_, most,
            [this](unsigned worker) { return workers_.all[worker].captures; }, use);
    }
    /// Packets of these kinds that found no room in their worker's ring, ever.
    [[nodiscard]] std::uint64_t lost(pipeline::CaptureKinds kinds) const;
    /// Some worker can capture.
    [[nodiscard]] bool exists() const;

    FeedCounts counts;

  private:
    const Workers& workers_;
    pipeline::CaptureKinds wanted_ = 0;
    std::vector<std::uint64_t> traced_;
    unsigned turn_ = 0;
};

}  // namespace sluice::control
