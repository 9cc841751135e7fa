// The kernel's nf_conntrack as a judge of segments.
#pragma once

#include <chrono>
#include <memory>

#include "arena.hpp"
#include "netlink.hpp"

namespace sluice::differential {

class KernelJudge {
  public:
    /// The error says what this machine lacks.
    [[nodiscard]] static Result<std::unique_ptr<KernelJudge>> make();

    /// A new play between ends that nothing is known of, under the settings that conntrack has too: loose,
    /// be_liberal, ignore_invalid_rst and max_retrans. Ends the play before it.
    void begin(const Ends& ends, const tcp::Settings& settings);

    /// Conntrack's clock cannot be set, but what is left of a flow's timeout can: the step's wait is taken
    /// from it.
    [[nodiscard]] Judgement judge(const Step& step, std::uint16_t identification);

    /// What an ideal clock would show as left, when `seconds` is what the kernel showed or one more: it
    /// counts whole seconds, rounded down, of a clock that went on.
    void settle(std::uint32_t seconds);

    /// How long the present play has taken, seconds. Timeouts of a play that took too long mean nothing.
    [[nodiscard]] double age() const;

  private:
    using Clock = std::chrono::steady_clock;
    explicit KernelJudge(std::unique_ptr<Arena> arena) : arena_(std::move(arena)) {}
    void pass(std::uint32_t seconds);
    void apply(const tcp::Settings& settings);

    std::unique_ptr<Arena> arena_;
    ConntrackSocket conntrack_;
    InvalidLog log_;
    Ends ends_;
    bool playing_ = false, configured_ = false;
    tcp::Settings settings_;
    std::optional<std::uint32_t> left_;  ///< seconds, of the flow's timeout
    Clock::time_point pinned_;           ///< when `left_` was true
    Clock::duration overslept_{};
};

}  // namespace sluice::differential
