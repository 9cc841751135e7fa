// Which sources send SYNs that they do not complete: in fixed memory, whatever the number of sources.
//
// The counts. A count-min sketch (Cormode and Muthukrishnan 2005): four rows of 4,096 cells, each source has
// one cell in each row, picked by its keyed hash, and its count is the least of the four. It is never too
// low; with N SYNs counted it is too high by more than
//
//     eps N = e / 4096 N = N / 1507       with a probability of at most       delta = e^-4 = 1.8 %.
//
// Those are the bounds of the plain sketch. Conservative update (Estan and Varghese 2002: a SYN raises only
// the cells that hold the least) keeps them and errs far less: with nothing but spoofed sources, each once,
// about N / 9,000. A cell counts SYNs and completed handshakes, each in 16 bits that saturate.
//
// Time. Each count is kept twice, for this window and the last; at the end of a window the older becomes the
// new, emptied. The sum of both covers between one and two windows. Both stand in one cell of 8 bytes, so a
// SYN touches four lines of 128 KiB, which the second-level cache holds. Emptying passes over all of it once
// a window: 6 us.
//
// The names. A sketch does not know whom it counted. So a source whose unfinished SYNs, by its estimate, are
// at least 1/512 of all SYNs and at least 16 is written down: a table of 32 sets of four, in which the louder
// displaces the less loud. Since 1/512 is three times eps, a spoofed source is not written down for the
// company it keeps in its cells, and the table costs a spoofed flood nothing; a source that sends 1/512 of
// all is written down for sure, unless four louder ones share its set. What lost: Space-Saving (Metwally et
// al. 2005) admits every new source in place of its least, so that a spoofed flood rewrites it with every
// packet.
//
// Thread: the owner counts; loud() may be called by any. Nothing is allocated, no step depends on the
// content.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/prefetch.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/hash.hpp"
#include "sluice/guard/address.hpp"

namespace sluice::guard {

/// What is known of a source, over the last one to two windows; never less than it was, up to saturation.
struct SourceCount {
    std::uint32_t syns = 0;
    std::uint32_t completed = 0;

    [[nodiscard]] constexpr std::uint32_t unfinished() const {
        return syns > completed ? syns - completed : 0;
    }
};

/// A source that was written down.
struct LoudSource {
    Source source;
    std::uint16_t service = 0;  ///< where its last SYN went
    SourceCount count;
};

class SourceSketch {
  public:
    static constexpr unsigned rows = 4;
    static constexpr unsigned width = 4096;
    static constexpr Tick window = ticks_per_second;
    /// A loud source sends at least 1/2^loud_shift of all SYNs, unfinished, and at least loud_floor.
    static constexpr unsigned loud_shift = 9;
    static constexpr std::uint32_t loud_floor = 16;
    static constexpr unsigned sets = 32;
    static constexpr unsigned ways = 4;
    static constexpr unsigned most_loud = sets * ways;
    static_assert((1U << loud_shift) * 2.7183 < width, "what is written down is louder than the error");

    /// `secret` from the kernel's generator: nobody outside can choose sources that share their cells.
    SourceSketch(const flow::Secret& secret, Tick now) : secret_(secret), ends_(now + window), since_(now) {}

    /// Call it now and then, at the latest before the first count after a pause.
    void advance(Tick now) {
        if (!reached(now, ends_)) return;
        const bool idle_for_long = reached(now, ends_ + window);
        empty_half(current_ ^= 1);
        if (idle_for_long) empty_half(current_ ^ 1);
        since_.store(idle_for_long ? now : ends_ - window, std::memory_order_relaxed);
        ends_ = idle_for_long ? now + window : ends_ + window;
        number_.store(number_.load(std::memory_order_relaxed) + 1 + (idle_for_long ? 1 : 0),
                      std::memory_order_relaxed);
    }

    [[nodiscard]] std::uint64_t hash(Source source) const {
        flow::Key4 key{};
        store(&key, Block{source.word, 0});  // at once, as the hash loads it
        return flow::hash(key, secret_);
    }
    /// The cells of a source, on their way into the cache.
    [[gnu::always_inline]] void prefetch(std::uint64_t hash) const {
        for (unsigned row = 0; row < rows; ++row) prefetch_write(&cell(hash, row));
    }

    /// A SYN of `source`, whose hash() is given, to a service.
    void count_syn(Source source, std::uint64_t hash, std::uint16_t service) {
        total_[current_] += 1;
        const SourceCount count = raise(hash, syns_lane);
        const std::uint32_t least = std::max(loud_floor, (total_[0] + total_[1]) >> loud_shift);
        if (count.unfinished() >= least) [[unlikely]]
            write_down(source, hash, service, count);
    }
    /// A handshake it completed.
    void count_completed(Source source, std::uint64_t hash) {
        const SourceCount count = raise(hash, completed_lane);
        Loud* const known = find(set_of(hash), source);
        if (known != nullptr) known->tally.store(tally(service_of(*known), count), std::memory_order_release);
    }

    /// The owner: what is known of a source.
    [[nodiscard]] SourceCount estimate(Source source) const { return sums_of(least_of(hash(source))); }
    /// The owner: SYNs of all sources.
    [[nodiscard]] std::uint32_t total() const { return total_[0] + total_[1]; }

    /// Any thread: those written down in this window or the last, in no order; how many. A source that is
    /// replaced while it is read is left out.
    [[nodiscard]] unsigned loud(std::span<LoudSource, most_loud> out) const {
        unsigned found = 0;
        for (const Loud& entry : loud_) {
            const std::uint64_t source = entry.source.load(std::memory_order_acquire);
            const std::uint64_t tally = entry.tally.load(std::memory_order_acquire);
            if (source != entry.source.load(std::memory_order_relaxed) || outdated(tally)) continue;
            out[found++] = {{source}, static_cast<std::uint16_t>(tally >> service_at), counts(tally)};
        }
        return found;
    }

    /// Any thread: how far back the counts reach, at most two windows.
    [[nodiscard]] Tick covers(Tick now) const { return now - since_.load(std::memory_order_relaxed); }

  private:
    /// Four counts of 16 bits: SYNs of either window, completed handshakes of either; whichever is this
    /// one's.
    using Cell [[gnu::vector_size(8)]] = std::uint16_t;
    using Block [[gnu::vector_size(16)]] = std::uint64_t;
    enum : unsigned { syns_lane = 0, completed_lane = 2 };

    /// Two words written by the owner. A new source comes between a tally of 0 and its own, so that a reader
    /// who sees the source twice and a tally in between has seen the tally of that source, or none.
    struct Loud {
        std::atomic<std::uint64_t> source{0};
        std::atomic<std::uint64_t> tally{0};  ///< SYNs 17 bits, completed 17, service 16, window 14; 0: empty
    };
    static constexpr unsigned service_at = 34;
    static constexpr unsigned window_at = 50;
    static constexpr std::uint64_t count_mask = (1U << 17) - 1;  // two saturated windows: 131,070

    [[nodiscard]] static constexpr unsigned place(std::uint64_t hash, unsigned row) {
        return (hash >> row * 12) % width;
    }
    [[nodiscard]] static constexpr unsigned set_of(std::uint64_t hash) { return hash >> 48 & (sets - 1); }

    [[nodiscard]] const Cell& cell(std::uint64_t hash, unsigned row) const {
        return cells_[row][place(hash, row)];
    }
    /// The least of the rows, each count by itself: less than the least sum, and still not too low.
    [[nodiscard]] Cell least_of(std::uint64_t hash) const {
        Cell least = cell(hash, 0);
        for (unsigned row = 1; row < rows; ++row) {
            const Cell other = cell(hash, row);
            least = least < other ? least : other;
        }
        return least;
    }
    [[nodiscard]] static SourceCount sums_of(Cell least) {
        return {std::uint32_t{least[0]} + least[1], std::uint32_t{least[2]} + least[3]};
    }

    /// Conservative update of one count; what is known afterwards.
    SourceCount raise(std::uint64_t hash, unsigned lane) {
        const auto one = std::bit_cast<Cell>(std::uint64_t{1} << 16 * (lane + current_));
        const Cell mask = -one;  // all bits of the lane, none of the others
        Cell least = least_of(hash);
        least += one & (least != 0xFFFF);
        const Cell raised = least & mask;
        for (unsigned row = 0; row < rows; ++row) {
            Cell& value = cells_[row][place(hash, row)];
            value = value > raised ? value : raised;
        }
        return sums_of(least);
    }

    void empty_half(unsigned half) {
        const auto kept = std::bit_cast<Cell>(0x0000'FFFF'0000'FFFFU << 16 * (1 - half));
        for (auto& row : cells_)
            for (Cell& value : row) value &= kept;
        total_[half] = 0;
    }

    [[nodiscard]] std::uint64_t tally(std::uint16_t service, const SourceCount& count) const {
        return count.syns | std::uint64_t{count.completed} << 17 | std::uint64_t{service} << service_at |
               std::uint64_t{number_.load(std::memory_order_relaxed)} << window_at;
    }
    [[nodiscard]] static SourceCount counts(std::uint64_t tally) {
        return {static_cast<std::uint32_t>(tally & count_mask),
                static_cast<std::uint32_t>(tally >> 17 & count_mask)};
    }
    [[nodiscard]] static std::uint16_t service_of(const Loud& entry) {
        return static_cast<std::uint16_t>(entry.tally.load(std::memory_order_relaxed) >> service_at);
    }
    [[nodiscard]] bool outdated(std::uint64_t tally) const {
        const std::uint32_t age = (number_.load(std::memory_order_relaxed) - (tally >> window_at)) & 0x3FFF;
        return tally == 0 || age > 1;
    }
    [[nodiscard]] Loud* find(unsigned set, Source source) {
        for (unsigned way = 0; way < ways; ++way) {
            Loud& entry = loud_[set * ways + way];
            if (entry.source.load(std::memory_order_relaxed) == source.word) return &entry;
        }
        return nullptr;
    }
    void write_down(Source source, std::uint64_t hash, std::uint16_t service, const SourceCount& count) {
        const unsigned set = set_of(hash);
        Loud* entry = find(set, source);
        if (entry == nullptr) {
            const auto loudness = [&](const Loud& one) {
                const std::uint64_t tally = one.tally.load(std::memory_order_relaxed);
                return outdated(tally) ? 0 : counts(tally).unfinished();
            };
            Loud* const first = &loud_[set * ways];
            entry = std::min_element(first, first + ways,
                                     [&](const Loud& a, const Loud& b) { return loudness(a) < loudness(b); });
            if (loudness(*entry) >= count.unfinished()) return;
            entry->tally.store(0, std::memory_order_relaxed);
            entry->source.store(source.word, std::memory_order_release);
        }
        entry->tally.store(tally(service, count), std::memory_order_release);
    }

    alignas(64) std::array<std::array<Cell, width>, rows> cells_{};
    std::array<Loud, most_loud> loud_{};
    flow::Secret secret_;
    std::array<std::uint32_t, 2> total_{};
    Tick ends_;                             ///< this window
    std::atomic<Tick> since_;               ///< when the last window began
    unsigned current_ = 0;                  ///< which half is this window's
    std::atomic<std::uint32_t> number_{0};  ///< of the window
};

}  // namespace sluice::guard
