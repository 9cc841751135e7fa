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

struct Protection {
    /// Numbers below Limits::guarded_services.
    guard::ServiceMap services;
    /// As many words as Limits::guarded_services; outlives the trackers.
    const guard::DefenceBoard* board = nullptr;
    /// SYNs a second of one worker that these sources may still send: its share of what the detector says. In
    /// order of Source::word.
    std::vector<guard::SourceLimit> source_limits;
    /// How many workers share what the board's limits grant.
    unsigned workers = 1;
    guard::SynCookies::Secrets cookie_secrets;
};

}  // namespace sluice::pipeline
