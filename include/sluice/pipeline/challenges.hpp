// How often a connection's ends are challenged: each of them at most once in half a second, which is the rate
// that RFC 5961 section 7 proposes (10 in 5 seconds) and Linux keeps. It is counted for each by itself: one
// budget for all would tell an attacker, by what is left of it for a connection of his own, that he has hit
// another's window (CVE-2016-5696). Fixed memory; who shares a place with another may be challenged more
// often, never less.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/base/time.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::pipeline {

class Challenges {
  public:
    static constexpr Tick pause = ticks_per_second / 2;

    /// Whether the end of the flow with this keyed hash that sends in this direction may be challenged now;
    /// if so it has been.
    [[nodiscard]] bool may_go(std::uint64_t flow_hash, tcp::Direction direction, Tick now) {
        const std::uint64_t whose = flow_hash << 1 | static_cast<std::uint64_t>(direction);
        Last& last = last_[whose % places];
        const std::uint64_t tag = whose | std::uint64_t{1} << 63;  // never 0, which is nobody's
        if (last.tag == tag && now - last.at < pause) return false;
        last = {tag, now};
        return true;
    }

  private:
    static constexpr std::size_t places = 256;
    struct Last {
        std::uint64_t tag = 0;
        Tick at = 0;
    };
    std::array<Last, places> last_{};
};

}  // namespace sluice::pipeline
