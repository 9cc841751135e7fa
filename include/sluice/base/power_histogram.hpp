// A histogram with buckets by powers of two: written by one thread, read by anyone, like the counters it is
// made of.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/base/counters.hpp"

namespace sluice {

/// Bucket i holds the values up to 2^(first + i) that no bucket before it holds; what is beyond the last is
/// counted apart.
template <unsigned first, std::size_t buckets>
class PowerHistogram {
  public:
    static constexpr std::size_t size = buckets;

    void add(std::uint64_t value) {
        const auto bucket = static_cast<std::size_t>(std::bit_width((value - (value != 0 ? 1 : 0)) >> first));
        counts_[std::min(bucket, buckets)].add();
        sum_.add(value);
    }

    /// The largest value of a bucket.
    [[nodiscard]] static constexpr std::uint64_t bound(std::size_t bucket) {
        return std::uint64_t{1} << (first + bucket);
    }
    /// Values in a bucket; `size` stands for those beyond the last.
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket].read(); }
    /// Of all values.
    [[nodiscard]] std::uint64_t sum() const { return sum_.read(); }

  private:
    std::array<Counter, buckets + 1> counts_;
    Counter sum_;
};

}  // namespace sluice
