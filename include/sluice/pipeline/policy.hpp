// The rules on the packet path: built by the control thread, immutable but for what each worker counts, and
// replaced whole with the Settings that hold it.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "sluice/base/counters.hpp"
#include "sluice/base/lifetime.hpp"
#include "sluice/base/time.hpp"
#include "sluice/base/token_bucket.hpp"
#include "sluice/pipeline/inspection.hpp"
#include "sluice/pipeline/rule_log.hpp"
#include "sluice/policy/rule_set.hpp"

namespace sluice::pipeline {

/// How long a flow in `lifetime` lasts under a rule, where all others last `general`. Ticks.
[[nodiscard]] inline Tick interval_under(const policy::Rule& rule, Lifetime lifetime, Tick general) {
    const auto own = [&](std::uint32_t seconds) {
        return seconds == 0 ? general : seconds * ticks_per_second;
    };
    switch (lifetime) {
        case Lifetime::established:
            return own(rule.timeouts.tcp_established);
        case Lifetime::max_retrans:
        case Lifetime::unacknowledged:
            return std::min(own(rule.timeouts.tcp_established), general);
        case Lifetime::udp:
            return own(rule.timeouts.udp);
        case Lifetime::udp_stream:
            return own(rule.timeouts.udp_stream);
        default:
            return general;
    }
}

/// What one worker counts of one rule: written by it alone, read by anyone.
struct RuleTally {
    Counter hits;     ///< first packets that the rule decided
    Counter limited;  ///< of those, the ones beyond a limit of the rule: dropped
    Counter flows;    ///< that live under it, now
    TokenBucket new_flows;
};

struct Policy {
    /// `workers` share what the rules limit, each an equal part and at least 1. `profiles` has those that the
    /// rules name; null where no rule inspects.
    Policy(std::shared_ptr<const policy::RuleSet> set, std::unique_ptr<const policy::Matcher> finder,
           unsigned workers, std::shared_ptr<const Inspection> profiles = nullptr)
        : rules(std::move(set)), matcher(std::move(finder)), inspection(std::move(profiles)) {
        for (unsigned i = 0; i < most_ports; ++i)
            interface_of_port[i] = static_cast<std::uint8_t>(i % policy::most_interfaces);
        share_.resize(rules->size() + 1);
        profile_.resize(share_.size(), no_profile);
        for (std::size_t i = 0; i < share_.size(); ++i) {
            const policy::Rule& rule = rules->rule(static_cast<policy::RuleNumber>(i));
            share_[i] = (rule.most_flows + workers - 1) / workers;
            const bool is_proxied = rule.action == policy::Action::proxy;
            proxies = proxies || is_proxied;
            picks_up = picks_up || rule.pick_up.value_or(false);
            overrides_pick_up = overrides_pick_up || is_proxied || rule.pick_up.has_value();
            if (rule.action == policy::Action::inspect && inspection != nullptr)
                profile_[i] = inspection->find(rule.profile);
        }
        for (unsigned worker = 0; worker < workers; ++worker) {
            logs_.push_back(std::make_unique<RuleLog>());
            auto& all = tallies_.emplace_back(std::make_unique<RuleTally[]>(share_.size()));
            for (std::size_t i = 0; i < share_.size(); ++i) {
                const std::uint32_t rate = rules->rule(static_cast<policy::RuleNumber>(i)).most_a_second;
                const std::uint32_t share = (rate + workers - 1) / workers;
                // A second's flows may be saved up: people open several connections at a time.
                if (rate != 0) all[i].new_flows = TokenBucket(share, ticks_per_second, share);
            }
        }
    }

    /// Of the worker of this number, by rule.
    [[nodiscard]] RuleTally* tally(unsigned worker) const { return tallies_[worker % tallies_.size()].get(); }
    [[nodiscard]] RuleLog& log(unsigned worker) const { return *logs_[worker % logs_.size()]; }
    [[nodiscard]] unsigned workers() const { return static_cast<unsigned>(tallies_.size()); }
    /// A worker's part of what the rule limits flows to; 0: no limit.
    [[nodiscard]] std::uint32_t share_of_flows(policy::RuleNumber number) const { return share_[number]; }

    /// What flows under a rule are read for; no_profile: they are not.
    [[nodiscard]] ProfileNumber profile_of(policy::RuleNumber number) const { return profile_[number]; }

    static constexpr unsigned most_ports = 256;

    std::shared_ptr<const policy::RuleSet> rules;
    std::unique_ptr<const policy::Matcher> matcher;            ///< of `rules`
    std::shared_ptr<const Inspection> inspection;              ///< null: nothing is read
    std::array<std::uint8_t, most_ports> interface_of_port{};  ///< by Io::port(); as it is unless told
    // What some rule says.
    bool proxies = false;            ///< its clients are to prove their addresses
    bool picks_up = false;           ///< connections in mid-stream
    bool overrides_pick_up = false;  ///< either way

  private:
    std::vector<std::unique_ptr<RuleTally[]>> tallies_;
    std::vector<std::unique_ptr<RuleLog>> logs_;
    std::vector<std::uint32_t> share_;
    std::vector<ProfileNumber> profile_;  ///< by rule
};

}  // namespace sluice::pipeline
