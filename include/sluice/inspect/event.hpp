// What may happen to a stream that is put back in order, each with a counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::inspect {

// X(identifier, "name", "sentence")
// clang-format off
#define SLUICE_INSPECTION_EVENTS(X)                                                                              \
    X(differing,      "differing-retransmission",    "a segment carried other bytes than the copy before it")    \
    X(unverifiable,   "unverifiable-retransmission", "a retransmission of bytes whose copy is no longer kept")   \
    X(beyond_window,  "beyond-window",               "a segment reached beyond the window or behind the FIN")    \
    X(low_ttl,        "low-ttl",                     "a segment may expire before it reaches its receiver")      \
    X(duplicate,      "duplicate",                   "a copy of a segment already held, which stands for it")    \
    X(gap,            "gap",                         "the receiver acknowledged bytes that never came by")       \
    X(gave_up,        "gave-up",                     "a gap too large to go on behind")                          \
    X(no_memory,      "no-memory",                   "no room was left for a segment out of order")              \
    X(no_stream,      "no-stream",                   "no stream was left to scan a direction with")              \
    X(waited,         "waited-too-long",             "what a held segment waited for did not come in time")      \
    X(spent,          "budget-spent",                "a direction's budget of bytes was scanned")
// clang-format on

enum class Event : std::uint8_t {
#define SLUICE_EVENT_IDENTIFIER(id, name, sentence) id,
    SLUICE_INSPECTION_EVENTS(SLUICE_EVENT_IDENTIFIER)
#undef SLUICE_EVENT_IDENTIFIER
        count_
};
inline constexpr std::size_t event_count = static_cast<std::size_t>(Event::count_);

struct EventText {
    std::string_view name, sentence;
};
inline constexpr std::array<EventText, event_count> event_texts{{
#define SLUICE_EVENT_TEXT(id, name, sentence) {name, sentence},
    SLUICE_INSPECTION_EVENTS(SLUICE_EVENT_TEXT)
#undef SLUICE_EVENT_TEXT
}};
[[nodiscard]] constexpr const EventText& text_of(Event event) {
    return event_texts[static_cast<std::size_t>(event)];
}

}  // namespace sluice::inspect
