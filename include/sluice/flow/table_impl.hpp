// The bodies of Table's members: set-up, look-up, insertion and removal, ageing, reading. Included by
// table.hpp.
#pragma once

#include "sluice/flow/table.hpp"

namespace sluice::flow {

// ---- Set-up

template <class KeyT, class Payload>
std::size_t Table<KeyT, Payload>::bytes_needed(const TableConfig& config) {
    return arena_bytes<State>(1) + arena_bytes<Bucket>(Index::buckets_for(config.capacity)) +
           arena_bytes<Record>(config.capacity) + arena_bytes<ColdNode>(config.capacity) +
           arena_bytes<BothCounts>(config.accounting ? config.capacity : 0) +
           arena_bytes<std::uint64_t>(config.timestamps ? config.capacity : 0);
}

template <class KeyT, class Payload>
Result<Table<KeyT, Payload>> Table<KeyT, Payload>::create(const TableConfig& config,
                                                          std::span<std::byte> arena) {
    if (Status status = check(config); !status) return Error{status.error()};
    const std::size_t needed = bytes_needed(config);
    if (arena.size() < needed) {
        return Error{"the flow table needs " + std::to_string(needed) + " bytes and was given " +
                     std::to_string(arena.size())};
    }
    if (reinterpret_cast<std::uintptr_t>(arena.data()) % cache_line_bytes != 0) {
        return Error{"the flow table's memory must be aligned to a cache line of 64 bytes"};
    }
    Arena memory(arena);
    Table table;
    auto* const state = memory.take<State>(1);
    table.index_ =
        Index(memory.take<Bucket>(Index::buckets_for(config.capacity)), Index::buckets_for(config.capacity));
    table.records_ = memory.take<Record>(config.capacity);
    table.cold_ = memory.take<ColdNode>(config.capacity);
    if (config.accounting) table.accounts_ = memory.take<BothCounts>(config.capacity);
    if (config.timestamps) table.starts_ = memory.take<std::uint64_t>(config.capacity);
    table.state_ = ::new (state) State(table.cold_, config);
    table.capacity_ = config.capacity;
    table.bytes_ = needed;
    table.secret_ = config.secret;
    return table;
}

// ---- Looking up

template <class KeyT, class Payload>
inline void Table<KeyT, Payload>::prefetch_record(Ref ref) const {
    const Record* const record =
        &records_[ref == no_ref ? 0 : ref];  // a conditional move, and no branch to miss
    prefetch_write(record);
    if constexpr (sizeof(Record) > cache_line_bytes) {
        prefetch_read(reinterpret_cast<const std::byte*>(record) + cache_line_bytes);
    }
    if (accounts_ != nullptr) prefetch_write(&accounts_[ref == no_ref ? 0 : ref]);
}

template <class KeyT, class Payload>
Ref Table<KeyT, Payload>::holder_of(const KeyT& key, std::uint64_t hash, Ref candidate) {
    // A candidate is a hint from before: its flow may have been removed since, its number even given to
    // another.
    if (candidate != no_ref && is_of_key(candidate, key)) [[likely]]
        return candidate;
    return index_.find(hash, [&](Ref ref) { return is_of_key(ref, key); });
}

// ---- Inserting

template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::always_inline]] inline Ref Table<KeyT, Payload>::insert(const KeyT& key, std::uint64_t hash,
                                                               Ref holder, bool original_from_high,
                                                               const Payload& payload, Tick expiry, Tick now,
                                                               OnRemoved&& on_removed) {
    const auto [ref, list] = place(hash, holder, lifetime_of(payload), expiry, now, on_removed);
    if (ref == no_ref) [[unlikely]]
        return no_ref;
    const unsigned spare =
        spare_live | (original_from_high ? spare_original_from_high : 0U) | list << spare_list_shift;
    const Publication publication(&records_[ref]);
    publication.put(expiry_at, expiry);
    publication.put(payload_at, payload);
    publication.put(key_at, key);
    set_spare(records_[ref], spare);
    seqlock::store_release(&cold_[ref].mark, 0, 0);
    zero_account(ref);
    if (starts_ != nullptr) seqlock::store_long_release(&starts_[ref], 0);
    return ref;
}

/// Makes room for a record, and puts it into the index and its age list: what insert() does before it
/// publishes.
template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::noinline]] auto Table<KeyT, Payload>::place(std::uint64_t hash, Ref holder, std::uint32_t lifetime,
                                                   Tick expiry, Tick now, OnRemoved&& on_removed) -> Place {
    const Tick age = state_->ages.advance(now);
    if (holder != no_ref) [[unlikely]]
        remove(holder, reached(now, records_[holder].expiry) ? Removal::expired : Removal::replaced,
               on_removed);
    const Ref ref = size() == capacity_ ? make_room(now, age, on_removed) : take_slot();
    if (ref == no_ref) [[unlikely]]
        return {no_ref, 0};
    if (!index_.insert(hash, ref)) [[unlikely]] {
        state_->index_overflows.add(1);
        if (!make_room_in_index(hash, now, on_removed) || !index_.insert(hash, ref)) {
            release(ref);
            return {no_ref, 0};
        }
    }
    const unsigned list = state_->ages.list_for(lifetime, expiry - now);
    state_->ages.push(ref, list, age);
    return {ref, list};
}

/// A slot for a new record; the caller knows that there is one.
template <class KeyT, class Payload>
Ref Table<KeyT, Payload>::take_slot() {
    state_->size.add(1);
    const Ref ref = state_->first_free;
    if (ref != no_ref) {
        const Ref next = state_->first_free = cold_[ref].next;
        if (next != no_ref) {
            state_->ages.prefetch(next);
            prefetch_record(next);
        }
        return ref;
    }
    const std::uint32_t fresh = high_water();
    state_->high_water.set(fresh + 1);
    return fresh;
}

// ---- Removing

template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::noinline]] void Table<KeyT, Payload>::remove(Ref ref, Removal why, OnRemoved&& on_removed) {
    remove_hashed(ref, hash_of(records_[ref].key), why, on_removed);
}

template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::remove_hashed(Ref ref, std::uint64_t hash,
                                                                       Removal why, OnRemoved&& on_removed) {
    detach(ref, hash, why, on_removed);
    release(ref);
}

/// Nothing of the owner's leads to the record any more. Readers see the flow until release() or the next
/// flow.
template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::detach(Ref ref, std::uint64_t hash, Removal why,
                                                                OnRemoved&& on_removed) {
    const Record& record = records_[ref];
    on_removed(ref, record, why);
    if (why == Removal::evicted) state_->evictions.add(1);
    index_.erase(hash, ref);
    state_->ages.remove(ref, list_of(record));
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::release(Ref ref) {
    {
        const Publication publication(&records_[ref]);
        set_spare(records_[ref], 0);
    }
    cold_[ref].next = std::exchange(state_->first_free, ref);
    state_->size.set(state_->size.read() - 1);
}

/// The pool is full: detaches one record, so that the new flow is written over the old in one go. no_ref when
/// all flows are assured.
template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::always_inline]] inline Ref Table<KeyT, Payload>::make_room(Tick now, Tick age,
                                                                  OnRemoved&& on_removed) {
    Ref ref = no_ref;
    if (state_->ages.something_may_be_due(age)) [[unlikely]]
        ref = detach_one_overdue(now, age, on_removed);
    for (std::uint8_t eviction_class = 0; ref == no_ref && eviction_class < never_evicted; ++eviction_class)
        ref = detach_oldest(eviction_class, now, age, on_removed);
    return ref;
}

template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::noinline]] Ref Table<KeyT, Payload>::detach_one_overdue(Tick now, Tick age, OnRemoved&& on_removed) {
    AgeLists& ages = state_->ages;
    for (unsigned tries = 0; tries < eviction_tries; ++tries) {
        const unsigned list = ages.next_due_list(age);
        if (list == AgeLists::list_count) return no_ref;
        const Ref head = ages.oldest(list);
        if (reached(now, records_[head].expiry)) {
            detach(head, hash_of(records_[head].key), Removal::expired, on_removed);
            return head;
        }
        examine(std::span(&head, 1), now, age, on_removed);
    }
    return no_ref;
}

template <class KeyT, class Payload>
template <class OnRemoved>
bool Table<KeyT, Payload>::evict_oldest(std::uint8_t eviction_class, Tick now, OnRemoved&& on_removed) {
    const Ref ref = detach_oldest(eviction_class, now, state_->ages.advance(now), on_removed);
    if (ref == no_ref) return false;
    release(ref);
    return true;
}

template <class KeyT, class Payload>
template <class OnRemoved>
[[gnu::always_inline]] inline Ref Table<KeyT, Payload>::detach_oldest(std::uint8_t eviction_class, Tick now,
                                                                      Tick age, OnRemoved&& on_removed) {
    AgeLists& ages = state_->ages;
    for (unsigned spared = 0;; ++spared) {
        const Ref oldest = ages.oldest_of_class(eviction_class);
        if (oldest == no_ref) return no_ref;
        const Record& record = records_[oldest];
        const bool overdue = reached(now, record.expiry);
        if (spared < eviction_tries && !overdue && refreshed_since_queued(oldest, now, age)) {
            requeue(oldest, lifetime_of(record.payload), record.expiry - now, age);
            continue;
        }
        prepare(ages.younger(oldest));
        detach(oldest, hash_of(record.key), overdue ? Removal::expired : Removal::evicted, on_removed);
        return oldest;
    }
}

/// An eviction will take this record about eight evictions from now: its bucket is asked for, and the record
/// behind it in the chain.
template <class KeyT, class Payload>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::prepare(Ref ref) const {
    if (ref == no_ref) return;
    index_.prefetch(hash_of(records_[ref].key));
    prefetch_record(state_->ages.younger(ref));
}

/// Whether its last packet came after it was queued, as far as the timeout now in force tells.
template <class KeyT, class Payload>
bool Table<KeyT, Payload>::refreshed_since_queued(Ref ref, Tick now, Tick age) const {
    const AgeLists& ages = state_->ages;
    const Record& record = records_[ref];
    const Tick idle = ages.interval_of(lifetime_of(record.payload)) - (record.expiry - now);
    return before(idle, age - ages.queued_at(ref));
}

/// Neither bucket of this hash has room: evicts the oldest of the lowest class among what lies in them.
template <class KeyT, class Payload>
template <class OnRemoved>
bool Table<KeyT, Payload>::make_room_in_index(std::uint64_t hash, Tick now, OnRemoved&& on_removed) {
    const AgeLists& ages = state_->ages;
    Ref victim = no_ref;
    std::uint8_t victim_class = never_evicted;
    index_.for_each_rival(hash, [&](Ref ref) {
        const std::uint8_t its_class = ages.class_of(lifetime_of(records_[ref].payload));
        const bool older = its_class == victim_class && victim != no_ref &&
                           before(ages.queued_at(ref), ages.queued_at(victim));
        if (its_class < victim_class || older) {
            victim = ref;
            victim_class = its_class;
        }
    });
    if (victim == no_ref) return false;
    remove(victim, reached(now, records_[victim].expiry) ? Removal::expired : Removal::evicted, on_removed);
    return true;
}

// ---- Changing

template <class KeyT, class Payload>
void Table<KeyT, Payload>::update(Ref ref, const Payload& payload, Tick expiry, Tick now) {
    Record& record = records_[ref];
    const std::uint32_t was = lifetime_of(record.payload);
    const Tick was_due = record.expiry;
    {
        const Publication publication(&record);
        publication.put(expiry_at, expiry);
        publication.put(payload_at, payload);
    }
    keep_in_time(ref, was, was_due, now);
}

template <class KeyT, class Payload>
inline auto Table<KeyT, Payload>::columns(const EightRecords& records) -> Columns {
    const auto at = [&](unsigned lane) { return reinterpret_cast<const std::byte*>(records[lane]); };
    return {load_columns<std::tuple_size_v<decltype(Columns::front)>>(at),
            gather([&](unsigned lane) { return at(lane) + spare_word * word_bytes; })};
}

template <class KeyT, class Payload>
template <class KeyOf>
inline Lanes Table<KeyT, Payload>::holds(const EightRecords& records, const Columns& columns, KeyOf&& key_of,
                                         Tick now) {
    // All but the last word row by row, the last of them ending where that begins.
    constexpr std::size_t row_bytes = sizeof(HalfLanes), last = sizeof(KeyT) - word_bytes;
    const auto key_bytes = [&](unsigned lane) { return reinterpret_cast<const std::byte*>(&key_of(lane)); };
    const Lanes fronts_differ = union_of_rows([&](unsigned lane) {
        const std::byte* const one = reinterpret_cast<const std::byte*>(&records[lane]->key);
        const std::byte* const other = key_bytes(lane);
        HalfLanes differs{};
        for (std::size_t at = 0; at < last; at += row_bytes) {
            const std::size_t from = std::min(at, last - row_bytes);
            differs |= load<HalfLanes>(one + from) ^ load<HalfLanes>(other + from);
        }
        return differs;
    });
    const Lanes last_words = gather([&](unsigned lane) { return key_bytes(lane) + last; });
    const Lanes differs = fronts_differ | ((columns.last ^ last_words) & key_part);
    const Lanes dead = ~columns.last & std::uint32_t{spare_live} << 24;
    return is_equal(differs | dead, Lanes{}) & is_negative(now - columns.front[expiry_at / word_bytes]);
}

template <class KeyT, class Payload>
inline Lanes Table<KeyT, Payload>::original_from_high(const Columns& columns) {
    constexpr unsigned bit = std::countr_zero(std::uint32_t{spare_original_from_high} << 24);
    return is_negative(columns.last << (31 - bit));
}

template <class KeyT, class Payload>
template <class CountedOf>
inline void Table<KeyT, Payload>::update(const EightRecords& records, Columns columns, const Deadlines& was,
                                         const Deadlines& is, Tick now, unsigned changed,
                                         CountedOf&& counted_of) {
    auto& words = columns.front;
    static_assert(std::tuple_size_v<decltype(Columns::front)> == 12, "the payload lies in three rows");
    words[0] += 1U;  // the versions
    const Lanes after = words[0] + 1U;
    const auto rows = [&](std::size_t at) {
        return rows_of(words[at], words[at + 1], words[at + 2], words[at + 3]);
    };
    const Quads first = rows(0), second = rows(4), third = rows(8);
    const auto publish = [&](unsigned lane, auto&& write_beside) __attribute__((always_inline)) {
        publish_rows<3>(records[lane], {row(first, lane), row(second, lane), row(third, lane)}, after[lane],
                        write_beside);
    };
    if (accounts_ == nullptr) [[likely]] {
        const auto publish_alone = [&](unsigned lane) __attribute__((always_inline)) {
            publish(lane, [] {});
        };
        for_each_lane(changed, publish_alone);
    } else {
        const auto publish_counted = [&](unsigned lane) __attribute__((always_inline)) {
            publish(
                lane, [&]() __attribute__((always_inline)) {
                    const Counted counted = counted_of(lane);
                    seqlock::add_to_both(accounts_[counted.ref][counted.direction].data(), 1, counted.bytes);
                });
        };
        for_each_lane(changed, publish_counted);
    }
    for (unsigned some = perhaps_too_late(columns.last >> (24 + spare_list_shift), was, is, now) & changed;
         some != 0; some &= some - 1)
        [[unlikely]] {
            const auto lane = static_cast<unsigned>(std::countr_zero(some));
            reschedule(static_cast<Ref>(records[lane] - records_), was.lifetime[lane], is.lifetime[lane],
                       is.due[lane] - now, now);
        }
}

/// keep_in_time() of eight, without a branch for each: half of all packets change the lifetime, and what
/// changes that way no core foresees. A bit for each record that may have to move. `lists`: where they lie.
template <class KeyT, class Payload>
[[gnu::always_inline]] inline unsigned Table<KeyT, Payload>::perhaps_too_late(const Lanes& lists,
                                                                              const Deadlines& was,
                                                                              const Deadlines& is,
                                                                              Tick now) const {
    const AgeLists& ages = state_->ages;
    const Lanes sooner = is_negative(is.due - was.due);
    return bits_of(~ages.may_stay(was.lifetime, is.lifetime) |
                   (sooner & is_less(is.due - now, ages.least_in_time(lists))));
}

/// After a change of lifetime or expiry: the record moves to another age list when it must. A deadline that
/// moves away asks for nothing: who is examined in time for the old one is so for the new.
template <class KeyT, class Payload>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::keep_in_time(Ref ref, std::uint32_t was,
                                                                      Tick was_due, Tick now) {
    const Record& record = records_[ref];
    const AgeLists& ages = state_->ages;
    const std::uint32_t is = lifetime_of(record.payload);
    const bool stays = ages.may_stay(was, is) && (reached(record.expiry, was_due) ||
                                                  ages.surely_in_time(list_of(record), record.expiry - now));
    if (!stays) [[unlikely]]
        reschedule(ref, was, is, record.expiry - now, now);
}

template <class KeyT, class Payload>
[[gnu::noinline]] void Table<KeyT, Payload>::reschedule(Ref ref, std::uint32_t was, std::uint32_t is,
                                                        Tick remaining, Tick now) {
    AgeLists& ages = state_->ages;
    const Tick age = ages.advance(now);
    if (ages.may_stay(was, is) && ages.in_time(ref, list_of(records_[ref]), remaining, age)) return;
    requeue(ref, is, remaining, age);
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::requeue(Ref ref, std::uint32_t lifetime, Tick remaining, Tick age) {
    Record& record = records_[ref];
    const unsigned list = state_->ages.list_for(lifetime, remaining);
    state_->ages.move(ref, list_of(record), list, age);
    // No Publication: readers are not shown the list.
    constexpr unsigned flags = (1U << spare_list_shift) - 1;
    set_spare(record, (record.key.spare & flags) | list << spare_list_shift);
}

template <class KeyT, class Payload>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::set_spare(Record& record, unsigned spare) {
    seqlock::store_release(&record, spare_word,
                           with_spare(seqlock::load_relaxed(&record, spare_word), spare));
}

template <class KeyT, class Payload>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::account(Ref ref, unsigned direction,
                                                                 std::uint32_t bytes) {
    if (accounts_ == nullptr) return;
    const Publication publication(&records_[ref]);
    seqlock::add_to_both(accounts_[ref][direction].data(), 1, bytes);
}

template <class KeyT, class Payload>
[[gnu::always_inline]] inline void Table<KeyT, Payload>::zero_account(Ref ref) {
    if (accounts_ == nullptr) return;
    for (Counts& counts : accounts_[ref])
        for (std::uint64_t& number : counts) seqlock::store_long_release(&number, 0);
}

template <class KeyT, class Payload>
Account Table<KeyT, Payload>::reset_account(Ref ref) {
    const Account was = read_account(ref);
    const Publication publication(&records_[ref]);
    zero_account(ref);
    return was;
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::set_account(Ref ref, const Account& account) {
    if (accounts_ == nullptr) return;
    const Publication publication(&records_[ref]);
    for (unsigned direction = 0; direction < 2; ++direction) {
        Counts& counts = accounts_[ref][direction];
        seqlock::store_long_release(&counts[0], account.packets[direction]);
        seqlock::store_long_release(&counts[1], account.bytes[direction]);
    }
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::set_mark(Ref ref, std::uint32_t mark) {
    const Publication publication(&records_[ref]);
    seqlock::store_release(&cold_[ref].mark, 0, mark);
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::set_start(Ref ref, std::uint64_t wall_clock_nanoseconds) {
    if (starts_ == nullptr) return;
    const Publication publication(&records_[ref]);
    seqlock::store_long_release(&starts_[ref], wall_clock_nanoseconds);
}

// ---- Ageing

template <class KeyT, class Payload>
template <class OnRemoved>
unsigned Table<KeyT, Payload>::expire(Tick now, unsigned budget, OnRemoved&& on_removed) {
    AgeLists& ages = state_->ages;
    const Tick age = ages.advance(now);
    unsigned looked_at = 0;
    if (ages.something_may_be_due(age)) {
        while (looked_at < budget) {
            const unsigned list = ages.next_due_list(age);
            if (list == AgeLists::list_count) break;
            std::array<Ref, expiry_group> due;
            const unsigned room = budget - looked_at < expiry_group ? budget - looked_at : expiry_group;
            const unsigned count = ages.collect_due(
                list, age, std::span(due).first(room), [this](Ref ref) __attribute__((always_inline)) {
                    prefetch_record(ref);
                });
            examine(std::span<const Ref>(due).first(count), now, age, on_removed);
            looked_at += count;
        }
        if (looked_at == budget) ages.find_next_due();
    }
    state_->earliest_due.set(ages.empty() ? 0 : due_is_known | ages.caller_time(ages.next_due()));
    return looked_at;
}

/// Destroys those of `refs` whose expiry is reached and queues the others anew. In two rounds, so that the
/// index lines of a group come together.
template <class KeyT, class Payload>
template <class OnRemoved>
void Table<KeyT, Payload>::examine(std::span<const Ref> refs, Tick now, Tick age, OnRemoved&& on_removed) {
    std::array<std::uint64_t, expiry_group> hashes;
    for (std::size_t i = 0; i < refs.size(); ++i) {
        hashes[i] = hash_of(records_[refs[i]].key);
        if (reached(now, records_[refs[i]].expiry)) index_.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < refs.size(); ++i) {
        const Record& record = records_[refs[i]];
        if (reached(now, record.expiry)) {
            remove_hashed(refs[i], hashes[i], Removal::expired, on_removed);
        } else {
            requeue(refs[i], lifetime_of(record.payload), record.expiry - now, age);
        }
    }
}

template <class KeyT, class Payload>
void Table<KeyT, Payload>::set_intervals(const std::array<Tick, max_lifetimes>& interval, Tick now) {
    state_->ages.set_intervals(interval, state_->ages.advance(now));
}

// ---- Reading, from any thread

template <class KeyT, class Payload>
bool Table<KeyT, Payload>::read(Ref ref, Record& copy) const {
    if (ref >= capacity_ || !read_consistently<record_words>(&records_[ref], &copy, [] {})) return false;
    const bool live = (copy.key.spare & spare_live) != 0;
    copy.key.spare &= spare_original_from_high;
    return live;
}

template <class KeyT, class Payload>
bool Table<KeyT, Payload>::read(Ref ref, Snapshot& copy) const {
    if (ref >= capacity_) return false;
    const auto read_beside = [&] {
        copy.account = read_account(ref);
        copy.start = read_start(ref);
        copy.mark = read_mark(ref);
    };
    if (!read_consistently<record_words>(&records_[ref], &copy.record, read_beside)) return false;
    const bool live = (copy.record.key.spare & spare_live) != 0;
    copy.record.key.spare &= spare_original_from_high;
    return live;
}

template <class KeyT, class Payload>
Account Table<KeyT, Payload>::read_account(Ref ref) const {
    Account copy{};
    if (accounts_ == nullptr) return copy;
    for (unsigned direction = 0; direction < 2; ++direction) {
        copy.packets[direction] = seqlock::load_long_acquire(&accounts_[ref][direction][0]);
        copy.bytes[direction] = seqlock::load_long_acquire(&accounts_[ref][direction][1]);
    }
    return copy;
}

template <class KeyT, class Payload>
std::uint64_t Table<KeyT, Payload>::read_start(Ref ref) const {
    return starts_ == nullptr ? 0 : seqlock::load_long_acquire(&starts_[ref]);
}

template <class KeyT, class Payload>
std::uint32_t Table<KeyT, Payload>::read_mark(Ref ref) const {
    return seqlock::load_acquire(&cold_[ref].mark, 0);
}

template <class KeyT, class Payload>
Tick Table<KeyT, Payload>::oldest_overdue(Tick now) const {
    const std::uint64_t known = state_->earliest_due.read();
    const auto due = static_cast<Tick>(known);
    return known != 0 && reached(now, due) ? now - due : 0;
}

}  // namespace sluice::flow
