// What is measured for each profile, on what tables.
#pragma once

#include <optional>

#include "line_rate/campaign.hpp"

namespace sluice::bench {

/// Runs what the arguments ask for: a report for each profile, and one for the search.
[[nodiscard]] Result<std::vector<Report>> measure(const Arguments& arguments);

// One file each.

/// Segments of open connections, flat out and at half that rate (imix: in frames of several lengths).
[[nodiscard]] Status measure_established(Campaign& campaign);
/// Whole connections.
[[nodiscard]] Status measure_setup(Campaign& campaign);
/// Established traffic and new connections at a fixed rate beside a flood, more of it each time.
[[nodiscard]] Status measure_flood(Campaign& campaign);
/// RFC 2544 26.1: the highest rate without loss, by frame size and for IMIX.
[[nodiscard]] Status search_lossless_rates(Campaign& campaign);

/// Simple IMIX: 7 of 64 bytes, 4 of 594, 1 of 1518, FCS included.
inline const std::vector<unsigned> imix_frames{64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518};

/// Before anything is measured in turns, for some sixteen packets of each connection: a million just opened
/// are tracked at half the rate that is reached, and kept, after some twelve. Seconds of the worker a
/// connection.
inline constexpr double settling_seconds = 2e-6;

/// Where floods go, with the connections that are opened beside them: to servers that nobody defends, and to
/// those that the guard defends where there is one.
inline constexpr std::uint16_t undefended_port = 80, defended_port = 8080;

/// The populations for tracking and for plain forwarding: what one of them saw, the other did not.
struct Populations {
    Population tracked, plain;
};
[[nodiscard]] Result<Populations> make_populations(const Arguments& arguments);

}  // namespace sluice::bench
