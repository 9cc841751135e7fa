// The engine by itself as a backend of scripts: one flow, a virtual clock, the pending SYN kept beside it.
// What a caller of tcp::open and tcp::step must do, in its smallest form.
#pragma once

#include <algorithm>
#include <cmath>

#include "script.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::test {

class EngineBackend final : public Backend {
  public:
    void reset(const tcp::Settings& settings) override {
        *this = EngineBackend{};
        settings_ = settings;
    }

    Observation send(End from, const ScriptSegment& segment, double now) override {
        if (present_ && now >= deadline_) present_ = false;
        tcp::Verdict verdict;
        const bool known = present_;
        verdict = known ? tcp::step(connection_, pending_, direction(from), segment.tcp, settings_)
                        : tcp::open(connection_, segment.tcp, settings_);
        if (!known || verdict.reopens) {
            present_ = verdict.outcome == Outcome::accepted;
            originator_ = from;
            if (present_) ++flow_;
        }
        refresh(verdict, now);
        return observe(verdict, now);
    }

    [[nodiscard]] bool has_bytes() const override { return false; }
    [[nodiscard]] const tcp::Connection& connection() const { return connection_; }
    [[nodiscard]] const tcp::PendingSyn& pending() const { return pending_; }

  private:
    tcp::Settings settings_;
    tcp::Connection connection_{};
    tcp::PendingSyn pending_{};
    End originator_ = End::a;
    bool present_ = false;
    double deadline_ = 0;
    std::uint64_t flow_ = 0;

    [[nodiscard]] tcp::Direction direction(End from) const {
        return from == originator_ ? tcp::Direction::original : tcp::Direction::reply;
    }

    void refresh(const tcp::Verdict& verdict, double now) {
        if (verdict.refresh == tcp::Refresh::keep) return;
        const double fresh = now + linux_timeouts()[static_cast<std::size_t>(verdict.lifetime)];
        deadline_ = verdict.refresh == tcp::Refresh::extend ? std::max(deadline_, fresh) : fresh;
    }

    [[nodiscard]] Observation observe(const tcp::Verdict& verdict, double now) const {
        Observation out;
        out.outcome = verdict.outcome;
        out.reason = verdict.reason;
        if (!present_) return out;
        out.pair = static_cast<tcp::Pair>(connection_.pair);
        out.assured = connection_.assured != 0;
        out.timeout = static_cast<std::uint32_t>(std::floor(deadline_ - now));
        out.flow = flow_;
        return out;
    }
};

}  // namespace sluice::test
