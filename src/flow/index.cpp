#include "sluice/flow/index.hpp"

#include <limits>

namespace sluice::flow {

void Index::move_home(std::uint32_t primary, std::uint32_t alternate, std::uint16_t tag, Ref ref) {
    if (!erase_in(alternate, as_guest(tag), ref)) return;
    put(primary, tag, ref);
    --buckets_[primary].overflow;
}

bool Index::insert_elsewhere(std::uint32_t primary, std::uint16_t tag, Ref ref) {
    const std::uint32_t alternate = alternate_of(primary, tag);
    Bucket& home = buckets_[primary];
    if (!has_room(alternate) && move_one_out(primary)) {
        put(primary, tag, ref);
        return true;
    }
    if (home.overflow == std::numeric_limits<std::uint16_t>::max()) return false;
    if (!has_room(alternate) && !move_one_out(alternate)) return false;
    put(alternate, as_guest(tag), ref);
    ++home.overflow;
    return true;
}

/// Moves the first entry that can go to its other bucket there.
bool Index::move_one_out(std::uint32_t bucket) {
    Bucket& from = buckets_[bucket];
    for (unsigned slot = 0; slot < slots_per_bucket; ++slot) {
        const std::uint16_t tag = from.tag[slot];
        const std::uint32_t other = alternate_of(bucket, tag);
        if (!has_room(other)) continue;
        // A guest goes home, or an entry at home becomes a guest: its primary's count follows.
        const bool is_guest = (tag & guest) != 0;
        Bucket& home = is_guest ? buckets_[other] : from;
        if (!is_guest && home.overflow == std::numeric_limits<std::uint16_t>::max()) continue;
        home.overflow = static_cast<std::uint16_t>(is_guest ? home.overflow - 1 : home.overflow + 1);
        put(other, static_cast<std::uint16_t>(tag ^ guest), from.record[slot]);
        from.occupied = static_cast<std::uint16_t>(from.occupied & ~(1U << slot));
        return true;
    }
    return false;
}

}  // namespace sluice::flow
