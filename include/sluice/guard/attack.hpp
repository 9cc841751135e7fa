// What the detector says: how a service stands, and the record of each attack.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/guard/address.hpp"
#include "sluice/guard/service_map.hpp"

namespace sluice::guard {

/// Milliseconds of the control thread's monotonic clock.
using Milliseconds = std::uint64_t;

/// How far an answer has escalated; each level does what the one before does.
enum class Level : std::uint8_t {
    quiet,
    alarm,    ///< say so
    defend,   ///< answer with cookies, limit loud sources
    maximum,  ///< limit the SYNs of the service
};

/// What the operator lets the guard do for a service.
enum class Mode : std::uint8_t {
    off,        ///< not looked at
    monitor,    ///< attacks are recorded and reported; nothing is done
    automatic,  ///< as the levels say
    always,     ///< cookies all the time
};

/// What sort of attack it looks like.
enum class Kind : std::uint8_t {
    spoofed,      ///< about as many sources as SYNs, or sources that disown them with a RST
    loud,         ///< a few sources that can be named send most of it
    distributed,  ///< many sources, each several SYNs: real hosts, or addresses out of a small pool
    unanswered,   ///< no attack: no more SYNs than usual, and the server does not answer them
};

[[nodiscard]] std::string_view name_of(Level level);
[[nodiscard]] std::string_view name_of(Mode mode);
[[nodiscard]] std::string_view name_of(Kind kind);

/// An attack, from its alarm until it is over. Numbers of a record that is still open go on changing.
struct Attack {
    struct Step {
        Milliseconds at;
        Level level;  ///< what the numbers call for; a mode may allow less
    };
    struct TopSource {
        Source source;
        std::uint32_t unfinished_per_second = 0;  ///< at its worst
    };
    static constexpr unsigned most_steps = 8;  ///< of more, the last are kept out but the last of all
    static constexpr unsigned most_top_sources = 8;

    std::uint64_t id = 0;  ///< from 1, in the order of alarms
    Milliseconds start = 0;
    Milliseconds end = 0;  ///< when it was last above its threshold; 0 while it goes on
    bool of_group = false;
    std::uint16_t service = 0;  ///< a service's number, or a group's
    Kind kind = Kind::spoofed;
    std::uint32_t peak_rate = 0;       ///< unfinished SYNs a second
    std::uint32_t peak_half_open = 0;  ///< half-open flows that have been waiting
    std::uint64_t syns = 0;       ///< all to this service from a second before the alarm on, honest ones too
    std::uint64_t completed = 0;  ///< handshakes meanwhile
    std::uint32_t distinct_sources = 0;  ///< most within a second; estimate
    std::array<TopSource, most_top_sources> top{};
    unsigned top_count = 0;
    std::array<Step, most_steps> steps{};
    unsigned step_count = 0;
    std::string why;  ///< a sentence with the numbers that decided
};

}  // namespace sluice::guard
