// The floor: what no tracker can beat. Per packet a key is hashed, and one or two random cache
// lines, on their way since the burst before, are read and written.
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

#include "flows.hpp"
#include "support.hpp"

namespace sluice::bench::floor_bench {
namespace {

struct alignas(64) Line {
    std::uint64_t word[8];
};

template <unsigned Lines>
class Floor {
  public:
    explicit Floor(std::uint32_t flows)
        : flows_(flows),
          picks_(flows),
          memory_(std::size_t{flows} * Lines * sizeof(Line)),
          lines_(reinterpret_cast<Line*>(memory_.span().data())) {
        fetch(0);
    }
    void one_burst() {
        fetch(1 - current_);
        for (const std::uint32_t line : at_[current_]) ++lines_[line].word[0];
        current_ = 1 - current_;
    }
    /// Each packet adds one to each of its lines.
    [[nodiscard]] std::uint64_t sum() const {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < std::size_t{flows_} * Lines; ++i) total += lines_[i].word[0];
        return total;
    }

  private:
    void fetch(unsigned into) {
        const flow::Key4* const keys = picks_.keys(picks_.next());
        std::uint32_t* at = at_[into].data();
        for (unsigned i = 0; i < burst; ++i) {
            const std::uint64_t hash = flow::hash(keys[i], bench_secret);
            // Random lines of two separate arrays, as an index and a pool are.
            *at = static_cast<std::uint32_t>(((hash & 0xFFFF'FFFF) * flows_) >> 32);
            __builtin_prefetch(&lines_[*at++], 1, 3);
            if constexpr (Lines == 2) {
                *at = flows_ + static_cast<std::uint32_t>(((hash >> 32) * flows_) >> 32);
                __builtin_prefetch(&lines_[*at++], 1, 3);
            }
        }
    }
    std::uint32_t flows_;
    Picks<flow::Key4> picks_;
    HugeMemory memory_;
    Line* lines_;
    unsigned current_ = 0;
    std::array<std::array<std::uint32_t, burst * Lines>, 2> at_{};
};

template <unsigned Lines>
void floor_of(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& floor = Kept::get("Floor/" + std::to_string(Lines) + '/' + std::to_string(flows), [&] {
            auto made = std::make_unique<Floor<Lines>>(flows);
            for (unsigned i = 0; i < 1000; ++i) made->one_burst();
            if (made->sum() != 1000ULL * burst * Lines)
                throw std::runtime_error("the floor does not touch the lines it should");
            return made;
        });
        measure(state, burst, [&] { floor.one_burst(); });
    });
}

BENCHMARK(floor_of<1>)->Name("Floor/OneLine")->Apply(all_working_sets);
BENCHMARK(floor_of<2>)->Name("Floor/TwoLines")->Apply(all_working_sets);

}  // namespace
}  // namespace sluice::bench::floor_bench
