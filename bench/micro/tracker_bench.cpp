// The whole path of a packet: frame in, decision out (Tracker/… of the benchmark names).
#include <benchmark/benchmark.h>

#include <stdexcept>

#include "world.hpp"

namespace sluice::bench {
namespace {

using pipeline::MemoryIo;
using pipeline::MemoryPacket;
using Tracker = pipeline::Tracker<MemoryIo>;

/// Frames and the packets that stand for them, larger than L2: what a receive queue of recycled buffers looks
/// like.
class Pool {
  public:
    explicit Pool(std::size_t count) : frames_(count), packets_(count), pointers_(count) {
        for (std::size_t i = 0; i < count; ++i) pointers_[i] = &packets_[i];
    }
    [[nodiscard]] std::size_t size() const { return frames_.size(); }
    Frame& frame(std::size_t i) { return frames_[i]; }
    void filled(std::size_t i, std::uint32_t length) {
        packets_[i] = {.first = {frames_[i].bytes.data(), length}, .checksum = pipeline::ChecksumState::good};
    }
    [[nodiscard]] std::span<MemoryPacket* const> burst(std::size_t from, std::size_t count) const {
        return {pointers_.data() + from, count};
    }

  private:
    std::vector<Frame> frames_;
    std::vector<MemoryPacket> packets_;
    std::vector<MemoryPacket*> pointers_;
};

struct Box {
    pipeline::Limits limits;
    pipeline::Settings settings;
    std::unique_ptr<HugeMemory> arena;
    std::unique_ptr<Tracker> tracker;
    pipeline::Output<MemoryIo> out;

    Box(std::uint32_t flows, bool ipv6, bool accounting) {
        limits.ipv4_flows = ipv6 ? 64 : flows;
        limits.ipv6_flows = ipv6 ? flows : 64;
        limits.accounting = accounting;
        arena = std::make_unique<HugeMemory>(Tracker::bytes_needed(limits));
        auto made = Tracker::create(limits, settings, flow::Secret{{1, 2, 3, 4}}, {}, arena->span());
        if (!made) throw std::runtime_error(made.error());
        tracker = std::move(*made);
    }
};

/// Judges the whole pool and insists that nothing but acceptance comes out.
void run_checked(Box& box, Pool& pool, std::size_t count) {
    for (std::size_t at = 0; at < count; at += burst) {
        box.tracker->process(pool.burst(at, std::min<std::size_t>(burst, count - at)), {.tick = 1000},
                             box.out);
        for (const auto& judged : box.out.view())
            if (judged.decision.action != pipeline::Action::pass || judged.decision.reason != Reason::none)
                throw std::runtime_error(std::string("a valid segment was not accepted: ") +
                                         std::string(text_of(judged.decision.reason).name));
    }
}

void open_all(Box& box, World& world, Pool& pool) {
    constexpr std::uint8_t handshake[] = {flag_syn, flag_syn | flag_ack, flag_ack};
    for (std::uint32_t first = 0; first < world.size();) {
        std::size_t used = 0;
        for (; first < world.size() && used + 3 <= pool.size(); ++first)
            for (unsigned i = 0; i < 3; ++i, ++used)
                pool.filled(used, world.write(pool.frame(used), first, i % 2, handshake[i], 0));
        run_checked(box, pool, used);
    }
}

void fill_established(World& world, Pool& pool) {
    for (std::size_t i = 0; i < pool.size(); ++i) {
        const std::uint32_t bits = world.random();
        pool.filled(i, world.write(pool.frame(i), world.pick(), bits & 1U, flag_ack,
                                   (bits & 2U) ? World::payload : 0));
    }
}

void established(benchmark::State& state, std::uint32_t flows, bool ipv6, bool accounting) {
    Box box(flows, ipv6, accounting);
    World world(flows, ipv6);
    Pool pool(32'768);
    open_all(box, world, pool);
    fill_established(world, pool);
    run_checked(box, pool, pool.size());

    std::uint64_t cycles = 0, packets = 0;
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(pool.size()))) {
        state.PauseTiming();
        fill_established(world, pool);
        state.ResumeTiming();
        const std::uint64_t start = cycles_now();
        for (std::size_t at = 0; at < pool.size(); at += burst) {
            box.tracker->process(pool.burst(at, burst), {.tick = 1000}, box.out);
            benchmark::DoNotOptimize(box.out);
        }
        cycles += cycles_now() - start;
        packets += pool.size();
    }
    const auto& counters = box.tracker->counters();
    if (counters.dropped.read() != 0) state.SkipWithError("packets were dropped");
    state.SetItemsProcessed(static_cast<std::int64_t>(packets));
    state.counters["cycles_per_packet"] = static_cast<double>(cycles) / static_cast<double>(packets);
    state.counters["bytes_per_flow"] = static_cast<double>(Tracker::bytes_needed(box.limits)) / flows;
}

[[maybe_unused]] const bool registered = [] {
    for (const std::uint32_t flows : {1'000U, 100'000U, 1'000'000U, 4'000'000U, 16'000'000U}) {
        const std::string name = "Tracker/Established/flows:" + std::to_string(flows);
        for (const bool ipv6 : {false, true})
            for (const bool accounting : {false, true})
                benchmark::RegisterBenchmark(
                    (name + (accounting ? "/acct:1" : "") + (ipv6 ? "/ip6" : "")).c_str(), established, flows,
                    ipv6, accounting);
    }
    return true;
}();

}  // namespace
}  // namespace sluice::bench
