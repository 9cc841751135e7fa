// Where the workers' events meet those who follow them. The rings are emptied whether a reader keeps up or
// not: each has a buffer of its own, and what finds no room there is lost to that reader alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "drain.hpp"
#include "sluice/control/format.hpp"
#include "sluice/control/query.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// An event on its way to its readers: a line in a format is made once for all of them.
class SharedEvent {
  public:
    void become(const pipeline::Event& event, unsigned worker);
    [[nodiscard]] const pipeline::FlowView& flow() const { return flow_; }
    [[nodiscard]] const Happening& happening() const { return happening_; }
    [[nodiscard]] EventMask bit() const { return pipeline::only(happening_.kind); }
    [[nodiscard]] std::string_view line(const Format& format);

  private:
    struct Line {
        Format format;
        std::string text;
    };
    pipeline::FlowView flow_;
    Happening happening_;
    std::vector<Line> lines_;
    std::size_t made_ = 0;  ///< of those, for this event
};

/// Used by the control thread alone.
class EventFeed {
  public:
    explicit EventFeed(const Workers& workers) : workers_(workers) {}

    /// Has the workers record these from now on. What was recorded for those before goes.
    void want(EventMask events);
    /// Hands at most `most` events to `use(SharedEvent&)`, of each worker's in turn; returns how many.
    template <class Use>
    unsigned drain(unsigned most, Use&& use) {
        return control::drain(
            workers_.all.size(), turn_, most, [this](unsigned worker) { return workers_.all[worker].events; },
            [&](const pipeline::Event& event, unsigned worker) {
                shared_.become(event, worker);
                use(shared_);
            });
    }
    /// Events of these kinds that found no room in their worker's ring, ever.
    [[nodiscard]] std::uint64_t lost(EventMask events) const;
    /// Some worker can tell events.
    [[nodiscard]] bool exists() const;

    FeedCounts counts;

  private:
    const Workers& workers_;
    EventMask wanted_ = 0;
    unsigned turn_ = 0;
    SharedEvent shared_;
};

}  // namespace sluice::control
