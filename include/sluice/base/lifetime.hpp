// The closed list of lifetimes a flow can have. Each is a timeout with nf_conntrack's name and default, an
// age list of the flow table, and belongs to one class for eviction when the table is full.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

/// Who goes first when the table is full: the lower value (DESIGN: half-open, closing, unassured; assured
/// never).
enum class EvictionClass : std::uint8_t { half_open, closing, unassured, assured };
inline constexpr std::size_t eviction_class_count = 4;

// X(identifier, "configuration key", default seconds in profile linux, seconds in profile appliance, class)
// clang-format off
#define SLUICE_LIFETIMES(X)                                                         \
    X(syn_sent,       "tcp.timeout_syn_sent",        120,    10, half_open)          \
    X(syn_sent2,      "tcp.timeout_syn_sent2",       120,    10, half_open)          \
    X(syn_recv,       "tcp.timeout_syn_recv",         60,    10, half_open)          \
    X(established,    "tcp.timeout_established",  432000,  7200, assured)            \
    X(fin_wait,       "tcp.timeout_fin_wait",        120,   120, closing)            \
    X(close_wait,     "tcp.timeout_close_wait",       60,    60, closing)            \
    X(last_ack,       "tcp.timeout_last_ack",         30,    30, closing)            \
    X(time_wait,      "tcp.timeout_time_wait",       120,    60, closing)            \
    X(close,          "tcp.timeout_close",            10,    10, closing)            \
    X(killed,         "tcp.timeout_killed",           10,    10, closing)            \
    X(max_retrans,    "tcp.timeout_max_retrans",     300,   300, assured)            \
    X(unacknowledged, "tcp.timeout_unacknowledged",  300,   300, assured)            \
    X(loose,          "tcp.timeout_unassured",       300,   300, unassured)          \
    X(udp,            "udp.timeout",                  30,    30, unassured)          \
    X(udp_stream,     "udp.timeout_stream",          120,   120, assured)            \
    X(icmp,           "icmp.timeout",                 30,    30, unassured)          \
    X(icmpv6,         "icmpv6.timeout",               30,    30, unassured)          \
    X(generic,        "generic.timeout",             600,   600, unassured)
// clang-format on

enum class Lifetime : std::uint8_t {
#define SLUICE_LIFETIME_IDENTIFIER(id, key, linux, appliance, cls) id,
    SLUICE_LIFETIMES(SLUICE_LIFETIME_IDENTIFIER)
#undef SLUICE_LIFETIME_IDENTIFIER
        count_
};

inline constexpr std::size_t lifetime_count = static_cast<std::size_t>(Lifetime::count_);
static_assert(lifetime_count <= 32, "a lifetime is kept in five bits of the flow record");

struct LifetimeText {
    std::string_view key;             ///< configuration key
    std::uint32_t linux_seconds;      ///< nf_conntrack's default
    std::uint32_t appliance_seconds;  ///< the daemon's default
    EvictionClass eviction_class;
};

inline constexpr std::array<LifetimeText, lifetime_count> lifetime_texts{{
#define SLUICE_LIFETIME_TEXT(id, key, linux, appliance, cls) {key, linux, appliance, EvictionClass::cls},
    SLUICE_LIFETIMES(SLUICE_LIFETIME_TEXT)
#undef SLUICE_LIFETIME_TEXT
}};

/// Seconds per lifetime, indexed by Lifetime.
using Timeouts = std::array<std::uint32_t, lifetime_count>;

[[nodiscard]] constexpr Timeouts linux_timeouts() {
    Timeouts out{};
    for (std::size_t i = 0; i < lifetime_count; ++i) out[i] = lifetime_texts[i].linux_seconds;
    return out;
}
[[nodiscard]] constexpr Timeouts appliance_timeouts() {
    Timeouts out{};
    for (std::size_t i = 0; i < lifetime_count; ++i) out[i] = lifetime_texts[i].appliance_seconds;
    return out;
}

}  // namespace sluice
