// RteHash/Find: DPDK's own hash table, asked as ours is in Table/Find: the same flows, the same random picks,
// 32 at a time, over the same kind of memory. It is spared what Table/Find does in the timed loop: hashing
// (its keys come with their hash), and it has the shorter key that its fastest comparison takes. It is given
// room for a quarter more than the flows, so that none of its sizes is filled to the brim.
#include <rte_hash.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "dpdk_memory.hpp"
#include "support.hpp"

namespace sluice::bench::rte_hash_bench {
namespace {

/// What tells our IPv4 flows apart: the first 16 bytes of a key.
struct alignas(16) ShortKey {
    std::array<std::uint8_t, 16> bytes;
};
ShortKey short_key(const flow::Key4& key) {
    ShortKey out{};
    std::memcpy(&out, &key, sizeof out);
    return out;
}

class Peer {
  public:
    explicit Peer(std::uint32_t flows)
        : flows_(flows), memory_(std::size_t{flows} * 160 + (std::size_t{16} << 20)) {
        rte_hash_parameters parameters{};
        parameters.name = "bench";
        parameters.entries = flows + flows / 4;
        parameters.key_len = sizeof(ShortKey);
        parameters.socket_id = memory_.socket();
        hash_.reset(rte_hash_create(&parameters));
        if (hash_ == nullptr) throw std::runtime_error("rte_hash_create failed");
        positions_.resize(flows);
        for (std::uint32_t number = 0; number < flows; ++number) {
            const flow::Key4 key = key_of<flow::Key4>(number);
            const ShortKey shorter = short_key(key);
            positions_[number] = rte_hash_add_key_with_hash(hash_.get(), &shorter, hash_of(key));
            if (positions_[number] < 0) throw std::runtime_error("rte_hash has no room for a flow");
        }
        draw();
        check();
    }

    [[gnu::noinline]] void find_burst(std::int32_t* found) {
        if (at_ == keys_.size()) at_ = 0;
        const void* keys[burst];
        for (unsigned i = 0; i < burst; ++i) keys[i] = &keys_[at_ + i];
        rte_hash_lookup_with_hash_bulk(hash_.get(), keys, &hashes_[at_], burst, found);
        at_ += burst;
    }
    [[nodiscard]] double bytes_per_flow() const {
        return static_cast<double>(memory_.bytes_in_use()) / flows_;
    }
    [[nodiscard]] double huge_share() const { return memory_.huge_share(); }

  private:
    struct Free {
        void operator()(rte_hash* hash) const { rte_hash_free(hash); }
    };

    static std::uint32_t hash_of(const flow::Key4& key) {
        return static_cast<std::uint32_t>(flow::hash(key, bench_secret));
    }
    void draw() {
        const Picks<flow::Key4> picks(flows_);
        for (std::size_t i = 0; i < picks.size(); ++i) {
            numbers_.push_back(*picks.numbers(i));
            keys_.push_back(short_key(*picks.keys(i)));
            hashes_.push_back(hash_of(*picks.keys(i)));
        }
    }
    /// Each flow is found where it was put.
    void check() {
        std::array<std::int32_t, burst> found{};
        for (std::size_t at = 0; at < keys_.size(); at += burst) {
            find_burst(found.data());
            for (unsigned i = 0; i < burst; ++i)
                if (found[i] != positions_[numbers_[at + i]])
                    throw std::runtime_error("rte_hash did not find a flow, or found another");
        }
    }

    std::uint32_t flows_;
    DpdkMemory memory_;
    std::unique_ptr<rte_hash, Free> hash_;
    std::vector<std::int32_t> positions_;
    std::vector<std::uint32_t> numbers_;
    std::vector<ShortKey> keys_;
    std::vector<hash_sig_t> hashes_;
    std::size_t at_ = 0;
};

void rte_hash_find(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& peer =
            Kept::get("RteHash/Find/" + std::to_string(flows), [&] { return std::make_unique<Peer>(flows); });
        std::array<std::int32_t, burst> found{};
        measure(state, burst, [&] {
            peer.find_burst(found.data());
            benchmark::DoNotOptimize(found);
        });
        state.counters["bytes_per_flow"] = peer.bytes_per_flow();
        state.counters["huge_page_share"] = peer.huge_share();
    });
}
BENCHMARK(rte_hash_find)->Name("RteHash/Find")->Apply(all_working_sets);

}  // namespace
}  // namespace sluice::bench::rte_hash_bench
