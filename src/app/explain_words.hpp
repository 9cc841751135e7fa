// What `sluice explain` says of a flow and its packets, in plain ASCII, whatever it is laid out as.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/explain_story.hpp"

namespace sluice::app {

/// "0.001000": seconds with six digits.
[[nodiscard]] std::string seconds_text(std::int64_t nanoseconds);
/// "2023-11-14 22:13:20.000000 UTC".
[[nodiscard]] std::string date_text(std::int64_t nanoseconds);

/// "10.0.0.1:40000"; without a port for protocols that have none. `side`: original is A, the originator.
[[nodiscard]] std::string endpoint_text(const Story& story, tcp::Direction side);
/// "tcp 10.0.0.1:40000 > 10.0.0.2:80".
[[nodiscard]] std::string flow_text(const Story& story);

/// "SYN,ACK"; "none" for no flag.
[[nodiscard]] std::string flag_names(std::uint8_t flags);
/// "ESTABLISHED,SYN_RCVD".
[[nodiscard]] std::string pair_text(tcp::Pair pair);
/// How the flow stands behind a packet: its pair, or for other protocols unreplied, replied or assured.
[[nodiscard]] std::string standing_text(const StorySegment& segment);
/// What kind of packet it is: its flags, "ICMP 3/4", "fragment 1480".
[[nodiscard]] std::string kind_text(const StorySegment& segment);
/// "again", "gap before it", "fills a gap"; empty when it is simply the next.
[[nodiscard]] std::string_view progress_text(const StorySegment& segment);
/// The packet in one line, relative numbers: "SYN,ACK seq 0 ack 1 win 65535".
[[nodiscard]] std::string packet_text(const StorySegment& segment);
/// "dropped, rst-out-of-window"; of an accepted packet its progress_text().
[[nodiscard]] std::string verdict_text(const StorySegment& segment);
/// "120 data segments, 173,760 bytes, A to B; 60 acknowledgements B to A".
[[nodiscard]] std::string fold_text(const StoryFold& fold, bool tcp);

/// How the flow ended, and what became of it afterwards.
[[nodiscard]] std::string ending_text(const Story& story);

/// The head of a ticket: names and values, in order. Several values may stand under one name (the further
/// ones have an empty one).
using Facts = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Facts facts_of(const Story& story);

/// `text` in lines of at most `width` characters, broken at spaces where there are any.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);

}  // namespace sluice::app
