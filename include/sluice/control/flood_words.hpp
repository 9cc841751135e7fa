// Attacks for people and for programs: what is known of one besides the detector's record, lines for the log,
// rows of the listings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/control/format.hpp"
#include "sluice/guard/detector.hpp"

namespace sluice::control {

/// Of an attack, what the detector does not know. Kept when the service's number has long gone to another.
struct FloodNote {
    std::string service;                      ///< "192.0.2.1:443", or a group's prefix
    std::string name;                         ///< the operator's; may be empty
    guard::Mode mode = guard::Mode::monitor;  ///< of the service at last; of a group, its members' boldest
    guard::Level done = guard::Level::quiet;  ///< the most that was decided for it, as far as the mode allows
    std::uint32_t syn_limit = 0;              ///< of the service, SYNs a second; 0: never one
    std::uint32_t limited_sources = 0;        ///< most at a time
    std::uint64_t limited_syns = 0;           ///< dropped by limits
    std::uint64_t wall_offset = 0;  ///< added to Milliseconds: since 1970, by the clock at the alarm
};

struct Flood {
    guard::Attack attack;
    FloodNote note;
    guard::Level level = guard::Level::quiet;  ///< what the numbers call for now
};

/// What happens to a flood, for those who follow events.
struct FloodChange {
    enum class Phase : std::uint8_t { begun, changed, ended };
    Phase phase;
    Flood flood;
    guard::Level before;              ///< the level at the last step
    std::uint64_t wall_milliseconds;  ///< since 1970
};

/// A service and how it stands.
struct GuardedRow {
    guard::ServiceNumber number = guard::no_service;
    std::string service, name, group;  ///< group: its prefix; empty: none
    bool learnt = false;
    guard::Mode mode = guard::Mode::off;
    guard::Level level = guard::Level::quiet;  ///< what the numbers call for
    guard::Defence defence;                    ///< what is done
    std::uint64_t half_open = 0;               ///< flows, with those that have just begun
    guard::Standing standing;
};

/// "192.0.2.1:443 (web)"
[[nodiscard]] std::string whom(const FloodNote& note);
/// "SYN cookies; at most 500,000 SYNs a second to the service; 3 sources limited"
[[nodiscard]] std::string deeds(const FloodNote& note);

/// For the log. `before`: the level at the last step.
[[nodiscard]] std::string begin_line(const Flood& flood);
[[nodiscard]] std::string level_line(const Flood& flood, guard::Level before);
[[nodiscard]] std::string end_line(const Flood& flood);

/// One JSON object and a line feed. docs/command.md names the keys.
void append_flood(std::string& out, const Flood& flood);
/// The log's line behind a tag, or JSON. A style `save` there is not.
void append_flood_event(std::string& out, const FloodChange& change, const Format& format);
void append_guarded(std::string& out, const GuardedRow& row);

}  // namespace sluice::control
