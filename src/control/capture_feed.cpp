#include "capture_feed.hpp"

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
