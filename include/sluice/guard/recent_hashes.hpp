// Who or what was seen lately, by a keyed hash: fixed memory, a bounded handful of steps. Sets of four
// entries; in a full set a newcomer takes the place of what would be forgotten first. An entry keeps 32 bits
// of the hash, so one in 2^30 is taken for another: for a second chance that is good enough, and nobody
// outside can choose whom.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace sluice::guard {

class RecentHashes {
  public:
    /// Time in units of 128 ms, which 32 bits hold for 17 years.
    using Time = std::uint32_t;
    static constexpr unsigned unit_shift = 7;
    static constexpr unsigned sets = 16'384;
    static constexpr unsigned ways = 4;

    /// `until` is later than any time before.
    void remember(std::uint64_t hash, Time now, Time until) {
        auto& set = sets_[hash % sets];
        Entry* place = find(hash);
        if (place == nullptr)
            place = &*std::min_element(set.begin(), set.end(),
                                       [](const Entry& a, const Entry& b) { return a.until < b.until; });
        *place = {tag_of(hash), now, until};
    }
    /// When it was remembered, unless that is forgotten.
    [[nodiscard]] std::optional<Time> since(std::uint64_t hash, Time now) {
        const Entry* const entry = find(hash);
        return entry != nullptr && now < entry->until ? std::optional(entry->since) : std::nullopt;
    }

  private:
    struct Entry {
        std::uint32_t tag = 0;
        Time since = 0;
        Time until = 0;  ///< 0: empty
    };

    [[nodiscard]] static std::uint32_t tag_of(std::uint64_t hash) {
        return static_cast<std::uint32_t>(hash >> 32);
    }
    [[nodiscard]] Entry* find(std::uint64_t hash) {
        auto& set = sets_[hash % sets];
        const auto entry = std::find_if(set.begin(), set.end(), [&](const Entry& one) {
            return one.until != 0 && one.tag == tag_of(hash);
        });
        return entry == set.end() ? nullptr : &*entry;
    }

    std::array<std::array<Entry, ways>, sets> sets_{};
};

}  // namespace sluice::guard
