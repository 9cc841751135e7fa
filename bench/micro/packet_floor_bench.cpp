// Floor/Packet: the two-line floor with the packet before it. Per packet the mbuf's header and the first line
// of its frame are read, the 16 bytes from the addresses on hashed, and two random cache lines read and
// written; each is asked for a burst before it is needed. What no tracker over mbufs can beat.
#include <array>
#include <cstring>
#include <stdexcept>

#include "mbuf_pool.hpp"
#include "world.hpp"

namespace sluice::bench::packet_floor_bench {
namespace {

class PacketFloor {
  public:
    explicit PacketFloor(std::uint32_t flows)
        : flows_(flows), world_(flows), memory_(2 * std::size_t{flows} * sizeof(Line)) {
        lines_ = reinterpret_cast<Line*>(memory_.span().data());
        refill();
        pass();
        if (sum() != 2 * std::uint64_t{pool_.size()})
            throw std::runtime_error("the floor does not touch the lines it should");
    }
    [[nodiscard]] std::uint32_t packets() const { return pool_.size(); }

    void refill() {
        for (std::uint32_t i = 0; i < pool_.size(); ++i) {
            const std::uint32_t bits = world_.random();
            const std::uint32_t payload = (bits & 2U) != 0 ? World::payload : 0;
            pool_.receive(i, world_.write(pool_.frame(i), world_.pick(), bits & 1U, flag_ack, payload));
        }
    }
    /// A pipeline of four stages, a burst in each; the last three run empty at the end.
    [[gnu::noinline]] void pass() {
        const std::uint32_t bursts = pool_.size() / burst;
        for (std::uint32_t i = 0; i < bursts + 3; ++i) {
            if (i < bursts) fetch_headers(i);
            if (i >= 1 && i < bursts + 1) fetch_frames(i - 1);
            if (i >= 2 && i < bursts + 2) fetch_lines(i - 2);
            if (i >= 3) touch_lines(i - 3);
        }
    }

  private:
    struct alignas(64) Line {
        std::uint64_t word[8];
    };

    void fetch_headers(std::uint32_t number) const {
        for (const rte_mbuf* packet : pool_.burst(number * burst, burst)) __builtin_prefetch(packet);
    }
    void fetch_frames(std::uint32_t number) const {
        for (const rte_mbuf* packet : pool_.burst(number * burst, burst))
            __builtin_prefetch(rte_pktmbuf_mtod(packet, const std::uint8_t*));
    }
    void fetch_lines(std::uint32_t number) {
        std::uint32_t* at = at_[number % 2].data();
        for (const rte_mbuf* packet : pool_.burst(number * burst, burst)) {
            const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
            flow::Key4 key{};
            std::memcpy(&key, frame + 26, 16);  // in one piece, else the hash would wait for the store
            const std::uint64_t hash = flow::hash(key, bench_secret);
            // Random lines of two separate arrays, as an index and a pool are.
            *at = static_cast<std::uint32_t>(((hash & 0xFFFF'FFFF) * flows_) >> 32);
            __builtin_prefetch(&lines_[*at++], 1, 3);
            *at = flows_ + static_cast<std::uint32_t>(((hash >> 32) * flows_) >> 32);
            __builtin_prefetch(&lines_[*at++], 1, 3);
        }
    }
    void touch_lines(std::uint32_t number) {
        for (const std::uint32_t line : at_[number % 2]) ++lines_[line].word[0];
    }
    [[nodiscard]] std::uint64_t sum() const {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < 2 * std::size_t{flows_}; ++i) total += lines_[i].word[0];
        return total;
    }

    std::uint32_t flows_;
    World world_;
    MbufPool pool_;
    HugeMemory memory_;
    Line* lines_ = nullptr;
    std::array<std::array<std::uint32_t, 2 * burst>, 2> at_{};
};

void packet_floor(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& floor = Kept::get("Floor/Packet/" + std::to_string(flows),
                                [&] { return std::make_unique<PacketFloor>(flows); });
        measure_passes(
            state, floor.packets(), [&] { floor.refill(); }, [&] { floor.pass(); });
    });
}
BENCHMARK(packet_floor)->Name("Floor/Packet")->Apply(all_working_sets);

}  // namespace
}  // namespace sluice::bench::packet_floor_bench
