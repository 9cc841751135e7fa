// The index: from a hash to the number of a record.
//
// Buckets of one cache line. A bucket has ten slots; a slot is a tag of 16 bits and the number of a record. A
// tag is the fingerprint, 15 bits of the hash, and one bit that says where the entry lies:
//
//     byte 0               20         22         24                          64
//          | tag 0 … tag 9 | occupied | overflow | record 0 … record 9       |
//
// An entry lies in one of two buckets (cuckoo hashing with partial keys; Fan, Andersen, Kaminsky, "MemC3",
// 2013): its primary, which 32 bits of the hash pick, or its alternate, which follows from the bucket and the
// fingerprint alone:
//
//     alternate(b) = (odd number made of the fingerprint - b) mod buckets
//
// Applied twice this gives b back, so an entry can be moved either way without touching its record; and since
// the number of buckets is even and 2b is even, it never gives b itself. Any even number of buckets will do,
// so memory follows the capacity and not the next power of two.
//
// Looking up compares all ten tags at once. An entry of the alternate kind carries the bit, so a bucket's
// guests never look like its own. The alternate is looked at only when the primary's `overflow` is not zero:
// it counts the entries at home here that had to go to their alternate. A guest that is found while there is
// room at home again moves home, so that the next look-up touches one line. With six flows to a bucket when
// the pool is full, 1.3 in a hundred lie in their alternate when the table has been filled; under churn 5.4
// in a hundred are put there (a bucket is full when its eleventh entry comes more often than on average,
// Erlang's loss formula), and stay if never looked up.
//
// Inserting takes a free slot of the primary, else of the alternate, else moves one entry of either to its
// other bucket: twenty more buckets looked at, and no chain of moves. At 80 % load, where a third of the
// buckets are full, this fails about once in 10^9; the tables here are filled to 60 %.
//
// The owner alone reads and writes the index. Other threads go through the records by number and never come
// here.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/base/prefetch.hpp"
#include "sluice/flow/ref.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace sluice::flow {

inline constexpr unsigned slots_per_bucket = 10;

struct alignas(64) Bucket {
    std::array<std::uint16_t, slots_per_bucket>
        tag;                 ///< fingerprint, and in bit 0: lies in its alternate bucket
    std::uint16_t occupied;  ///< a bit per slot
    std::uint16_t overflow;  ///< entries whose primary this is that lie in their alternate
    std::array<Ref, slots_per_bucket> record;
};
static_assert(sizeof(Bucket) == 64, "a look-up touches one line of the index");

inline constexpr unsigned all_slots = (1U << slots_per_bucket) - 1;

/// The slots that hold this tag, as a bit mask; slots that are not occupied may appear. The plain form.
[[nodiscard]] inline unsigned slots_with_tag_portable(const Bucket& bucket, std::uint16_t tag) {
    unsigned slots = 0;
    for (unsigned i = 0; i < slots_per_bucket; ++i) slots |= static_cast<unsigned>(bucket.tag[i] == tag) << i;
    return slots;
}

/// The same, all at once: the first half of the bucket with AVX2, of which the tags' bits are kept, one each;
/// with SSE2 tags 0 to 7 and, overlapping them, 2 to 9.
[[nodiscard]] inline unsigned slots_with_tag(const Bucket& bucket, std::uint16_t tag) {
#if defined(__AVX2__) && defined(__BMI2__)
    const __m256i wanted = _mm256_set1_epi16(static_cast<short>(tag));
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(&bucket));
    constexpr unsigned bit_of_each_tag = 0x5'5555;
    return _pext_u32(static_cast<unsigned>(_mm256_movemask_epi8(_mm256_cmpeq_epi16(half, wanted))),
                     bit_of_each_tag);
#elif defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
    const __m128i front = _mm_load_si128(reinterpret_cast<const __m128i*>(&bucket.tag[0]));
    const __m128i back = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&bucket.tag[2]));
    const __m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(front, wanted), _mm_cmpeq_epi16(back, wanted));
    const auto bits = static_cast<unsigned>(_mm_movemask_epi8(equal));
    return (bits & 0xFFU) | ((bits >> 6) & 0x300U);
#else
    return slots_with_tag_portable(bucket, tag);
#endif
}

class Index {
  public:
    /// 60 % of the slots when the pool is full. Fewer flows to a bucket would cost memory (a record's share
    /// is 64 / 6 = 10.7 bytes of the 96 there are), more would send look-ups to a second line: of the flows
    /// of a filled table, 1.3 % lie in their alternate at 6, 4 % at 7.5, 5.5 % at 8.
    static constexpr std::uint32_t flows_per_bucket = 6;

    /// How many buckets a table of this capacity has: even, at least 2.
    [[nodiscard]] static constexpr std::uint32_t buckets_for(std::uint32_t capacity) {
        return (capacity / flows_per_bucket + 2) & ~1U;
    }

    Index() = default;
    /// `count` buckets, zeroed; even, at least 2.
    Index(Bucket* buckets, std::uint32_t count) : buckets_(buckets), count_(count) {}

    [[gnu::always_inline]] void prefetch(std::uint64_t hash) const { prefetch_bucket(primary_of(hash)); }
    [[gnu::always_inline]] void prefetch_bucket(std::uint32_t bucket) const {
        prefetch_write(&buckets_[bucket]);
    }

    /// The first record in the primary bucket (primary_of() the hash) whose fingerprint fits, else no_ref;
    /// then, if the entry may lie in the alternate, that bucket is on its way to the cache.
    [[nodiscard]] Ref first(std::uint64_t hash) const { return first(hash, primary_of(hash)); }
    [[nodiscard]] Ref first(std::uint64_t hash, std::uint32_t primary) const {
        const Bucket& bucket = buckets_[primary];
        const std::uint16_t tag = tag_of(hash);
        const unsigned slots = slots_with_tag(bucket, tag) & bucket.occupied;
        if (slots != 0) [[likely]]
            return bucket.record[static_cast<unsigned>(std::countr_zero(slots))];
        if (bucket.overflow != 0) prefetch_write(&buckets_[alternate_of(primary, tag)]);
        return no_ref;
    }

    /// After first() found none: the first record in the alternate bucket whose fingerprint fits, else
    /// no_ref. It moves home if it can.
    [[nodiscard]] Ref first_guest(std::uint64_t hash, std::uint32_t primary) {
        if (buckets_[primary].overflow == 0) return no_ref;
        const std::uint16_t tag = tag_of(hash);
        const std::uint32_t alternate = alternate_of(primary, tag);
        const Ref found = find_in(buckets_[alternate], as_guest(tag), [](Ref) { return true; });
        if (found != no_ref && has_room(primary)) move_home(primary, alternate, tag, found);
        return found;
    }

    /// The first record with this fingerprint, in either bucket, for which `fits(Ref)` holds; else no_ref.
    /// One found in its alternate moves home if it can.
    template <class Fits>
    [[nodiscard]] Ref find(std::uint64_t hash, Fits&& fits) {
        const std::uint32_t primary = primary_of(hash);
        const std::uint16_t tag = tag_of(hash);
        Ref found = find_in(buckets_[primary], tag, fits);
        if (found != no_ref || buckets_[primary].overflow == 0) return found;
        const std::uint32_t alternate = alternate_of(primary, tag);
        found = find_in(buckets_[alternate], as_guest(tag), fits);
        if (found != no_ref && has_room(primary)) move_home(primary, alternate, tag, found);
        return found;
    }

    /// Adds an entry (the same one twice would be two entries). False when neither bucket has room nor can be
    /// given any by one move; then nothing changed.
    [[nodiscard]] bool insert(std::uint64_t hash, Ref ref) {
        const std::uint32_t primary = primary_of(hash);
        const std::uint16_t tag = tag_of(hash);
        if (has_room(primary)) [[likely]] {
            put(primary, tag, ref);
            return true;
        }
        return insert_elsewhere(primary, tag, ref);
    }

    /// Whether an entry with this hash, should there be one, may lie in its alternate bucket.
    [[nodiscard]] bool may_be_guest(std::uint64_t hash) const {
        return buckets_[primary_of(hash)].overflow != 0;
    }
    /// Whether an entry with this hash finds room in its primary bucket.
    [[nodiscard]] bool has_room_at_home(std::uint64_t hash) const { return has_room(primary_of(hash)); }

    /// Takes out the entry of `ref`, which was inserted with this hash.
    void erase(std::uint64_t hash, Ref ref) {
        const std::uint32_t primary = primary_of(hash);
        const std::uint16_t tag = tag_of(hash);
        if (erase_in(primary, tag, ref)) return;
        if (erase_in(alternate_of(primary, tag), as_guest(tag), ref)) --buckets_[primary].overflow;
    }

    /// Calls `visit(Ref)` for whatever lies in the two buckets of this hash: when an insert fails, what it
    /// competes with.
    template <class Visit>
    void for_each_rival(std::uint64_t hash, Visit&& visit) const {
        const std::uint32_t primary = primary_of(hash);
        for (const std::uint32_t bucket : {primary, alternate_of(primary, tag_of(hash))}) {
            for (unsigned slots = buckets_[bucket].occupied; slots != 0; slots &= slots - 1) {
                visit(buckets_[bucket].record[static_cast<unsigned>(std::countr_zero(slots))]);
            }
        }
    }

    [[nodiscard]] std::uint32_t primary_of(std::uint64_t hash) const {
        return static_cast<std::uint32_t>(((hash & 0xFFFF'FFFFU) * count_) >> 32);
    }
    [[nodiscard]] static std::uint16_t tag_of(std::uint64_t hash) {
        return static_cast<std::uint16_t>((hash >> 32 & 0x7FFFU) << 1);
    }
    /// The other bucket of an entry that lies in `bucket`.
    [[nodiscard]] std::uint32_t alternate_of(std::uint32_t bucket, std::uint16_t tag) const {
        constexpr std::uint32_t golden_ratio = 0x9E37'79B1U;  // spreads neighbouring fingerprints
        const std::uint64_t spread =
            static_cast<std::uint32_t>(static_cast<std::uint32_t>(tag >> 1) * golden_ratio);
        const auto sum = static_cast<std::uint32_t>((spread * count_) >> 32) | 1U;
        return sum >= bucket ? sum - bucket : sum + (count_ - bucket);
    }

  private:
    static constexpr std::uint16_t guest = 1;
    [[nodiscard]] static std::uint16_t as_guest(std::uint16_t tag) {
        return static_cast<std::uint16_t>(tag | guest);
    }

    [[nodiscard]] bool has_room(std::uint32_t bucket) const { return buckets_[bucket].occupied != all_slots; }

    template <class Fits>
    [[nodiscard]] static Ref find_in(const Bucket& bucket, std::uint16_t tag, Fits&& fits) {
        for (unsigned slots = slots_with_tag(bucket, tag) & bucket.occupied; slots != 0; slots &= slots - 1) {
            const Ref ref = bucket.record[static_cast<unsigned>(std::countr_zero(slots))];
            if (fits(ref)) return ref;
        }
        return no_ref;
    }

    void put(std::uint32_t bucket, std::uint16_t tag, Ref ref) {
        Bucket& into = buckets_[bucket];
        const auto slot = static_cast<unsigned>(std::countr_one(into.occupied));
        into.tag[slot] = tag;
        into.record[slot] = ref;
        into.occupied = static_cast<std::uint16_t>(into.occupied | 1U << slot);
    }

    [[nodiscard]] bool erase_in(std::uint32_t bucket, std::uint16_t tag, Ref ref) {
        Bucket& from = buckets_[bucket];
        for (unsigned slots = slots_with_tag(from, tag) & from.occupied; slots != 0; slots &= slots - 1) {
            const auto slot = static_cast<unsigned>(std::countr_zero(slots));
            if (from.record[slot] != ref) continue;
            from.occupied = static_cast<std::uint16_t>(from.occupied & ~(1U << slot));
            return true;
        }
        return false;
    }

    void move_home(std::uint32_t primary, std::uint32_t alternate, std::uint16_t tag, Ref ref);
    [[nodiscard]] bool insert_elsewhere(std::uint32_t primary, std::uint16_t tag, Ref ref);
    [[nodiscard]] bool move_one_out(std::uint32_t bucket);

    Bucket* buckets_ = nullptr;
    std::uint32_t count_ = 0;
};

}  // namespace sluice::flow
