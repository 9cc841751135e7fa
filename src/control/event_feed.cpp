#include "event_feed.hpp"

namespace sluice::control {

void SharedEvent::become(const pipeline::Event& event, unsigned worker) {
    view(event, worker, flow_);
    happening_ = {event.kind, event.why, event.wall_nanoseconds};
    made_ = 0;
}

std::string_view SharedEvent::line(const Format& format) {
    for (std::size_t i = 0; i < made_; ++i)
        if (lines_[i].format == format) return lines_[i].text;
    if (made_ == lines_.size()) lines_.emplace_back();
    Line& line = lines_[made_++];
    line.format = format;
    line.text.clear();
    append_event(line.text, flow_, happening_, format);
    return line.text;
}

void EventFeed::want(EventMask events) {
    events &= pipeline::all_event_kinds;
    if (events == wanted_) return;
    for (const auto& worker : workers_.all) {
        if (worker.events == nullptr) continue;
        if (wanted_ == 0) worker.events->discard();
        worker.events->want(events);
    }
    wanted_ = events;
}

std::uint64_t EventFeed::lost(EventMask events) const {
    std::uint64_t out = 0;
    for (const auto& worker : workers_.all)
        if (worker.events != nullptr) out += worker.events->lost(events & pipeline::all_event_kinds);
    if ((events & alert_events) != 0)
        for (const auto& worker : workers_.all)
            if (worker.inspection != nullptr) out += worker.inspection->lost.read();
    return out;
}

bool EventFeed::exists() const {
    for (const auto& worker : workers_.all)
        if ((worker.events != nullptr && worker.events->slots() != 0) || worker.alerts != nullptr)
            return true;
    return false;
}

}  // namespace sluice::control
