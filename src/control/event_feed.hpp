// Where the workers' events meet those who follow them. The rings are emptied whether a reader keeps up or
// not: each has a buffer of its own, and what finds no room there is lost to that reader alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/control/format.hpp"
#include "sluice/control/query.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// An event on its way to its readers: a line in a format is made once for all of them.
class SharedEvent {
  public:
    void become(const pipeline::Event& event, unsigned worker);
    [[nodiscard]] const pipeline::FlowView& flow() const { return flow_; }
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
        unsigned taken = 0;
        for (unsigned empty = 0; taken < most && empty < workers_.all.size();) {
            turn_ = turn_ + 1 < workers_.all.size() ? turn_ + 1 : 0;
            const unsigned before = taken;
            // So many of one: a ring's lines come from another core.
            constexpr unsigned in_a_row = 32;
            pipeline::EventRing* const ring = workers_.all[turn_].events;
            while (ring != nullptr && taken < most && taken - before < in_a_row) {
                const pipeline::Event* const event = ring->oldest();
                if (event == nullptr) break;
                shared_.become(*event, turn_);
                ring->take();
                use(shared_);
                ++taken;
            }
            empty = taken == before ? empty + 1 : 0;
        }
        return taken;
    }
    /// Events of these kinds that found no room in their worker's ring, ever.
    [[nodiscard]] std::uint64_t lost(EventMask events) const;
    /// Some worker can tell events.
    [[nodiscard]] bool exists() const;

    // For `stats`.
    std::uint64_t readers = 0, rows = 0, rows_lost = 0;

  private:
    const Workers& workers_;
    EventMask wanted_ = 0;
    unsigned turn_ = 0;
    SharedEvent shared_;
};

}  // namespace sluice::control
