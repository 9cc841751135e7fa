// Interface of the flow table. The flow part completes this file: prose on the layout first, then the code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/result.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/hash.hpp"
#include "sluice/flow/key.hpp"

namespace sluice::flow {

/// A record's number in its table; records never move.
using Ref = std::uint32_t;
inline constexpr Ref no_ref = 0xFFFFFFFFU;

inline constexpr unsigned max_lifetimes = 32;
inline constexpr unsigned max_classes = 4;

struct TableConfig {
    std::uint32_t capacity = 0;                                ///< records, 1 to 2^30
    unsigned lifetimes = 0;                                    ///< age lists, 1 to max_lifetimes
    std::array<std::uint8_t, max_lifetimes> eviction_class{};  ///< per lifetime; class 0 goes first, class 3 never
    std::array<Tick, max_lifetimes> interval{};                ///< per lifetime: its timeout, in ticks
    bool accounting = false;                                   ///< keep packets and bytes per direction
    bool timestamps = false;                                   ///< keep the start time
    Secret secret;
};

/// Why a record left the table.
enum class Removal : std::uint8_t { expired, evicted, deleted, replaced };

/// Packets and bytes, by direction (0 original, 1 reply).
struct Account {
    std::uint64_t packets[2];
    std::uint64_t bytes[2];
};

/// `Payload` is trivially copyable, 4-byte aligned, and has `std::uint32_t lifetime_of(const Payload&)` found by ADL
/// (which age list it belongs to now) .
template <class KeyT, class Payload>
class Table {
  public:
    struct alignas(64) Record {
        std::uint32_t version;  ///< odd while the owner writes
        Tick expiry;            ///< dead to lookups from then on
        Payload payload;
        KeyT key;               ///< key.spare: the table's bits (see from_high_is_original, live, queue)
    };

    /// Bytes of arena `create` needs.
    static std::size_t bytes_needed(const TableConfig& config);
    /// Builds the table in `arena` (zeroed, aligned to 64; outlives the table). Allocates nothing, then or later.
    static Result<Table> create(const TableConfig& config, std::span<std::byte> arena);

    // ---- The owner's side: one thread.

    [[nodiscard]] std::uint64_t hash_of(const KeyT& key) const;
    void prefetch_bucket(std::uint64_t hash) const;
    /// First record in the primary bucket whose fingerprint fits, or no_ref (which does not yet mean absent).
    [[nodiscard]] Ref candidate(std::uint64_t hash) const;
    void prefetch_record(Ref ref) const;
    /// The live record with this key, or no_ref. `candidate` is tried first; then the rest, bounded. A record whose
    /// expiry is reached is not found.
    [[nodiscard]] Ref find(const KeyT& key, std::uint64_t hash, Ref candidate, Tick now) const;

    /// Adds a flow (the caller has just not found it). A dead record with the same key is removed first; a full pool
    /// evicts by class, oldest first, a bounded number of tries; no_ref when nothing could go. `on_removed(Ref, const
    /// Record&, Removal)` is called for whatever left, before it is gone.
    template <class OnRemoved>
    [[nodiscard]] Ref insert(const KeyT& key, std::uint64_t hash, bool original_from_high, const Payload& payload,
                             Tick expiry, Tick now, OnRemoved&& on_removed);

    /// Plain view for the owner.
    [[nodiscard]] const Record& record(Ref ref) const;
    /// The originator is endpoint 1 of the key.
    [[nodiscard]] static bool original_from_high(const Record& record);

    /// Publishes new contents to readers and moves the record between age lists when it must.
    void update(Ref ref, const Payload& payload, Tick expiry, Tick now);

    template <class OnRemoved>
    void remove(Ref ref, Removal why, OnRemoved&& on_removed);

    /// Frees what is due, looking at no more than `budget` records. Returns how many it looked at.
    template <class OnRemoved>
    unsigned expire(Tick now, unsigned budget, OnRemoved&& on_removed);

    /// Evicts the oldest flow of exactly this class; false when there is none within a bounded number of tries.
    template <class OnRemoved>
    bool evict_oldest(std::uint8_t eviction_class, Tick now, OnRemoved&& on_removed);

    /// New timeouts (a reload). Flows keep the deadlines they have.
    void set_intervals(const std::array<Tick, max_lifetimes>& interval, Tick now);

    void account(Ref ref, unsigned direction, std::uint32_t bytes);  ///< no-op without accounting
    void set_mark(Ref ref, std::uint32_t mark);

    // ---- Any thread, at any time.

    /// A consistent copy of a live record; false when the slot holds none.
    [[nodiscard]] bool read(Ref ref, Record& copy) const;
    [[nodiscard]] Account read_account(Ref ref) const;
    [[nodiscard]] std::uint64_t read_start(Ref ref) const;  ///< as given by set_start
    void set_start(Ref ref, std::uint64_t wall_clock_nanoseconds);
    [[nodiscard]] std::uint32_t read_mark(Ref ref) const;
    [[nodiscard]] std::uint32_t capacity() const;
    [[nodiscard]] std::uint32_t high_water() const;  ///< no slot from here on was ever used
    [[nodiscard]] std::uint32_t size() const;        ///< records in use
    [[nodiscard]] std::uint32_t size_of_class(std::uint8_t eviction_class) const;
    [[nodiscard]] std::size_t bytes() const;
};

}  // namespace sluice::flow
