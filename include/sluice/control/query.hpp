// One request over the control socket: a line of JSON in; rows and one closing line out.
// docs/control-socket.md is the contract; this is the one place that reads and writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/control/filter.hpp"
#include "sluice/control/format.hpp"
#include "sluice/control/packet_filter.hpp"
#include "sluice/pipeline/captures.hpp"
#include "sluice/policy/rule.hpp"

namespace sluice::control {

inline constexpr unsigned protocol_version = 1;
extern const std::string_view program_version;  ///< the project's, from meson.build
inline constexpr std::string_view default_socket_path = "/run/sluice/sluice.sock";
/// A longer request is refused and its connection closed.
inline constexpr std::size_t max_request_bytes = 64 * 1024;
/// The most bytes of records in a request to restore them: they come as base64 in a line of their own.
inline constexpr std::size_t max_restore_bytes = 44 * 1024;
/// A request nested deeper is refused unread.
inline constexpr unsigned max_request_depth = 8;

/// What `update` changes; at least one of them.
struct Change {
    std::optional<std::uint32_t> timeout_seconds;  ///< 1 to max_lifetime_seconds
    /// The mark becomes (mark & ~mask) ^ value, as in conntrack -U.
    std::optional<Filter::Mark> mark;
    std::uint8_t status = 0;  ///< StatusBits to set; none is ever taken back
};

/// A flow made by hand.
struct NewFlow {
    packet::Family family = packet::Family::ipv4;
    std::uint8_t protocol = 0;
    packet::Address source{}, destination{};
    std::uint16_t source_port = 0, destination_port = 0;  ///< TCP and UDP
    std::uint8_t icmp_type = 0;                           ///< a query's type, 0 code
    std::uint16_t icmp_id = 0;
    tcp::Pair pair = tcp::Pair::established__established;  ///< TCP
    std::uint8_t status = 0;                               ///< StatusBits
    std::uint32_t timeout_seconds = 0;                     ///< 1 to max_lifetime_seconds
    std::uint32_t mark = 0;
    std::uint16_t zone = 0;
    std::optional<std::uint16_t> vlan;  ///< outermost VLAN id
    std::uint8_t port_pair = 0;
};

/// Which events are wanted: pipeline::EventKinds, floods and alerts.
using EventMask = std::uint32_t;
inline constexpr EventMask flood_events = 1U << pipeline::event_kind_count;
inline constexpr EventMask alert_events = flood_events << 1U;
inline constexpr EventMask all_events = pipeline::all_event_kinds | flood_events | alert_events;
/// What may wait for one who follows events, in bytes. At half a million events a second a usual buffer is
/// some 13 ms.
inline constexpr std::size_t least_event_buffer = 64 * 1024, usual_event_buffer = 1024 * 1024,
                             most_event_buffer = 4 * 1024 * 1024;

struct Query {
    enum class Kind : std::uint8_t {
        version,
        list,
        count,
        get,
        remove,
        update,
        insert,
        flush,
        stats,
        reasons,
        floods,
        reload,
        rules,
        test_packet,
        events,
        signatures,
        drops,
        capture,
        save,
        restore,
        census
    };
    Kind kind = Kind::version;
    Filter filter;                  ///< list, count, get, remove, update
    bool zero = false;              ///< list: sets the accounts of the flows shown to 0
    Format format;                  ///< of rows that are flows: style, extended, id, start_time
    Change change;                  ///< update
    NewFlow flow;                   ///< insert
    bool reset = false;             ///< remove: the ends of TCP connections are told
    bool services = false;          ///< floods: the guarded services instead of the attacks
    policy::FirstPacket packet;     ///< test_packet
    std::string snapshot_head;      ///< restore: as append_head() made it
    std::string records;            ///< restore: as append_flow() made them, at most max_restore_bytes
    EventMask events = all_events;  ///< events: which
    pipeline::CaptureKinds captures = pipeline::whatever_is_dropped;  ///< capture: which
    PacketFilter packets;                                             ///< capture: and of them these
    std::size_t snap_bytes = pipeline::most_captured_bytes;           ///< capture: of each, 1 to so many
    bool story = false;  ///< capture: every packet of one flow, the first that `filter` finds; where there is
                         ///< none, the one to come whose whole tuple it has
    std::size_t examples = 0;  ///< drops: of each reason, 0 to DropExamples::kept
    std::size_t buffer_bytes =
        usual_event_buffer;  ///< events, capture: rows waiting to be read, least to most
};

/// The word for a kind in a request: "list", "delete" …
[[nodiscard]] std::string_view name_of(Query::Kind kind);

/// The request in one line of text, or the sentence that refuses it. Total over any bytes; bounded work.
[[nodiscard]] Result<Query> parse_query(std::string_view line);
/// The line, without a line feed.
[[nodiscard]] std::string to_line(const Query& query);

/// How a response ends.
struct End {
    bool ok = true;
    std::uint64_t count = 0;  ///< flows shown, counted, changed
    std::string error;        ///< a sentence, when not ok
};
/// With a line feed. No row begins with `end_prefix`.
[[nodiscard]] std::string to_line(const End& end);
inline constexpr std::string_view end_prefix = "{\"end\":";
/// How a row begins that says how many events were lost, in every format.
inline constexpr std::string_view lost_prefix = "{\"event\":\"lost\"";
[[nodiscard]] std::optional<End> parse_end(std::string_view line);

}  // namespace sluice::control
