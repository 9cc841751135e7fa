// A captured packet as a row of JSON, written by the daemon and read by the command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/pipeline/captures.hpp"
#include "sluice/pipeline/flow_view.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::control {

/// The flow that a captured packet belongs to, as it stands; of a packet that has none, the one that it would
/// have begun. False for what is not IP, or has no header that says so.
[[nodiscard]] bool view(const pipeline::CapturedPacket& packet, unsigned worker, pipeline::FlowView& out);

/// Appends the row and a line feed, at most max_line_bytes. `flow`: view() of it, or null. `policy`: the
/// rules in force, or null; they give the rule its name. Of the packet at most `snap` bytes.
void append_capture(std::string& out, const pipeline::CapturedPacket& packet, unsigned worker,
                    const pipeline::FlowView* flow, const pipeline::Policy* policy, std::size_t snap);

/// The same of a packet of a traced flow, with how its flow stood before it and why it was not simply
/// accepted. `tcp`: the settings that it was judged by.
void append_step(std::string& out, const pipeline::CapturedPacket& packet, unsigned worker,
                 const pipeline::FlowView* flow, const pipeline::Policy* policy, const tcp::Settings& tcp);

/// What such a row says.
struct CaptureRow {
    std::uint64_t nanoseconds = 0;  ///< since 1970
    unsigned worker = 0;
    std::uint16_t port = 0;    ///< it came in by, or of a packet of the box's own belongs to
    std::uint32_t length = 0;  ///< of the frame
    pipeline::Decision decision;
    std::uint64_t flow = 0;  ///< its number in listings; means something with `has_flow`
    bool has_flow = false;
    std::optional<tcp::Pair> pair;  ///< of a TCP flow
    // Of a traced flow's alone:
    std::optional<tcp::Pair> before;  ///< of a TCP flow that was there before
    std::uint32_t timeout = 0;        ///< whole seconds that the flow has left
    std::string why;                  ///< empty: it was accepted
    bool seen_reply = false, assured = false;
    std::optional<unsigned> rule;     ///< 0: what holds where none matches
    std::string rule_name;            ///< empty: none
    std::vector<std::uint8_t> bytes;  ///< its first, at most pipeline::most_captured_bytes
};
/// Nothing for what is no such row.
[[nodiscard]] std::optional<CaptureRow> parse_capture(std::string_view row);

}  // namespace sluice::control
