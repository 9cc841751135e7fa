// The rules of a policy, in their order: immutable once built, and swapped whole.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/policy/rule.hpp"

namespace sluice::policy {

/// What a rule is about, as a product of one range in each dimension; a rule is the union of its boxes. What
/// compiled matchers are made of.
struct Box {
    Prefix source, destination;
    Range source_port, destination_port;
    Range vlan;
    Range interface;
    std::uint8_t protocol = 0;
    bool any_protocol = true;

    [[nodiscard]] bool contains(const Box& other) const;
};

/// A rule that never decides, for all it is about is decided by rules before it.
struct Shadow {
    RuleNumber rule;
    std::vector<RuleNumber> before;  ///< the rules that decide, in order
};

class RuleSet {
  public:
    static constexpr std::size_t most_rules = 50'000;
    /// Of all rules together. A rule with lists in several dimensions has their product.
    static constexpr std::size_t most_boxes = 500'000;

    /// No rule: everything is allowed.
    RuleSet();
    /// Where no rule matches, flows are denied. Fails with a sentence that names the rule.
    [[nodiscard]] static Result<RuleSet> build(std::vector<Rule> rules);

    /// How many rules there are; what holds where none matches is not counted.
    [[nodiscard]] std::size_t size() const { return rules_.size() - 1; }
    [[nodiscard]] const Rule& rule(RuleNumber number) const { return rules_[number]; }
    [[nodiscard]] bool empty() const { return size() == 0; }

    /// In order of the rules.
    struct NumberedBox {
        RuleNumber rule;
        Box box;
    };
    [[nodiscard]] std::vector<NumberedBox> boxes() const;

    friend bool operator==(const RuleSet&, const RuleSet&) = default;

  private:
    std::vector<Rule> rules_;  ///< by number
};

/// The rules that never decide. A rule counts as such when each of its boxes lies within one box of a rule
/// before it: a box that several rules cover only together is not found out. `budget` is how many boxes are
/// compared at most; false in `complete` when it did not suffice.
struct Shadows {
    std::vector<Shadow> found;
    bool complete = true;
};
[[nodiscard]] Shadows find_shadows(const RuleSet& rules, std::uint64_t budget = 200'000'000);
/// "rule 3 (web) never decides: rule 1 (all) before it is about all of it".
[[nodiscard]] std::string describe(const RuleSet& rules, const Shadow& shadow);
/// "rule 3 (web)", "no rule".
[[nodiscard]] std::string title_of(const RuleSet& rules, RuleNumber number);

/// Finds the rule that decides. Immutable: all workers share one.
class Matcher {
  public:
    Matcher() = default;
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    virtual ~Matcher() = default;

    /// `out` is as long as `packets`. Called on the packet path.
    virtual void match(std::span<const FirstPacket> packets, std::span<RuleNumber> out) const = 0;
    [[nodiscard]] RuleNumber match(const FirstPacket& packet) const {
        RuleNumber out = no_rule;
        match({&packet, 1}, {&out, 1});
        return out;
    }
};

/// One rule after the other: for replay, for tests, and to hold others against.
class LinearMatcher final : public Matcher {
  public:
    using Matcher::match;
    /// `rules` outlives the matcher.
    explicit LinearMatcher(const RuleSet& rules) : rules_(rules) {}
    void match(std::span<const FirstPacket> packets, std::span<RuleNumber> out) const override;

  private:
    const RuleSet& rules_;
};

}  // namespace sluice::policy
