// What the operator wants protected against SYN floods, and how.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/guard/detector.hpp"
#include "sluice/guard/service_map.hpp"
#include "sluice/pipeline/protection.hpp"

namespace sluice::control {

/// A prefix of sources.
struct SourcePrefix {
    guard::Address address;
    std::uint8_t length = 128;  ///< of guard::Address: IPv4's plus 96

    friend bool operator==(const SourcePrefix&, const SourcePrefix&) = default;
};

/// A service that the operator named.
struct GuardedService {
    std::string name;  ///< what people call it; may be empty
    guard::Address address;
    std::uint8_t prefix_length = 128;  ///< of guard::Address: IPv4's plus 96
    std::uint16_t port = 0;            ///< 0: all
    guard::Policy policy;
    pipeline::ServiceRules rules;  ///< rates over all workers

    friend bool operator==(const GuardedService&, const GuardedService&) = default;
};

struct GuardOptions {
    bool enabled = true;                                 ///< false: SYNs are not even counted
    guard::Policy policy{.mode = guard::Mode::monitor};  ///< of learnt services; what others fall back on
    pipeline::ServiceRules rules;                        ///< likewise; rates over all workers
    std::vector<SourcePrefix> allowed, denied;           ///< sources, whatever they ask for
    guard::Mode unlisted_mode = guard::Mode::monitor;    ///< for what belongs to no service
    bool learn = true;
    std::uint32_t learnt_idle = 3600;  ///< seconds without a completed handshake
    std::uint16_t max_services = 256;  ///< configured
    std::uint16_t max_learnt = 256;
    std::uint8_t group_ipv4 = 24;  ///< bits of the prefix whose services are judged together; 0: none are
    std::uint8_t group_ipv6 = 64;
    std::vector<GuardedService> services;

    /// What the prefixes of sources come to. Fails as ServiceMap::build().
    [[nodiscard]] Result<guard::ServiceMap> sources() const {
        std::vector<guard::Service> all;
        for (const SourcePrefix& prefix : allowed)
            all.push_back({prefix.address, prefix.length, 0, pipeline::SourceRule::allowed});
        for (const SourcePrefix& prefix : denied)
            all.push_back({prefix.address, prefix.length, 0, pipeline::SourceRule::denied});
        return guard::ServiceMap::build(all);
    }
    /// How many numbers services need: 0 for what belongs to none, then the configured, then the learnt.
    [[nodiscard]] std::uint16_t numbers() const {
        return static_cast<std::uint16_t>(enabled ? 1 + max_services + max_learnt : 0);
    }
};

}  // namespace sluice::control
