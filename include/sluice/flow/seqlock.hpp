// How a record is changed by its owner while others read it, without a lock and without a fence.
//
// A record is an array of 32-bit words; the first is its version, odd while the owner writes. The owner
//
//     (1) stores the version, odd, relaxed
//     (2) stores the words, each with release
//     (3) stores the version, even again and new, with release
//
// and a reader
//
//     (a) loads the version with acquire; odd: again
//     (b) loads the words, each with acquire
//     (c) loads the version, relaxed; not the same as in (a): again
//
// A copy that survives (c) is whole. Suppose it held a word stored at (2) by a write that was not complete at
// (a). Loading that word with acquire synchronised with its store, before which, in the owner, lies (1) of
// the same write: the odd version therefore happened before (c), which by coherence cannot return the older
// version that (a) saw. The other way round, whoever saw an even version at (a) synchronised with the (3)
// that stored it, and so sees no word older than that write.
//
// The usual form, relaxed words between fences, is as right and as fast (on x86 all of these are plain
// moves), but GCC's thread sanitizer does not model fences, and a test that must be told to look away is no
// test.
//
// Words are 32 bits, not 64: what fills a record is mostly 32-bit fields just computed, and storing them one
// by one costs less than the failed store forwarding of gluing them in pairs through memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "sluice/base/endian.hpp"
#include "sluice/base/lanes.hpp"

namespace sluice::flow {

namespace seqlock {

using Word = std::uint32_t;
/// std::atomic_ref wants an object of the word's own type; a record's fields have theirs. The builtins it is
/// made of take a type that may alias them.
using AliasedWord [[gnu::may_alias]] = Word;
using AliasedLong [[gnu::may_alias]] = std::uint64_t;
using AliasedRow [[gnu::may_alias]] = HalfLanes;
using AliasedPair [[gnu::may_alias, gnu::vector_size(2 * sizeof(std::uint64_t))]] = std::uint64_t;

[[nodiscard]] inline Word load_acquire(const void* words, std::size_t index) {
    return __atomic_load_n(static_cast<const AliasedWord*>(words) + index, __ATOMIC_ACQUIRE);
}
[[nodiscard]] inline Word load_relaxed(const void* words, std::size_t index) {
    return __atomic_load_n(static_cast<const AliasedWord*>(words) + index, __ATOMIC_RELAXED);
}
inline void store_release(void* words, std::size_t index, Word value) {
    __atomic_store_n(static_cast<AliasedWord*>(words) + index, value, __ATOMIC_RELEASE);
}
inline void store_relaxed(void* words, std::size_t index, Word value) {
    __atomic_store_n(static_cast<AliasedWord*>(words) + index, value, __ATOMIC_RELAXED);
}
[[nodiscard]] inline std::uint64_t load_long_acquire(const std::uint64_t* from) {
    return __atomic_load_n(static_cast<const AliasedLong*>(from), __ATOMIC_ACQUIRE);
}
inline void store_long_release(std::uint64_t* to, std::uint64_t value) {
    __atomic_store_n(static_cast<AliasedLong*>(to), value, __ATOMIC_RELEASE);
}

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace seqlock

namespace seqlock {

/// Whether stores of several words keep each word whole and are seen in their order: on x86 they are, each
/// aligned word of a vector included. Elsewhere, and for the thread sanitizer, words are stored one by one.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
inline constexpr bool stores_rows = true;
#else
inline constexpr bool stores_rows = false;
#endif
/// Whether a row is even seen all at once, so that the odd version in it needs no store of its own: aligned
/// rows are by any processor that has AVX (Intel's manual, volume 3, 9.1.1; AMD's says the same).
#if defined(__AVX__)
inline constexpr bool stores_whole_rows = stores_rows;
#else
inline constexpr bool stores_whole_rows = false;
#endif

/// Adds, each with release, to two numbers that lie side by side in 16 aligned bytes, within a Publication.
[[gnu::always_inline]] inline void add_to_both(std::uint64_t* numbers, std::uint64_t first,
                                               std::uint64_t second) {
    if constexpr (stores_rows) {
        std::atomic_signal_fence(std::memory_order_seq_cst);  // for the compiler: it moves no store past here
        *reinterpret_cast<AliasedPair*>(numbers) += AliasedPair{first, second};
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
        store_long_release(&numbers[0], numbers[0] + first);
        store_long_release(&numbers[1], numbers[1] + second);
    }
}

}  // namespace seqlock

/// One whole write, by the owner, of a record's first words, four to a row; the record is aligned to its
/// line. The first row begins with the version, made odd; `after` is the next. `write_beside()` is called for
/// what belongs to the record but lies elsewhere (it stores with release).
template <std::size_t Count, class WriteBeside>
[[gnu::always_inline]] inline void publish_rows(void* record, const std::array<HalfLanes, Count>& rows,
                                                seqlock::Word after, WriteBeside&& write_beside) {
    if constexpr (!seqlock::stores_whole_rows) seqlock::store_relaxed(record, 0, rows[0][0]);
    if constexpr (seqlock::stores_rows) {
        std::atomic_signal_fence(std::memory_order_seq_cst);  // for the compiler: it moves no store past here
        for (std::size_t i = 0; i < Count; ++i) static_cast<seqlock::AliasedRow*>(record)[i] = rows[i];
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
        constexpr std::size_t words = sizeof(HalfLanes) / sizeof(seqlock::Word);
        for (std::size_t i = 1; i < Count * words; ++i)
            seqlock::store_release(record, i, rows[i / words][i % words]);
    }
    write_beside();
    seqlock::store_release(record, 0, after);
}

/// One write by the owner, open from construction to destruction; keep it short, readers wait.
class Publication {
  public:
    /// `record` is the first of its words, 4-byte aligned.
    explicit Publication(void* record)
        : record_(record), version_(*static_cast<seqlock::AliasedWord*>(record)) {
        seqlock::store_relaxed(record_, 0, version_ + 1);
    }
    ~Publication() { seqlock::store_release(record_, 0, version_ + 2); }
    Publication(const Publication&) = delete;
    Publication& operator=(const Publication&) = delete;

    /// Stores `value` at a byte offset, both whole words.
    template <class T>
    [[gnu::always_inline]] void put(std::size_t offset, const T& value) const {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % word_bytes == 0);
        put_words(offset / word_bytes, reinterpret_cast<const std::byte*>(&value),
                  std::make_index_sequence<sizeof(T) / word_bytes>());
    }

  private:
    static constexpr std::size_t word_bytes = sizeof(seqlock::Word);

    /// Unrolled: as a loop, which compilers leave of atomic stores, it takes three times the instructions.
    template <std::size_t... Index>
    [[gnu::always_inline]] void put_words(std::size_t first, const std::byte* from,
                                          std::index_sequence<Index...>) const {
        (seqlock::store_release(record_, first + Index, load<seqlock::Word>(from + Index * word_bytes)), ...);
    }

    void* record_;
    seqlock::Word version_;
};

/// A reader gives up only when the owner has kept a record odd, or changed it, this many times in a row:
/// seconds, in which a living owner does not stop inside a write of some twenty stores.
inline constexpr unsigned seqlock_attempts = 1U << 24;

/// Copies `Words` words of a record, version included, and calls `read_beside()` for what belongs to the
/// record but lies elsewhere (it must load with acquire what the owner stores with release within a
/// Publication). False when no consistent copy was to be had in that many attempts.
template <std::size_t Words, class ReadBeside>
[[nodiscard]] bool read_consistently(const void* record, void* copy, ReadBeside&& read_beside,
                                     unsigned attempts = seqlock_attempts) {
    for (unsigned attempt = 0; attempt < attempts; ++attempt) {
        const seqlock::Word version = seqlock::load_acquire(record, 0);
        if ((version & 1) == 0) {
            std::memcpy(copy, &version, sizeof version);
            for (std::size_t i = 1; i < Words; ++i) {
                const seqlock::Word word = seqlock::load_acquire(record, i);
                std::memcpy(static_cast<std::byte*>(copy) + i * sizeof word, &word, sizeof word);
            }
            read_beside();
            if (seqlock::load_relaxed(record, 0) == version) return true;
        }
        seqlock::pause();
    }
    return false;
}

}  // namespace sluice::flow
