// One worker's half of the guard: counts SYNs by service and source, and keeps what it needs to answer for
// servers under a flood.
//
// The tracker's own thread; what the control thread may read at any time says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/flow/arena.hpp"
#include "sluice/flow/hash.hpp"
#include "sluice/guard/learnt_services.hpp"
#include "sluice/guard/service_counters.hpp"
#include "sluice/pipeline/protection.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

class SynGuard {
  public:
    /// Bytes of arena for these limits; 0 without a guard.
    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits);
    /// Null without a guard. `arena` is zeroed, aligned to 64, and outlives it. Sketch and candidates get
    /// keys of their own, derived from `secret`.
    [[nodiscard]] static SynGuard* create(const Limits& limits, const flow::Secret& secret,
                                          std::span<std::byte> arena);

    /// Any thread.
    [[nodiscard]] const guard::SynAccounts& accounts() const { return accounts_; }
    /// The control thread takes from it.
    [[nodiscard]] guard::ServiceCandidates& candidates() { return candidates_; }

  private:
    SynGuard(std::span<guard::ServiceCounters> services, const flow::Secret& sources,
             const SipHashKey& candidates)
        : accounts_(services, sources, 0), candidates_(candidates) {}

    guard::SynAccounts accounts_;
    guard::ServiceCandidates candidates_;
};

}  // namespace sluice::pipeline
