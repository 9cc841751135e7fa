// Which items of a stream weigh most, in bounded memory whatever their number.
//
// A map of counts. When it has more items than it may, the median of the counts is taken off all of them, and
// what is left with nothing goes: half of them (Misra and Gries 1982, with weights and the median as Anderson
// et al., "A high-performance algorithm for identifying frequent items in data streams", 2017). A count is
// then too low, by the sum of those medians at most, which is below 2 N / `most` where all weights together
// are N: whoever has more than that is there, and the order among the heavy is right. While the items fit,
// counts are exact. What lost: Space-Saving (Metwally et al. 2005) needs a heap beside the map, and touches
// both for every item that is new.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sluice::control {

/// Where strangers choose the items, `Hash` is keyed.
template <class Item, class Hash>
class FrequentItems {
  public:
    using Count = std::pair<Item, std::uint64_t>;

    /// Keeps `most` items, 2 or more.
    FrequentItems(std::size_t most, const Hash& hash) : most_(most), counts_(0, hash) {}

    void add(const Item& item, std::uint64_t weight) {
        if (weight == 0) return;
        counts_[item] += weight;
        if (counts_.size() > most_) thin_out();
    }
    void clear() {
        counts_.clear();
        error_ = 0;
    }

    /// What was counted of it, at least.
    [[nodiscard]] std::uint64_t of(const Item& item) const {
        const auto found = counts_.find(item);
        return found == counts_.end() ? 0 : found->second;
    }
    /// By how much a count may be too low; that of an item that is missing, too.
    [[nodiscard]] std::uint64_t error() const { return error_; }
    /// The heaviest, heaviest first.
    [[nodiscard]] std::vector<Count> heaviest(std::size_t number) const {
        std::vector<Count> out(counts_.begin(), counts_.end());
        const auto end = out.begin() + static_cast<std::ptrdiff_t>(std::min(number, out.size()));
        std::partial_sort(out.begin(), end, out.end(), [](const Count& a, const Count& b) {
            return a.second != b.second ? a.second > b.second : a.first < b.first;
        });
        out.erase(end, out.end());
        return out;
    }

  private:
    void thin_out() {
        std::vector<std::uint64_t> weights;
        weights.reserve(counts_.size());
        for (const auto& [item, count] : counts_) weights.push_back(count);
        const auto middle = weights.begin() + static_cast<std::ptrdiff_t>(weights.size() / 2);
        std::nth_element(weights.begin(), middle, weights.end());
        const std::uint64_t taken = *middle;
        for (auto entry = counts_.begin(); entry != counts_.end();) {
            if (entry->second <= taken) {
                entry = counts_.erase(entry);
            } else {
                entry->second -= taken;
                ++entry;
            }
        }
        error_ += taken;
    }

    std::size_t most_;
    std::unordered_map<Item, std::uint64_t, Hash> counts_;
    std::uint64_t error_ = 0;
};

}  // namespace sluice::control
