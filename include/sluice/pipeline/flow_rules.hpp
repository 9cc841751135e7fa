// Which rule each flow of a worker lives under: eight bytes beside its record, touched when the flow begins
// and ends, when a packet of it is refused, and when new rules come.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "sluice/flow/arena.hpp"
#include "sluice/flow/ref.hpp"
#include "sluice/pipeline/policy.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

class FlowRules {
  public:
    /// What is remembered of a flow; the rest of its first packet stands in its key.
    struct Record {
        policy::RuleNumber rule = policy::no_rule;
        std::uint16_t generation = 0;  ///< of the policy that `rule` is a number of
        std::uint16_t vlan = policy::untagged;
        std::uint8_t interface = 0;
        std::uint8_t timeouts_are_own = 0;  ///< the flow's timeout is fixed, by its rule and by nobody else
    };
    static_assert(sizeof(Record) == 8);

    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits) {
        if (!limits.rules) return 0;
        return flow::arena_bytes<Record>(limits.ipv4_flows) + flow::arena_bytes<Record>(limits.ipv6_flows);
    }
    /// Nothing without Limits::rules. `arena` is zeroed and as long as bytes_needed().
    [[nodiscard]] static FlowRules create(const Limits& limits, std::span<std::byte> arena) {
        FlowRules out;
        if (!limits.rules) return out;
        flow::Arena memory(arena);
        out.records_ = {memory.take<Record>(limits.ipv4_flows), memory.take<Record>(limits.ipv6_flows)};
        return out;
    }

    [[nodiscard]] bool kept() const { return records_[0] != nullptr; }
    [[nodiscard]] const Policy* policy() const { return policy_; }

    /// Flows that live are to be judged again when it is another policy than before.
    void adopt(const Policy* policy, unsigned worker) {
        if (!kept() || policy == policy_) return;
        policy_ = policy;
        tally_ = policy == nullptr ? nullptr : policy->tally(worker);
        log_ = policy == nullptr ? nullptr : &policy->log(worker);
        ++generation_;
        next_ = {0, 0};
        sweeping_ = policy != nullptr;
    }
    void advance(Tick now) { time_ += static_cast<Tick>(now - static_cast<Tick>(time_)); }

    /// Counts a first packet under its rule and says whether the rule's limits leave room for its flow, which
    /// may take the place of another under the rule.
    [[nodiscard]] bool takes(policy::RuleNumber number, Tick now, bool replaces_its_own) {
        RuleTally& tally = tally_[number];
        tally.hits.add();
        const std::uint32_t most = policy_->share_of_flows(number);
        const std::uint64_t others = tally.flows.read() - (replaces_its_own ? 1 : 0);
        const bool limited =
            (most != 0 && others >= most) ||
            (policy_->rules->rule(number).most_a_second != 0 && tally.new_flows.take(1, at(now)) == 0);
        if (limited) tally.limited.add();
        return !limited;
    }

    void log(policy::RuleNumber number, const policy::FirstPacket& packet) { log_->put(number, packet); }

    [[nodiscard]] Record fresh(policy::RuleNumber number, std::uint16_t vlan, std::uint8_t interface) const {
        return {number, generation_, vlan, interface, 0};
    }
    template <unsigned AddressBytes>
    void begin(flow::Ref ref, const Record& record) {
        records_[place<AddressBytes>][ref] = record;
        if (policy_ != nullptr) tally_[record.rule].flows.add();
    }
    /// A flow from elsewhere, which the policy in force is yet to judge (until then it counts under none).
    template <unsigned AddressBytes>
    void begin_unjudged(flow::Ref ref, std::uint16_t vlan, std::uint8_t interface) {
        records_[place<AddressBytes>][ref] = {policy::no_rule, static_cast<std::uint16_t>(generation_ - 1),
                                              vlan, interface, 0};
    }
    template <unsigned AddressBytes>
    void end(flow::Ref ref) {
        const Record& record = records_[place<AddressBytes>][ref];
        if (policy_ == nullptr || record.generation != generation_) return;
        Counter& flows = tally_[record.rule].flows;
        flows.set(flows.read() - 1);
    }
    template <unsigned AddressBytes>
    [[nodiscard]] const Record& record(flow::Ref ref) const {
        return records_[place<AddressBytes>][ref];
    }
    template <unsigned AddressBytes>
    [[nodiscard]] bool timeouts_are_own(flow::Ref ref) const {
        return record<AddressBytes>(ref).timeouts_are_own != 0;
    }
    template <unsigned AddressBytes>
    void set_timeouts_are_own(flow::Ref ref, bool own) {
        records_[place<AddressBytes>][ref].timeouts_are_own = own ? 1 : 0;
    }
    /// Of a flow: its rule, unless it has not been judged by the policy in force.
    template <unsigned AddressBytes>
    [[nodiscard]] const policy::Rule* rule_of(flow::Ref ref) const {
        const Record& kept = record<AddressBytes>(ref);
        return policy_ == nullptr || kept.generation != generation_ ? nullptr
                                                                    : &policy_->rules->rule(kept.rule);
    }
    template <unsigned AddressBytes>
    [[nodiscard]] bool is_judged(flow::Ref ref) const {
        return record<AddressBytes>(ref).generation == generation_;
    }

    [[nodiscard]] bool sweeping() const { return sweeping_; }
    template <unsigned AddressBytes>
    [[nodiscard]] flow::Ref& next() {
        return next_[place<AddressBytes>];
    }
    void swept() { sweeping_ = false; }

  private:
    template <unsigned AddressBytes>
    static constexpr std::size_t place = AddressBytes == 4 ? 0 : 1;

    /// Never wraps, and never goes back.
    [[nodiscard]] std::uint64_t at(Tick now) const {
        return time_ + static_cast<Tick>(now - static_cast<Tick>(time_));
    }

    std::array<Record*, 2> records_{};
    const Policy* policy_ = nullptr;
    RuleTally* tally_ = nullptr;
    RuleLog* log_ = nullptr;
    std::uint64_t time_ = 0;
    std::array<flow::Ref, 2> next_{};
    std::uint16_t generation_ = 0;
    bool sweeping_ = false;
};

}  // namespace sluice::pipeline
