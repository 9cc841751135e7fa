// A tracker of the daemon's kind in memory of its own, over mbufs.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "huge_memory.hpp"
#include "sluice/dpdk/mbuf_tracker.hpp"
#include "support.hpp"

namespace sluice::bench {

class TrackerBox {
  public:
    using Tracker = dpdk::MbufTracker;

    TrackerBox(const pipeline::Limits& limits, const pipeline::Settings& settings)
        : settings_(settings), limits_(limits), arena_(Tracker::bytes_needed(limits)) {
        auto made = Tracker::create(limits_, settings_, bench_secret, {}, arena_.span());
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
    }
    /// Limits for flows of one family; the other's table is as small as may be.
    [[nodiscard]] static pipeline::Limits limits(std::uint32_t flows, bool ipv6) {
        constexpr std::uint32_t few = 64;
        return {.ipv4_flows = ipv6 ? few : flows, .ipv6_flows = ipv6 ? flows : few};
    }

    Tracker* operator->() { return tracker_.get(); }
    [[nodiscard]] const pipeline::Counters& counters() const { return tracker_->counters(); }
    [[nodiscard]] const pipeline::Settings& settings() const { return settings_; }
    [[nodiscard]] const pipeline::SynGuard& guard() const { return *tracker_->guard(); }
    pipeline::Output<dpdk::MbufIo> out;

    /// One poll of a worker that received this burst.
    void poll(std::span<rte_mbuf* const> packets, pipeline::Now now) {
        tracker_->process(packets, now, out);
        benchmark::DoNotOptimize(out);
        tracker_->poll(now, out);
        benchmark::DoNotOptimize(out);
    }

    [[nodiscard]] std::uint32_t flows_held() const {
        return tracker_->table4().size() + tracker_->table6().size();
    }
    /// Throws unless every packet so far was accepted and belonged to a flow.
    void require_all_accepted() const {
        const std::uint64_t packets = counters().packets.read();
        bool accepted = counters().found.read() == packets && counters().passed.read() == packets;
        for (std::size_t reason = 1; reason < reason_count; ++reason)
            accepted &= counters().reasons[reason].read() == 0;
        if (!accepted) throw std::runtime_error("not every packet was accepted");
    }
    void report(benchmark::State& state) const {
        const std::uint32_t most = std::max(limits_.ipv4_flows, limits_.ipv6_flows);
        state.counters["bytes_per_flow"] = static_cast<double>(arena_.bytes()) / most;
        state.counters["huge_page_share"] = arena_.huge_share();
    }

  private:
    pipeline::Settings settings_;
    pipeline::Limits limits_;
    HugeMemory arena_;
    std::unique_ptr<Tracker> tracker_;
};

}  // namespace sluice::bench
