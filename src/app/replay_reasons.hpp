// Why a packet of a replay was not simply accepted, with the numbers that decided: what is not the TCP
// engine's to say (that is tcp::explain). The parser's checks, checksums, ICMP errors, fragments, full
// tables.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "app/replay_frame.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/verdict.hpp"
#include "sluice/tcp/connection.hpp"

namespace sluice::app {

/// A packet, what became of it, and what its sentence may be made of.
struct ReasonInput {
    const Frame& frame;
    const Frame& first;  ///< heads the list of fragments judged together with it; or is the packet
    const pipeline::Decision& decision;
    packet::LinkLayer link = packet::LinkLayer::ethernet;
    const pipeline::Settings& settings;
    const pipeline::Limits& limits;
    const tcp::Connection* connection = nullptr;     ///< of decision.flow, when that is TCP
    std::span<const std::unique_ptr<Frame>> frames;  ///< all there are; those held by the tracker are marked
    bool input_ended = false;
};

/// One sentence without a full stop, for decision.reason other than none. Falls back on the reason's own.
[[nodiscard]] std::string explain_packet(const ReasonInput& input);

}  // namespace sluice::app
