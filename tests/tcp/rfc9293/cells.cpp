#include "cells.hpp"

#include <algorithm>

namespace sluice::test {

std::size_t Cells::reached() const {
    return static_cast<std::size_t>(
        std::count_if(times_.begin(), times_.end(), [](auto n) { return n > 0; }));
}

void Cells::add(const Cells& other) {
    for (std::size_t i = 0; i < total; ++i) times_[i] += other.times_[i];
}

std::string row_of(tcp::Pair pair, tcp::Direction direction, tcp::Event event) {
    for (const tcp::spec::Row& row : tcp::spec::rows) {
        if (!row.on.has(event)) continue;
        if (row.in.has(pair) && row.from.has(direction)) return row.id;
        const tcp::Pair image = tcp::detail::mirror(pair);
        if (row.mirrored && image != tcp::Pair::count_ && row.in.has(image) &&
            row.from.has(opposite(direction)))
            return row.id;
    }
    return "none";
}

std::string name_of_cell(tcp::Pair pair, tcp::Direction direction, tcp::Event event) {
    static constexpr std::array<const char*, tcp::event_count> events{
#define SLUICE_EVENT_NAME(id, text) #id,
        SLUICE_EVENTS(SLUICE_EVENT_NAME)
#undef SLUICE_EVENT_NAME
    };
    const tcp::PairText& text = tcp::text_of(pair);
    return std::string(tcp::name_of(text.originator)) + "/" + std::string(tcp::name_of(text.responder)) +
           (direction == tcp::Direction::original ? " A " : " B ") + events[static_cast<std::size_t>(event)];
}

}  // namespace sluice::test
