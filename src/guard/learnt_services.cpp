#include "sluice/guard/learnt_services.hpp"

namespace sluice::guard {

bool LearntServices::learn(const Endpoint& endpoint, std::uint64_t now) {
    const auto known = [&](const Slot& slot) { return slot.used && slot.endpoint == endpoint; };
    if (std::any_of(slots_.begin(), slots_.end(), known)) return false;
    const auto free = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
        return !slot.used && (!slot.ever_used || now >= slot.active + idle_);
    });
    if (free == slots_.end()) return false;
    *free = {endpoint, free->completed, now, true, true};
    return true;
}

bool LearntServices::age(std::span<const std::uint64_t> completed, std::uint64_t now) {
    bool gone = false;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (!slot.used) continue;
        if (completed[first_ + i] != slot.completed) {
            slot.completed = completed[first_ + i];
            slot.active = now;
        } else if (now >= slot.active + idle_) {
            slot.used = false;
            slot.active = now;
            gone = true;
        }
    }
    return gone;
}

std::vector<Service> LearntServices::services() const {
    std::vector<Service> out;
    for (std::size_t i = 0; i < slots_.size(); ++i)
        if (slots_[i].used)
            out.push_back({slots_[i].endpoint.address, 128, slots_[i].endpoint.port,
                           static_cast<ServiceNumber>(first_ + i)});
    return out;
}

}  // namespace sluice::guard
