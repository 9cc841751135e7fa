// How many different sources there were, without remembering any: HyperLogLog (Flajolet, Fusy, Gandouet,
// Meunier 2007) with 64 registers.
//
// Six bits of a source's keyed hash pick a register, which keeps the longest run of leading zeros seen in the
// other bits: a run of r is to be expected once in 2^r sources. The harmonic mean over the registers gives
// the number, with a standard error of 1.04 / sqrt(64) = 13 %; below 160 the number of registers still empty
// says it better (linear counting). Enough for the one question asked of it, whether a flood's SYNs come from
// about as many sources as there are SYNs: spoofed addresses, or a few that send many each.
//
// One line a service and worker, a window of time at a time: the first source of a new window empties the
// registers. Registers of several workers merge by taking the greater of each.
//
// The owner writes; any thread reads. A reader may see registers of which some are still the last window's:
// then it sees too many sources, once.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sluice::guard {

/// Registers merged from several workers; of no source at first.
class DistinctEstimate {
  public:
    static constexpr unsigned registers = 64;

    void raise(unsigned index, std::uint8_t rank) { rank_[index] = std::max(rank_[index], rank); }

    /// Sources, rounded. Off the packet path: it takes a logarithm.
    [[nodiscard]] std::uint32_t sources() const {
        double sum = 0;
        for (const std::uint8_t rank : rank_) sum += 1 / static_cast<double>(std::uint64_t{1} << rank);
        const double m = registers;
        const double raw = 0.709 * m * m / sum;  // the paper's constant for 64 registers
        const auto empty = static_cast<double>(std::count(rank_.begin(), rank_.end(), 0));
        const double best = raw <= 2.5 * m && empty > 0 ? m * std::log(m / empty) : raw;
        return static_cast<std::uint32_t>(std::min(best + 0.5, 4e9));
    }

  private:
    std::array<std::uint8_t, registers> rank_{};
};

class alignas(64) DistinctSources {
  public:
    static constexpr unsigned registers = DistinctEstimate::registers;

    /// The owner: a source with this hash. Most change nothing, which costs a load and a compare.
    void count(std::uint64_t hash) {
        // Other products of the hash's bits than the sketch and its table use.
        const std::uint64_t mixed = hash * 0x9E37'79B9'7F4A'7C15U;
        const auto index = static_cast<unsigned>(mixed >> 58);
        const auto rank = static_cast<std::uint64_t>(std::countl_zero(mixed << 6 | 32)) + 1;
        std::atomic<std::uint64_t>& word = words_[index / 8];
        const std::uint64_t was = word.load(std::memory_order_relaxed);
        const unsigned shift = index % 8 * 8;
        if ((was >> shift & 0xFF) >= rank) return;
        word.store((was & ~(std::uint64_t{0xFF} << shift)) | rank << shift, std::memory_order_relaxed);
    }
    /// The owner.
    void clear() {
        for (auto& word : words_) word.store(0, std::memory_order_relaxed);
    }
    /// Any thread.
    void merge_into(DistinctEstimate& estimate) const {
        for (unsigned i = 0; i < registers; ++i)
            estimate.raise(
                i, static_cast<std::uint8_t>(words_[i / 8].load(std::memory_order_relaxed) >> i % 8 * 8));
    }

  private:
    std::array<std::atomic<std::uint64_t>, registers / 8> words_{};
};
static_assert(sizeof(DistinctSources) == 64, "one line");

}  // namespace sluice::guard
