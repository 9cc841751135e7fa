// What the guard is to do on the packet path: built by the control thread, immutable, and replaced whole with
// the Settings that hold it. What changes every 100 ms, how far each service is defended, stands on a board
// beside it.
#pragma once

#include <memory>
#include <vector>

#include "sluice/guard/cookie.hpp"
#include "sluice/guard/detector.hpp"
#include "sluice/guard/service_map.hpp"

namespace sluice::pipeline {

/// How a client of a defended service shows that its address is its own.
enum class Proof : std::uint8_t {
    /// SYN cookie: the box answers for the server and proxies the flow.
    proxy,
    /// Reset cookie: the box answers what no server would; the client's RST proves the address, and its next
    /// SYN passes untouched.
    reset,
    /// Its first SYN is dropped; the same again passes untouched. No proof, but more than most floods give.
    second_syn,
};

/// What holds for a service beside what stands on the board.
struct ServiceRules {
    Proof proof = Proof::proxy;
    /// Its server's initial sequence numbers are replaced by ones that cannot be guessed (RFC 6528), whether
    /// it is defended or not.
    bool hides_sequence = false;
    /// SYNs a second of one worker: all of them, and those of one source (counted by the sketch, over the
    /// last one to two seconds). 0: as many as come.
    std::uint32_t syn_rate = 0, source_rate = 0;

    friend bool operator==(const ServiceRules&, const ServiceRules&) = default;
};

/// What holds for a source, whatever service it wants: the numbers of Protection::sources.
enum SourceRule : guard::ServiceNumber {
    no_rule = guard::no_service,
    allowed,  ///< its SYNs pass untouched
    denied,   ///< they are dropped
};

struct Protection {
    /// Numbers below Limits::guarded_services.
    guard::ServiceMap services;
    /// Prefixes of sources, all ports, by SourceRule: the longest counts.
    guard::ServiceMap sources;
    /// By number; services beyond the last have the defaults.
    std::vector<ServiceRules> rules;
    /// As many words as Limits::guarded_services; outlives the trackers.
    const guard::DefenceBoard* board = nullptr;
    /// SYNs a second of one worker that these sources may still send: its share of what the detector says. In
    /// order of Source::word.
    std::vector<guard::SourceLimit> source_limits;
    /// How many workers share what the board's limits grant.
    unsigned workers = 1;
    guard::SynCookies::Secrets cookie_secrets;

    [[nodiscard]] ServiceRules rules_of(guard::ServiceNumber service) const {
        return service < rules.size() ? rules[service] : ServiceRules{};
    }
};

}  // namespace sluice::pipeline
