#include "sluice/control/guard_services.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

bool same_place(const guard::Service& one, const guard::Service& other) {
    return one.address == other.address && one.prefix_length == other.prefix_length && one.port == other.port;
}

}  // namespace

GuardServices::GuardServices(GuardOptions options)
    : options_(std::move(options)),
      entries_(options_.numbers()),
      holders_(entries_.size()),
      freed_(entries_.size()),
      learnt_(static_cast<guard::ServiceNumber>(1 + options_.max_services), options_.max_learnt,
              std::uint64_t{options_.learnt_idle} * 1000),
      group_of_(entries_.size(), guard::Detector::no_group) {
    for (std::size_t group = groups(); group-- > 0;)
        free_groups_.push_back(static_cast<std::uint16_t>(group));
    number_configured();
}

void GuardServices::configure(GuardOptions options) {
    ++reloads_;
    options_ = std::move(options);
    learnt_.set_idle(std::uint64_t{options_.learnt_idle} * 1000);
    number_configured();
    number_learnt();
}

void GuardServices::number_configured() {
    guard::Policy unlisted = options_.policy;
    unlisted.mode = options_.unlisted_mode;
    entries_[0] = Entry{{}, "", unlisted, false, options_.rules};
    std::vector<std::optional<Entry>> before(entries_.begin() + 1,
                                             entries_.begin() + 1 + options_.max_services);
    std::fill(entries_.begin() + 1, entries_.begin() + 1 + options_.max_services, std::nullopt);
    const auto enter = [&](const GuardedService& service, guard::ServiceNumber number) {
        entries_[number] = Entry{{service.address, service.prefix_length, service.port, number},
                                 service.name,
                                 service.policy,
                                 false,
                                 service.rules};
    };
    // Those that stay keep their numbers; only then are free ones given away.
    std::vector<const GuardedService*> fresh;
    for (const GuardedService& service : options_.services) {
        const guard::Service wanted{service.address, service.prefix_length, service.port, 1};
        const auto known = std::find_if(before.begin(), before.end(), [&](const std::optional<Entry>& entry) {
            return entry && same_place(entry->service, wanted);
        });
        if (known == before.end()) {
            fresh.push_back(&service);
        } else {
            enter(service, static_cast<guard::ServiceNumber>(known - before.begin() + 1));
        }
    }
    for (std::size_t i = 0; i < before.size(); ++i)
        if (before[i] && !entries_[i + 1]) freed_[i + 1] = reloads_;
    for (const GuardedService* service : fresh)
        enter(*service, free_number({service->address, service->prefix_length, service->port, 1}));
    rebuild_configured_map();
}

/// The number it had, or else the one that has been free the longest.
guard::ServiceNumber GuardServices::free_number(const guard::Service& wanted) const {
    guard::ServiceNumber best = 0;
    for (guard::ServiceNumber number = 1; number <= options_.max_services; ++number) {
        if (entries_[number]) continue;
        if (holders_[number] && same_place(*holders_[number], wanted)) return number;
        if (best == 0 || freed_[number] < freed_[best]) best = number;
    }
    return best;
}

void GuardServices::rebuild_configured_map() {
    std::vector<guard::Service> services;
    for (guard::ServiceNumber number = 1; number <= options_.max_services; ++number)
        if (entries_[number]) services.push_back(entries_[number]->service);
    auto built = guard::ServiceMap::build(services);
    configured_map_ = built ? std::move(*built) : guard::ServiceMap{};
}

/// What the operator has named is not learnt beside it.
void GuardServices::number_learnt() {
    std::fill(entries_.begin() + 1 + options_.max_services, entries_.end(), std::nullopt);
    for (const guard::Service& service : learnt_.services())
        if (configured_map_.find(service.address, service.port) == guard::no_service)
            entries_[service.number] = Entry{service, "", options_.policy, true, options_.rules};
}

bool GuardServices::learn(const guard::Endpoint& endpoint, guard::Milliseconds now) {
    if (!options_.learn || configured_map_.find(endpoint.address, endpoint.port) != guard::no_service ||
        !learnt_.learn(endpoint, now))
        return false;
    number_learnt();
    return true;
}

bool GuardServices::age(std::span<const std::uint64_t> signs_of_life, guard::Milliseconds now) {
    if (!learnt_.age(signs_of_life, now)) return false;
    number_learnt();
    return true;
}

Result<guard::ServiceMap> GuardServices::map() const {
    std::vector<guard::Service> services;
    for (std::size_t number = 1; number < entries_.size(); ++number)
        if (entries_[number]) services.push_back(entries_[number]->service);
    return guard::ServiceMap::build(services);
}

guard::Detector GuardServices::make_detector() const {
    return guard::Detector(std::vector<guard::Detector::ServiceSetup>(numbers()),
                           std::vector<guard::Policy>(groups()));
}

void GuardServices::instruct(guard::Detector& detector) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const auto number = static_cast<guard::ServiceNumber>(i);
        const auto& entry = entries_[i];
        guard::Policy policy;
        policy.mode = guard::Mode::off;  // nobody has the number
        if (entry) {
            if (!holders_[i] || !same_place(*holders_[i], entry->service)) {
                detector.forget(number);
                holders_[i] = entry->service;
            }
            policy = entry->policy;
        }
        detector.set_policy(number, policy);
    }
    instruct_groups(detector);
}

std::optional<GuardServices::Prefix> GuardServices::prefix_of(const guard::Service& service) const {
    const bool ipv4 = service.address.is_ipv4() && service.prefix_length >= 96;
    const unsigned wanted = ipv4 ? options_.group_ipv4 : options_.group_ipv6;
    const unsigned length = wanted + (ipv4 ? 96 : 0);
    if (wanted == 0 || service.prefix_length < length) return std::nullopt;
    const guard::Address mask = guard::ServiceMap::mask_of(length);
    return Prefix{service.address.high & mask.high, service.address.low & mask.low,
                  static_cast<std::uint8_t>(length)};
}

/// A prefix with two services or more is a group; one alone has nobody to be added up with.
void GuardServices::instruct_groups(guard::Detector& detector) {
    std::map<Prefix, std::vector<guard::ServiceNumber>> members;
    for (std::size_t number = 1; number < entries_.size(); ++number)
        if (const auto prefix = entries_[number] ? prefix_of(entries_[number]->service) : std::nullopt)
            members[*prefix].push_back(static_cast<guard::ServiceNumber>(number));
    std::erase_if(members, [](const auto& one) { return one.second.size() < 2; });
    std::erase_if(group_numbers_, [&](const auto& group) {
        if (members.count(group.first) != 0) return false;
        detector.forget_group(group.second);
        free_groups_.push_back(group.second);
        return true;
    });
    std::fill(group_of_.begin(), group_of_.end(), guard::Detector::no_group);
    // A group does nothing by itself: how far a member is defended for its sake is the member's mode.
    guard::Policy policy = options_.policy;
    policy.mode = guard::Mode::automatic;
    for (const auto& [prefix, numbers] : members) {
        const auto [group, fresh] = group_numbers_.try_emplace(prefix, guard::Detector::no_group);
        if (fresh) {
            group->second = free_groups_.back();
            free_groups_.pop_back();
            detector.forget_group(group->second);
        }
        detector.set_group_policy(group->second, policy);
        for (const guard::ServiceNumber number : numbers) group_of_[number] = group->second;
    }
    for (std::size_t i = 0; i < group_of_.size(); ++i)
        detector.set_group(static_cast<guard::ServiceNumber>(i), group_of_[i]);
}

std::string GuardServices::text_of(guard::ServiceNumber number) const {
    if (number == guard::no_service) return "unlisted";
    return entries_[number] ? guard::text_of(entries_[number]->service) : "";
}

std::string GuardServices::text_of_group(std::uint16_t group) const {
    for (const auto& [prefix, number] : group_numbers_)
        if (number == group)
            return guard::text_of(
                guard::Service{{std::get<0>(prefix), std::get<1>(prefix)}, std::get<2>(prefix), 0, 1});
    return "";
}

}  // namespace sluice::control
