// A flow as a line of text: conntrack's own listing, its `-o save`, or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

struct Format {
    enum class Style : std::uint8_t {
        listing,  ///< as `conntrack -L` of conntrack-tools 1.4.7 prints it, to the byte
        save,     ///< as `conntrack -L -o save` does: arguments that would add the flow again
        json,     ///< one object a line; docs/command.md names the keys
    };
    Style style = Style::listing;
    bool extended = false;    ///< listing: the network protocol in front
    bool id = false;          ///< listing: `id=` at the end
    bool start_time = false;  ///< listing: `[start=…]`, when timestamps are kept
    bool time = false;        ///< events as listings: when each happened, in front

    // How the workers run, and when.
    bool accounting = false;             ///< packets and bytes are kept
    bool timestamps = false;             ///< start times are kept
    std::uint64_t wall_nanoseconds = 0;  ///< now, since 1970: for `delta-time=`

    friend bool operator==(const Format&, const Format&) = default;
};

/// Appends the flow and a line feed. At most about 700 bytes.
void append_flow(std::string& out, const pipeline::FlowView& flow, const Format& format);

/// What happened to a flow.
struct Happening {
    pipeline::EventKind kind = pipeline::EventKind::created;
    flow::Removal why = flow::Removal::expired;  ///< destroyed
    std::uint64_t wall_nanoseconds = 0;          ///< since 1970
};
/// The same for an event: `flow` as it was then. As `conntrack -E` prints it, in each style.
void append_event(std::string& out, const pipeline::FlowView& flow, const Happening& event,
                  const Format& format);
/// What goes in front of a line for which no flow is the reason: "[1700000000.000000]\t  [FLOOD] ".
void append_tag(std::string& out, std::string_view tag, std::uint64_t wall_nanoseconds, const Format& format);

/// No line made by append_flow is longer.
inline constexpr std::size_t max_line_bytes = 1024;

}  // namespace sluice::control
