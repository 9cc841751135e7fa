// The flow table: fixed memory, one writer, any number of readers that never stop it.
//
// Four parts, all in one arena that the caller maps:
//
//     state    one block: the age lists' heads, the free list, the gauges
//     index    buckets of one line: from a hash to a record's number                            (index.hpp)
//     records  everything a packet of an established flow needs, 64 bytes for IPv4, 128 for IPv6
//     cold     16 bytes a record: its neighbours in its age list, when it was queued, its mark
//     (age_lists.hpp) and, only when switched on: accounts, 32 bytes a record; start times, 8 bytes a record
//
// so a packet that finds its flow touches its bucket and its record, two lines, both known early enough to be
// prefetched, and a flow costs 64 + 16 + 10.7 bytes for IPv4.
//
//     record:  version 4 | expiry 4 | payload | key
//                                               └ its last byte is ours: live, originator, age list
//
// Index and records are apart, and records never move: a record's number is good for as long as the flow
// lives, and who goes through all numbers meets each flow that lives through the walk exactly once. Numbers
// are handed out from 0 upwards, then from the free list, the one freed last first (its lines are warm).
//
// A record is live from insert() to the end of remove(), expire() or an eviction. Between its expiry and then
// it is still counted, but find() does not see it.
//
// Owner and readers meet in a record only, by the protocol of seqlock.hpp: the owner opens a Publication
// around each change, readers copy and try again. The age list a record lies in changes without one; readers
// get that byte cleared of it. Everything else a reader may see is a gauge: a relaxed atomic with one writer.
//
// When the pool is full, insert() frees a record: one that is overdue if there is one; else the oldest of the
// lowest class there is, never one of class 3. A flow that was refreshed since it was queued gets a second
// chance, a bounded number of times an insert. So an insert fails only when all flows are assured. Should
// neither of the two buckets of a hash have room (a matter of 10^-9, with the index at 60 %), the same is
// done among the flows in those two.
//
// What lost: one array of records in buckets, no index, saves a line per packet, but records move or capacity
// depends on luck; a timer wheel moves a record on every packet or examines it as often as this, and keeps no
// order of age to evict by; a generation counter per number instead of a version in the line costs a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "sluice/base/counters.hpp"
#include "sluice/base/lanes.hpp"
#include "sluice/base/prefetch.hpp"
#include "sluice/base/result.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/age_lists.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/flow/hash.hpp"
#include "sluice/flow/index.hpp"
#include "sluice/flow/key.hpp"
#include "sluice/flow/ref.hpp"
#include "sluice/flow/seqlock.hpp"
#include "sluice/flow/table_config.hpp"

namespace sluice::flow {

/// Why a record left the table.
enum class Removal : std::uint8_t { expired, evicted, deleted, replaced };

/// Packets and bytes, by direction (0 original, 1 reply).
struct Account {
    std::uint64_t packets[2];
    std::uint64_t bytes[2];
};
static_assert(sizeof(Account) == 32);

/// `Payload` is trivially copyable, 4-byte aligned, of whole 4-byte words, and has `std::uint32_t
/// lifetime_of(const Payload&)` found by ADL: which lifetime is in force, below TableConfig::lifetimes.
template <class KeyT, class Payload>
class Table {
  public:
    struct alignas(cache_line_bytes) Record {
        std::uint32_t version;  ///< odd while the owner writes
        Tick expiry;            ///< dead to lookups from then on
        Payload payload;
        KeyT key;  ///< key.spare: the table's bits
    };
    static_assert(std::is_trivially_copyable_v<Payload> && alignof(Payload) == 4 && sizeof(Payload) % 4 == 0);
    static_assert(std::is_standard_layout_v<Record> && sizeof(KeyT) % 4 == 0);

  private:
    static constexpr std::uint8_t spare_live = 1;
    static constexpr std::uint8_t spare_original_from_high = 2;
    static constexpr unsigned spare_list_shift = 2;
    static_assert((AgeLists::list_count << spare_list_shift) == 256, "two flags and a list fill the byte");

    static constexpr std::size_t word_bytes = sizeof(seqlock::Word);
    static constexpr std::size_t expiry_at = offsetof(Record, expiry);
    static constexpr std::size_t payload_at = offsetof(Record, payload);
    static constexpr std::size_t key_at = offsetof(Record, key);
    static constexpr std::size_t record_words = (key_at + sizeof(KeyT)) / word_bytes;
    static constexpr std::size_t spare_word = record_words - 1;  ///< spare is its highest byte
    static constexpr std::size_t key_words = sizeof(KeyT) / word_bytes;
    static_assert(offsetof(KeyT, spare) == sizeof(KeyT) - 1);
    static constexpr std::uint32_t key_part = 0x00FF'FFFF;  ///< of the last word

  public:
    /// All there is to know of a flow, from one moment.
    struct Snapshot {
        Record record;
        Account account;
        std::uint64_t start;  ///< as given by set_start
        std::uint32_t mark;
    };

    /// Bytes of arena `create` needs for a configuration that check() passes.
    [[nodiscard]] static std::size_t bytes_needed(const TableConfig& config);
    /// Builds the table in `arena` (zeroed, aligned to 64; outlives the table). Allocates nothing, then or
    /// later.
    [[nodiscard]] static Result<Table> create(const TableConfig& config, std::span<std::byte> arena);

    Table(Table&&) noexcept = default;
    Table& operator=(Table&&) noexcept = default;

    // ---- The owner's side: one thread.

    [[nodiscard]] std::uint64_t hash_of(const KeyT& key) const { return hash(key, secret_); }
    /// The index's primary bucket of a hash.
    [[nodiscard]] std::uint32_t bucket_of(std::uint64_t hash) const { return index_.primary_of(hash); }
    [[gnu::always_inline]] void prefetch_bucket(std::uint32_t bucket) const {
        index_.prefetch_bucket(bucket);
    }
    /// First record in the primary bucket whose fingerprint fits, or no_ref (which does not yet mean absent).
    [[nodiscard]] Ref candidate(std::uint64_t hash, std::uint32_t bucket) const {
        return index_.first(hash, bucket);
    }
    [[nodiscard]] Ref candidate(std::uint64_t hash) const { return candidate(hash, bucket_of(hash)); }
    /// Where that says no_ref: the same of the alternate bucket, which has been asked for since.
    [[nodiscard]] Ref candidate_elsewhere(std::uint64_t hash, std::uint32_t bucket) {
        return index_.first_guest(hash, bucket);
    }
    /// Whether a record of a hash that has no candidate may be there all the same.
    [[nodiscard]] bool may_lie_elsewhere(std::uint64_t hash) const { return index_.may_be_guest(hash); }
    /// Any ref, no_ref too.
    [[gnu::always_inline]] void prefetch_record(Ref ref) const;
    /// What update() reads besides when the lifetime changes. Any ref, no_ref too.
    [[gnu::always_inline]] void prefetch_age(Ref ref) const {
        state_->ages.prefetch(ref == no_ref ? 0 : ref);
    }
    /// The live record with this key, or no_ref. `candidate` is tried first; then the rest, bounded. A record
    /// whose expiry is reached is not found.
    [[nodiscard]] Ref find(const KeyT& key, std::uint64_t hash, Ref candidate, Tick now) {
        return unless_expired(holder_of(key, hash, candidate), now);
    }
    /// find() in two steps: the record with this key, its expiry reached or not; and whether it is to be
    /// seen.
    [[nodiscard]] Ref holder_of(const KeyT& key, std::uint64_t hash, Ref candidate);
    [[nodiscard]] Ref unless_expired(Ref holder, Tick now) const {
        return holder == no_ref || reached(now, records_[holder].expiry) ? no_ref : holder;
    }

    /// Adds a flow (the caller has just not found it). `holder`, what holder_of() says, is removed first:
    /// expired, or replaced should it be live. A full pool evicts as told above; no_ref when nothing could
    /// go. `on_removed(Ref, const Record&, Removal)` is called for whatever left, before it is gone; here and
    /// below it may read the table, not change it.
    template <class OnRemoved>
    [[nodiscard]] Ref insert(const KeyT& key, std::uint64_t hash, Ref holder, bool original_from_high,
                             const Payload& payload, Tick expiry, Tick now, OnRemoved&& on_removed);
    template <class OnRemoved>
    [[nodiscard]] Ref insert(const KeyT& key, std::uint64_t hash, bool original_from_high,
                             const Payload& payload, Tick expiry, Tick now, OnRemoved&& on_removed) {
        return insert(key, hash, holder_of(key, hash, no_ref), original_from_high, payload, expiry, now,
                      on_removed);
    }

    /// Whether a flow with this hash, and `others` besides, could be added and none pushed out for it.
    [[nodiscard]] bool has_room(std::uint64_t hash, std::uint32_t others) const {
        return size() + others < capacity_ && index_.has_room_at_home(hash);
    }

    /// Plain view for the owner.
    [[nodiscard]] const Record& record(Ref ref) const { return records_[ref]; }
    /// The originator is endpoint 1 of the key.
    [[nodiscard]] static bool original_from_high(const Record& record) {
        return (record.key.spare & spare_original_from_high) != 0;
    }

    /// Publishes new contents to readers and moves the record between age lists when it must.
    void update(Ref ref, const Payload& payload, Tick expiry, Tick now);

    /// Eight records at once.
    using EightRecords = std::array<Record*, lane_count>;
    [[nodiscard, gnu::always_inline]] Record* address_of(Ref ref) { return &records_[ref]; }
    /// Version, expiry and payload of them, word by word (whole rows, so the last words may mean nothing);
    /// and their last words, which have the table's bits.
    struct Columns {
        std::array<Lanes, in_whole_rows(key_at / word_bytes)> front;
        Lanes last;
    };
    [[nodiscard, gnu::always_inline]] static Columns columns(const EightRecords& records);
    /// Whether each is the live record of its key, its expiry not reached; and original_from_high() of each.
    /// Masks. `key_of(lane)` is a key.
    template <class KeyOf>
    [[nodiscard, gnu::always_inline]] static Lanes holds(const EightRecords& records, const Columns& columns,
                                                         KeyOf&& key_of, Tick now);
    [[nodiscard, gnu::always_inline]] static Lanes original_from_high(const Columns& columns);
    /// When eight records are due and which lifetimes are in force.
    struct Deadlines {
        Lanes due, lifetime;
    };
    /// A packet of a flow, as it is accounted.
    struct Counted {
        Ref ref;
        unsigned direction;
        std::uint32_t bytes;
    };
    /// update() of those records, all different, whose bit is set in `changed`: expiry and payload new, the
    /// other words as they were. `was` and `is`: what the old and the new columns say of deadlines. With
    /// accounting, account() too, of what `counted_of(lane)` says.
    template <class CountedOf>
    [[gnu::always_inline]] void update(const EightRecords& records, Columns columns, const Deadlines& was,
                                       const Deadlines& is, Tick now, unsigned changed,
                                       CountedOf&& counted_of);

    template <class OnRemoved>
    void remove(Ref ref, Removal why, OnRemoved&& on_removed);

    /// Frees what is due, looking at no more than `budget` records, the age lists in turn. Returns how many
    /// it looked at: less than `budget` when nothing more is due. Costs a comparison when nothing is.
    template <class OnRemoved>
    unsigned expire(Tick now, unsigned budget, OnRemoved&& on_removed);

    /// Evicts the oldest flow of exactly this class (class 3 too, since it is asked for); false when there is
    /// none.
    template <class OnRemoved>
    bool evict_oldest(std::uint8_t eviction_class, Tick now, OnRemoved&& on_removed);

    /// New timeouts (a reload), in the ranges of TableConfig. Flows keep the deadlines they have.
    void set_intervals(const std::array<Tick, max_lifetimes>& interval, Tick now);

    void account(Ref ref, unsigned direction,
                 std::uint32_t bytes);                  ///< one packet more; no-op without accounting
    Account reset_account(Ref ref);                     ///< zeroes it; returns what it was
    void set_account(Ref ref, const Account& account);  ///< no-op without accounting
    void set_mark(Ref ref, std::uint32_t mark);
    void set_start(Ref ref, std::uint64_t wall_clock_nanoseconds);  ///< no-op without timestamps

    // ---- Any thread, at any time.

    /// A consistent copy of a live record; false when the slot holds none. Its expiry may be reached. Below
    /// high_water() only.
    [[nodiscard]] bool read(Ref ref, Record& copy) const;
    /// The same with what lies beside the record; what is not switched on is 0.
    [[nodiscard]] bool read(Ref ref, Snapshot& copy) const;
    [[nodiscard]] Account read_account(Ref ref) const;
    [[nodiscard]] std::uint64_t read_start(Ref ref) const;  ///< as given by set_start
    [[nodiscard]] std::uint32_t read_mark(Ref ref) const;
    [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
    [[nodiscard]] std::uint32_t high_water() const {
        return gauge(state_->high_water);
    }                                                                         ///< from here on never used
    [[nodiscard]] std::uint32_t size() const { return gauge(state_->size); }  ///< records in use
    [[nodiscard]] std::uint32_t size_of_class(std::uint8_t eviction_class) const {
        return state_->ages.size_of_class(eviction_class);
    }
    [[nodiscard]] std::uint64_t evictions() const { return state_->evictions.read(); }
    /// Inserts that found neither bucket with room.
    [[nodiscard]] std::uint64_t index_overflows() const { return state_->index_overflows.read(); }
    /// By how much the record that has waited longest to be examined is late, in ticks; 0 when none is. As of
    /// the owner's last expire().
    [[nodiscard]] Tick oldest_overdue(Tick now) const;
    [[nodiscard]] std::size_t bytes() const { return bytes_; }  ///< all of the arena in use

  private:
    /// How many heads an eviction looks at before it takes the next one whether it was refreshed or not. Each
    /// that is spared went to the back of a list, so the work is not lost; 16 keep the dearest insert at a
    /// few microseconds.
    static constexpr unsigned eviction_tries = 16;
    static constexpr std::uint64_t due_is_known = std::uint64_t{1}
                                                  << 32;  ///< in the gauge; below it, the tick
    /// Records in flight between the stages of expire(): enough to overlap their misses.
    static constexpr unsigned expiry_group = 16;

    struct alignas(cache_line_bytes) State {
        State(ColdNode* nodes, const TableConfig& config)
            : ages(nodes, config.eviction_class, config.interval) {}
        AgeLists ages;
        Ref first_free = no_ref;
        // Read by others.
        alignas(cache_line_bytes) Counter size;
        Counter high_water;
        Counter evictions;
        Counter index_overflows;
        Counter earliest_due;  ///< due_is_known and the caller's clock, as of the last expire()
    };

    Table() = default;
    [[nodiscard]] bool is_of_key(Ref ref, const KeyT& key) const {
        return (records_[ref].key.spare & spare_live) != 0 && records_[ref].key == key;
    }
    [[nodiscard]] static std::uint32_t gauge(const Counter& counter) {
        return static_cast<std::uint32_t>(counter.read());
    }
    [[nodiscard]] static unsigned list_of(const Record& record) {
        return record.key.spare >> spare_list_shift;
    }
    /// The key's last word with another spare byte: by arithmetic, since a word loaded from a byte just
    /// stored waits.
    [[nodiscard]] static seqlock::Word with_spare(seqlock::Word word, unsigned spare) {
        return (word & key_part) | spare << 24;
    }
    static void set_spare(Record& record, unsigned spare);
    /// Packets and bytes of one direction, side by side so that one addition serves both; and of both.
    using Counts = std::array<std::uint64_t, 2>;
    using BothCounts = std::array<Counts, 2>;
    static_assert(sizeof(BothCounts) == sizeof(Account) && cache_line_bytes % sizeof(BothCounts) == 0,
                  "within a line");
    /// Within a Publication of the record.
    void zero_account(Ref ref);

    void requeue(Ref ref, std::uint32_t lifetime, Tick remaining, Tick age);
    void keep_in_time(Ref ref, std::uint32_t was, Tick was_due, Tick now);
    [[nodiscard]] unsigned perhaps_too_late(const Lanes& lists, const Deadlines& was, const Deadlines& is,
                                            Tick now) const;
    void reschedule(Ref ref, std::uint32_t was, std::uint32_t is, Tick remaining, Tick now);
    /// Where a new record lies, and its age list.
    struct Place {
        Ref ref;
        unsigned list;
    };
    template <class OnRemoved>
    [[nodiscard]] Place place(std::uint64_t hash, Ref holder, std::uint32_t lifetime, Tick expiry, Tick now,
                              OnRemoved&& on_removed);
    template <class OnRemoved>
    void remove_hashed(Ref ref, std::uint64_t hash, Removal why, OnRemoved&& on_removed);
    template <class OnRemoved>
    void detach(Ref ref, std::uint64_t hash, Removal why, OnRemoved&& on_removed);
    void release(Ref ref);
    template <class OnRemoved>
    [[nodiscard]] Ref make_room(Tick now, Tick age, OnRemoved&& on_removed);
    template <class OnRemoved>
    [[nodiscard]] Ref detach_one_overdue(Tick now, Tick age, OnRemoved&& on_removed);
    template <class OnRemoved>
    [[nodiscard]] Ref detach_oldest(std::uint8_t eviction_class, Tick now, Tick age, OnRemoved&& on_removed);
    void prepare(Ref ref) const;
    template <class OnRemoved>
    bool make_room_in_index(std::uint64_t hash, Tick now, OnRemoved&& on_removed);
    template <class OnRemoved>
    void examine(std::span<const Ref> refs, Tick now, Tick age, OnRemoved&& on_removed);
    [[nodiscard]] bool refreshed_since_queued(Ref ref, Tick now, Tick age) const;
    [[nodiscard]] Ref take_slot();

    State* state_ = nullptr;
    Index index_;
    Record* records_ = nullptr;
    ColdNode* cold_ = nullptr;
    BothCounts* accounts_ = nullptr;   ///< null without accounting
    std::uint64_t* starts_ = nullptr;  ///< null without timestamps
    std::uint32_t capacity_ = 0;
    std::size_t bytes_ = 0;
    Secret secret_;
};

}  // namespace sluice::flow

#include "sluice/flow/table_impl.hpp"
