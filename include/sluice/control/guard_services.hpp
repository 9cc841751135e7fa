// Which services there are and under which number each is counted: those the operator named, those that were
// learnt, and the prefixes that put them in groups.
//
//     number 0              what belongs to no service
//     1 to max_services     configured; a service keeps its number over reloads
//     the max_learnt behind learnt
//
// A number that is free again goes to another service as late as possible: half-open flows of the former are
// still counted under it until they go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/control/guard_options.hpp"
#include "sluice/guard/learnt_services.hpp"

namespace sluice::control {

/// Used by the control thread alone.
class GuardServices {
  public:
    struct Entry {
        guard::Service service;
        std::string name;  ///< empty: none
        guard::Policy policy;
        bool learnt = false;
        pipeline::ServiceRules rules;
    };

    /// The options are enabled, and sound: the configuration has checked them.
    explicit GuardServices(GuardOptions options);

    /// Other options, of the same sizes.
    void configure(GuardOptions options);
    /// A handshake-proven endpoint; whether it is a service from now on.
    [[nodiscard]] bool learn(const guard::Endpoint& endpoint, guard::Milliseconds now);
    /// `signs_of_life`: by number, something that grows while the service is in use. Whether a learnt one
    /// went.
    [[nodiscard]] bool age(std::span<const std::uint64_t> signs_of_life, guard::Milliseconds now);

    [[nodiscard]] Result<guard::ServiceMap> map() const;
    /// A detector of as many services and groups. It knows nothing of them until instruct().
    [[nodiscard]] guard::Detector make_detector() const;
    /// Tells the detector who is there, how each is judged and in which group. What it knew of a number or a
    /// group that went to another is forgotten.
    void instruct(guard::Detector& detector);

    [[nodiscard]] const GuardOptions& options() const { return options_; }
    [[nodiscard]] std::size_t numbers() const { return entries_.size(); }
    [[nodiscard]] std::size_t groups() const { return numbers() / 2; }
    /// Null for a number that nobody has. Number 0 has the policy of what belongs to no service.
    [[nodiscard]] const Entry* find(guard::ServiceNumber number) const {
        return entries_[number] ? &*entries_[number] : nullptr;
    }
    [[nodiscard]] std::uint16_t group_of(guard::ServiceNumber number) const { return group_of_[number]; }
    /// "192.0.2.1:443"; "unlisted" for number 0.
    [[nodiscard]] std::string text_of(guard::ServiceNumber number) const;
    /// "192.0.2.0/24:all"
    [[nodiscard]] std::string text_of_group(std::uint16_t group) const;

  private:
    using Prefix =
        std::tuple<std::uint64_t, std::uint64_t, std::uint8_t>;  ///< of guard::Address, and its length

    void number_configured();
    [[nodiscard]] guard::ServiceNumber free_number(const guard::Service& wanted) const;
    void number_learnt();
    void rebuild_configured_map();
    [[nodiscard]] std::optional<Prefix> prefix_of(const guard::Service& service) const;
    void instruct_groups(guard::Detector& detector);

    GuardOptions options_;
    std::vector<std::optional<Entry>> entries_;
    std::vector<std::optional<guard::Service>>
        holders_;                       ///< whom the detector knows under a number, gone or not
    std::vector<std::uint64_t> freed_;  ///< when, in reloads; 0: never had a holder
    std::uint64_t reloads_ = 0;
    guard::LearntServices learnt_;
    guard::ServiceMap configured_map_;
    std::vector<std::uint16_t> group_of_;
    std::map<Prefix, std::uint16_t> group_numbers_;
    std::vector<std::uint16_t> free_groups_;
};

}  // namespace sluice::control
