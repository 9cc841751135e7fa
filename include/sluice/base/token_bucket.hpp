// Paces what the box says on its own account, so that an attack that makes us talk never delays forwarded
// traffic.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

/// Tokens drip in with time and are taken a packet each. Time is a parameter, in any unit that only grows.
class TokenBucket {
  public:
    TokenBucket() = default;
    /// `rate` tokens per `unit` of time; at most `depth` are saved up. A new bucket is full.
    TokenBucket(std::uint64_t rate, std::uint64_t unit, std::uint64_t depth)
        : rate_(rate), unit_(unit), depth_(depth), tokens_(depth) {}

    /// How many of `wanted` tokens there are at time `now`; they are taken.
    [[nodiscard]] std::uint64_t take(std::uint64_t wanted, std::uint64_t now) {
        refill(now);
        const std::uint64_t granted = std::min(wanted, tokens_);
        tokens_ -= granted;
        return granted;
    }

  private:
    void refill(std::uint64_t now) {
        if (now <= last_) return;
        // A long pause fills the bucket; computing it exactly could overflow.
        const std::uint64_t passed = std::min(now - last_, unit_);
        const std::uint64_t whole = passed * rate_ + remainder_;
        tokens_ = std::min(depth_, tokens_ + whole / unit_);
        remainder_ = whole % unit_;
        last_ = now;
    }

    std::uint64_t rate_ = 0;
    std::uint64_t unit_ = 1;
    std::uint64_t depth_ = 0;
    std::uint64_t tokens_ = 0;
    std::uint64_t remainder_ = 0;  ///< of a token, in 1/unit
    std::uint64_t last_ = 0;
};

}  // namespace sluice
