// Latencies in bounded memory: buckets whose width grows with the value, at most 1/32 of it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sluice::bench {

class Histogram {
  public:
    void add(std::uint64_t value) {
        ++counts_[bucket_of(value)];
        ++count_;
        highest_ = std::max(highest_, value);
    }
    void add(const Histogram& other) {
        for (unsigned i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
        count_ += other.count_;
        highest_ = std::max(highest_, other.highest_);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t highest() const { return highest_; }

    /// The value that `share` (0 to 1) of all values do not exceed; up to 1/32 too high, never too low.
    [[nodiscard]] std::uint64_t percentile(double share) const {
        const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
        std::uint64_t passed = 0;
        for (unsigned i = 0; i < buckets; ++i) {
            passed += counts_[i];
            if (passed > wanted || (passed == count_ && passed != 0)) return std::min(top_of(i), highest_);
        }
        return 0;
    }

  private:
    static constexpr unsigned fine_bits = 5, fine = 1U << fine_bits, buckets = (64 - fine_bits + 1) * fine;

    static unsigned bucket_of(std::uint64_t value) {
        if (value < fine) return static_cast<unsigned>(value);
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - fine_bits - 1;
        return (shift + 1) * fine + static_cast<unsigned>((value >> shift) & (fine - 1));
    }
    static std::uint64_t top_of(unsigned bucket) {
        if (bucket < fine) return bucket;
        const unsigned shift = bucket / fine - 1;
        return ((std::uint64_t{fine} + bucket % fine + 1) << shift) - 1;
    }

    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0, highest_ = 0;
};

}  // namespace sluice::bench
