// A tracker over memory with everything it needs, for tests: feed frames, look at decisions, let time pass.
#pragma once

#include <deque>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "memory_tracker.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::test {

using Frame = std::vector<std::uint8_t>;

class TrackerBox {
  public:
    using Tracker = MemoryTracker;
    using Judged = pipeline::Output<pipeline::MemoryIo>::Judged;

    static pipeline::Limits small_limits() {
        pipeline::Limits limits;
        limits.ipv4_flows = 1024;
        limits.ipv6_flows = 1024;
        limits.fragment_datagrams = 16;
        limits.accounting = true;
        return limits;
    }

    explicit TrackerBox(const pipeline::Settings& settings = {},
                        const pipeline::Limits& limits = small_limits(),
                        const pipeline::Steering& steering = {},
                        packet::LinkLayer link = packet::LinkLayer::ethernet,
                        const flow::Secret& secret = {{11, 22, 33, 44}})
        : settings_(settings), arena_(Tracker::bytes_needed(limits) + 64) {
        auto address = reinterpret_cast<std::uintptr_t>(arena_.data());
        const std::size_t skip = (64 - address % 64) % 64;
        auto made =
            Tracker::create(limits, settings_, secret, steering, std::span(arena_).subspan(skip), link);
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
    }

    pipeline::Settings& settings() { return settings_; }
    Tracker& tracker() { return *tracker_; }
    [[nodiscard]] Tick now() const { return now_.tick; }
    [[nodiscard]] pipeline::Now moment() const { return now_; }

    void pass_ticks(Tick ticks) { now_.tick += ticks; }
    void pass_seconds(double seconds) { now_.tick += static_cast<Tick>(seconds * ticks_per_second); }

    /// Judges frames as one burst. The packets stay valid as long as the box.
    std::vector<Judged> burst(const std::vector<Frame>& frames, std::size_t split = 0) {
        std::vector<pipeline::MemoryPacket*> packets;
        packets.reserve(frames.size());
        for (const Frame& frame : frames) packets.push_back(&keep(frame, split));
        tracker_->process(packets, now_, out_);
        return {out_.view().begin(), out_.view().end()};
    }

    /// Judges one frame; `split` puts its first bytes into a segment of their own. Throws when it is held.
    pipeline::Decision feed(const Frame& frame, std::size_t split = 0) {
        const auto judged = burst({frame}, split);
        if (judged.size() != 1) throw std::runtime_error("the packet was not decided");
        return judged[0].decision;
    }

    std::vector<Judged> poll() {
        tracker_->poll(now_, out_);
        return {out_.view().begin(), out_.view().end()};
    }

    /// The flow a decision names, as people see it.
    [[nodiscard]] pipeline::FlowView view(const pipeline::Decision& decision) const {
        pipeline::FlowView out;
        if (!view(decision, out)) throw std::runtime_error("the decision names no flow");
        return out;
    }
    [[nodiscard]] bool holds(const pipeline::Decision& decision) const {
        pipeline::FlowView out;
        return view(decision, out);
    }

    [[nodiscard]] std::uint64_t count(Reason reason) const {
        return tracker_->counters().reasons[static_cast<std::size_t>(reason)].read();
    }
    [[nodiscard]] std::uint32_t flows() const {
        return tracker_->table4().size() + tracker_->table6().size();
    }

    pipeline::MemoryPacket& keep(const Frame& frame, std::size_t split = 0) {
        frames_.push_back(frame);
        const std::span<const std::uint8_t> bytes = frames_.back();
        split = split == 0 ? bytes.size() : std::min(split, bytes.size());
        packets_.push_back(
            {.first = bytes.first(split), .rest = bytes.subspan(split), .number = packets_.size()});
        return packets_.back();
    }

  private:
    [[nodiscard]] bool view(const pipeline::Decision& decision, pipeline::FlowView& out) const {
        return decision.family == packet::Family::ipv4
                   ? pipeline::view(tracker_->table4(), decision.flow, now_.tick, 0, out)
                   : pipeline::view(tracker_->table6(), decision.flow, now_.tick, 0, out);
    }
    pipeline::Settings settings_;
    std::vector<std::byte> arena_;
    std::unique_ptr<Tracker> tracker_;
    pipeline::Now now_{.tick = 5'000, .wall_nanoseconds = 1'700'000'000'000'000'000ULL};
    pipeline::Output<pipeline::MemoryIo> out_;
    std::deque<Frame> frames_;
    std::deque<pipeline::MemoryPacket> packets_;
};

}  // namespace sluice::test
