// How fast packets are dropped, by reason: from what the workers have counted by now and a second or two ago.
#pragma once

#include <array>
#include <cstdint>

#include "sluice/base/reason.hpp"
#include "sluice/base/time.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// Packets by reason, all workers together.
using ReasonSums = std::array<std::uint64_t, reason_count>;
[[nodiscard]] ReasonSums reason_sums(const Workers& workers);

/// Used by the control thread alone.
class DropRates {
  public:
    /// Every turn: what was counted is kept once a second.
    void look(const Workers& workers, Tick now);
    /// Packets a second under each reason, from the last look but one or two to `sums` at `now`; 0 while
    /// there was none.
    [[nodiscard]] ReasonSums rates(const ReasonSums& sums, Tick now) const;

  private:
    struct Look {
        ReasonSums sums{};
        Tick at = 0;
    };
    Look before_, last_;
    bool has_looked_ = false;
};

}  // namespace sluice::control
