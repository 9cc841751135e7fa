#include "capture_feed.hpp"

#include <algorithm>
#include <utility>

namespace sluice::control {

void CaptureFeed::want(pipeline::CaptureKinds kinds) {
    if (kinds == wanted_) return;
    for (const auto& worker : workers_.all) {
        if (worker.captures == nullptr) continue;
        if (wanted_ == 0) worker.captures->discard();
        worker.captures->want(kinds);
    }
    wanted_ = kinds;
}

void CaptureFeed::trace(std::vector<std::uint64_t> hashes) {
    if (hashes == traced_) return;
    traced_ = std::move(hashes);
    for (const auto& worker : workers_.all)
        if (worker.captures != nullptr) worker.captures->traced.set(traced_);
}

bool CaptureFeed::trace_too(std::uint64_t hash) {
    std::vector<std::uint64_t> all = traced_;
    if (std::find(all.begin(), all.end(), hash) == all.end()) all.push_back(hash);
    if (all.size() > pipeline::TracedFlows::most) return false;
    trace(std::move(all));
    return true;
}

std::uint64_t CaptureFeed::lost(pipeline::CaptureKinds kinds) const {
    std::uint64_t out = 0;
    for (const auto& worker : workers_.all)
        if (worker.captures != nullptr) out += worker.captures->lost(kinds);
    return out;
}

bool CaptureFeed::exists() const {
    for (const auto& worker : workers_.all)
        if (worker.captures != nullptr && worker.captures->slots() != 0) return true;
    return false;
}

}  // namespace sluice::control
