// A whole tracker as a backend of scripts: every segment becomes a packet of either family, with its real
// options and checksums, and is judged by the burst.
#pragma once

#include <cmath>
#include <memory>

#include "packet_builder.hpp"
#include "script.hpp"
#include "tracker_box.hpp"

namespace sluice::test {

class TrackerBackend final : public Backend {
  public:
    explicit TrackerBackend(packet::Family family) : family_(family) {}

    void reset(const tcp::Settings& settings) override {
        pipeline::Settings all;
        all.tcp = settings;
        pipeline::Limits limits;
        limits.ipv4_flows = limits.ipv6_flows = 16;
        limits.fragment_datagrams = 1;
        box_ = std::make_unique<TrackerBox>(all, limits);
        start_ = box_->now();
        inserted_ = flow_ = 0;
    }

    Observation send(End from, const ScriptSegment& segment, double now) override {
        const auto due = start_ + static_cast<Tick>(std::llround(now * ticks_per_second));
        box_->pass_ticks(due - box_->now());
        const pipeline::Decision decision = box_->feed(frame(family_, from, segment));

        Observation out;
        out.reason = decision.reason;
        // Settings may refuse under a reason that is usually tolerated, and the other way round.
        out.outcome = decision.state == pipeline::CtState::invalid ? Outcome::refused
                      : decision.reason == Reason::none            ? Outcome::accepted
                                                                   : Outcome::tolerated;
        const std::uint64_t inserted = box_->tracker().counters().insert.read();
        if (inserted != inserted_) flow_ = inserted_ = inserted;
        if (const auto seen = only_flow()) {
            out.pair = static_cast<tcp::Pair>(seen->state.tcp.pair);
            out.assured = seen->assured;
            out.timeout = seen->seconds_left;
            out.flow = flow_;
        }
        return out;
    }

    [[nodiscard]] bool has_bytes() const override { return true; }

    /// The segment as a frame between the same two hosts.
    [[nodiscard]] static Frame frame(packet::Family family, End from, const ScriptSegment& segment) {
        const bool six = family == packet::Family::ipv6;
        const char* a = six ? "2001:db8::a" : "10.0.0.1";
        const char* b = six ? "2001:db8::b" : "10.0.0.2";
        auto packet = PacketBuilder().ethernet();
        if (from == End::a)
            packet.ip(a, b).tcp(40000, 80);
        else
            packet.ip(b, a).tcp(80, 40000);

        const tcp::Segment& tcp = segment.tcp;
        packet.sequence(tcp.sequence)
            .acknowledgement(tcp.acknowledgement)
            .flags(tcp.flags)
            .window(tcp.window);
        if (tcp.has_window_scale) packet.option(option::window_scale(tcp.window_scale));
        if (tcp.sack_permitted) packet.option(option::sack_permitted());
        if (tcp.has_sack) packet.option(option::sack({{tcp.sack_highest - 1, tcp.sack_highest}}));
        if (segment.timestamps)
            packet.option(option::timestamps(segment.timestamp_value, segment.timestamp_echo));
        if (segment.fast_open) packet.option(option::fast_open(8));
        packet.payload(tcp.payload_length);

        switch (segment.defect) {
            case Defect::none:
                break;
            case Defect::offset_too_small:
                packet.header_bytes_as(16);
                break;
            case Defect::offset_too_large:
                packet.payload(0).header_bytes_as(60);
                break;
            case Defect::ip_too_long:
                packet.ip_length_as(9000);
                break;
            case Defect::cut_short:
                packet.protocol(packet::tcp).payload(19);
                break;
            case Defect::tcp_checksum:
                packet.wrong_transport_checksum();
                break;
            case Defect::ip_checksum:  // IPv6 has none
                six ? packet.wrong_transport_checksum() : packet.wrong_ip_checksum();
                break;
        }
        return packet.build();
    }

  private:
    /// The conversation's flow, as a listing would show it.
    [[nodiscard]] std::optional<pipeline::FlowView> only_flow() const {
        pipeline::FlowView out;
        const auto find_in = [&](const auto& table) {
            for (flow::Ref ref = 0; ref < table.high_water(); ++ref)
                if (pipeline::view(table, ref, box_->now(), 0, out)) return true;
            return false;
        };
        const bool found = family_ == packet::Family::ipv4 ? find_in(box_->tracker().table4())
                                                           : find_in(box_->tracker().table6());
        return found ? std::optional(out) : std::nullopt;
    }

    packet::Family family_;
    std::unique_ptr<TrackerBox> box_;
    Tick start_ = 0;
    std::uint64_t inserted_ = 0, flow_ = 0;
};

}  // namespace sluice::test
