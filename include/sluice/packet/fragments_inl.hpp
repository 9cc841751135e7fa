// The members of FragmentTable; fragments.hpp says what they are for.
#pragma once

#include "sluice/packet/fragments.hpp"

namespace sluice::packet {

// ---- Making it

template <class Handle>
typename FragmentTable<Handle>::Layout FragmentTable<Handle>::layout_of(const FragmentLimits& limits) {
    const auto line = [](std::size_t bytes) { return (bytes + 63) / 64 * 64; };
    Layout out{};
    out.buckets = 0;
    out.datagrams = out.buckets + line(bucket_count(limits) * sizeof(Index));
    out.pieces = out.datagrams + line(limits.datagrams * sizeof(Datagram));
    out.complete = out.pieces + line(limits.packets * sizeof(Held));
    out.end = out.complete + line(max_fragments * sizeof(Handle));
    return out;
}

template <class Handle>
std::size_t FragmentTable<Handle>::bytes_needed(const FragmentLimits& limits) {
    return layout_of(limits).end;
}

template <class Handle>
Result<FragmentTable<Handle>> FragmentTable<Handle>::create(const FragmentLimits& limits,
                                                            std::span<std::byte> arena) {
    if (limits.datagrams < 1 || limits.datagrams > 65536) {
        return Error{"the fragment table holds 1 to 65536 datagrams, not " +
                     std::to_string(limits.datagrams)};
    }
    if (limits.packets < max_fragments || limits.packets > (1U << 20)) {
        return Error{"the fragment table holds 64 to 1048576 packets, not " + std::to_string(limits.packets)};
    }
    if (limits.bytes < 65536) {
        return Error{"the fragment table needs 65536 bytes of packets or more, not " +
                     std::to_string(limits.bytes)};
    }
    if (arena.size() < bytes_needed(limits)) return Error{"the fragment table's memory is too small"};

    const Layout layout = layout_of(limits);
    FragmentTable table;
    table.limits_ = limits;
    const auto part = [&arena]<class T>(T*, std::size_t at, std::size_t count) {
        auto* const begin = reinterpret_cast<T*>(arena.data() + at);
        std::uninitialized_default_construct_n(begin, count);
        return std::span<T>(begin, count);
    };
    table.buckets_ = part(static_cast<Index*>(nullptr), layout.buckets, bucket_count(limits));
    table.table_ = part(static_cast<Datagram*>(nullptr), layout.datagrams, limits.datagrams);
    table.pool_ = part(static_cast<Held*>(nullptr), layout.pieces, limits.packets);
    table.complete_ = part(static_cast<Handle*>(nullptr), layout.complete, max_fragments);
    std::fill(table.buckets_.begin(), table.buckets_.end(), none);
    for (Index i = limits.datagrams; i-- > 0;) {
        table.table_[i].bucket_next = table.free_datagram_;
        table.free_datagram_ = i;
    }
    for (Index i = limits.packets; i-- > 0;) {
        table.pool_[i].next = table.free_piece_;
        table.free_piece_ = i;
    }
    return table;
}

// ---- Finding and judging

template <class Handle>
typename FragmentTable<Handle>::Key FragmentTable<Handle>::key_of(const Piece& piece) {
    const Headers& headers = piece.headers;
    // RFC 791 tells datagrams apart by protocol too; RFC 8200 does not.
    const std::uint8_t protocol = headers.family == Family::ipv4 ? headers.protocol : std::uint8_t{0};
    return {headers.source,       headers.destination, headers.fragment.identification,
            piece.vlans_and_pair, piece.zone,          protocol,
            headers.family};
}

template <class Handle>
std::uint64_t FragmentTable<Handle>::hash_of(const Key& key) const {
    return siphash(load<std::array<std::uint8_t, sizeof(Key)>>(&key), limits_.key);
}

template <class Handle>
typename FragmentTable<Handle>::Index FragmentTable<Handle>::find(const Key& key, Index bucket) const {
    Index at = buckets_[bucket];
    while (at != none && std::memcmp(&table_[at].key, &key, sizeof key) != 0) at = table_[at].bucket_next;
    return at;
}

// Whether a piece fits among those held: none; fragment_duplicate for an exact copy of one; else why the
// datagram cannot be honest.
template <class Handle>
Reason FragmentTable<Handle>::judge(const Datagram& datagram, const FragmentFields& fragment) const {
    const std::uint32_t begin = fragment.offset;
    const std::uint32_t end = begin + fragment.length;
    const bool ends_it = datagram.total != 0 && end == datagram.total;
    if (begin < datagram.highest_end) {  // pieces that come in order need no look at the others
        for (Index at = datagram.first_piece; at != none; at = pool_[at].next) {
            const Held& held = pool_[at];
            const std::uint32_t held_end = std::uint32_t{held.offset} + held.length;
            if (held.offset == begin && held_end == end) {
                return ends_it != fragment.more ? Reason::fragment_duplicate : Reason::fragment_too_long;
            }
            if (begin < held_end && held.offset < end) return Reason::fragment_overlap;
        }
    }
    // The end that one piece names must be the end for all.
    const bool contradiction = fragment.more ? datagram.total != 0 && end >= datagram.total
                                             : datagram.total != 0 || end < datagram.highest_end;
    if (contradiction) return Reason::fragment_too_long;
    return datagram.count == max_fragments ? Reason::fragment_too_many : Reason::none;
}

// ---- Taking a piece in

template <class Handle>
template <class OnDropped>
typename FragmentTable<Handle>::Decision FragmentTable<Handle>::add(const Piece& piece, Tick now,
                                                                    OnDropped&& on_dropped) {
    const auto drop = [&](Reason reason) {
        on_dropped(piece.handle, reason);
        return Decision{Decision::Kind::dropped, reason, {}, 0, 0};
    };
    const Key key = key_of(piece);
    const Index bucket = bucket_of(key);
    Index index = find(key, bucket);
    if (index != none && reached(now, table_[index].deadline)) {
        drop_pieces(table_[index], Reason::fragment_timeout, on_dropped);
        close(index);
        index = none;
    }
    if (index != none) {
        Datagram& datagram = table_[index];
        if (datagram.discarded != Reason::none) return drop(datagram.discarded);
        const Reason reason = judge(datagram, piece.headers.fragment);
        if (reason == Reason::fragment_duplicate) return drop(reason);
        if (reason != Reason::none) {
            drop_pieces(datagram, reason, on_dropped);
            datagram.discarded = reason;
            datagram.deadline = now + timeout_of(key.family);
            dequeue(index);
            enqueue(index, queue_of(key.family, true));
            return drop(reason);
        }
    }
    if (!make_room(piece, index, now, on_dropped)) return drop(Reason::fragment_table_full);
    if (index == none) index = open(key, bucket, now);
    append(index, piece);
    const Datagram& datagram = table_[index];
    // No two pieces overlap and none lies beyond the end: they are all there when they add up to it.
    return datagram.received == datagram.total ? complete(index) : Decision{};
}

template <class Handle>
bool FragmentTable<Handle>::fits(const Piece& piece, bool new_datagram) const {
    return (!new_datagram || free_datagram_ != none) && free_piece_ != none &&
           bytes_held_ + piece.frame_bytes <= limits_.bytes;
}

template <class Handle>
typename FragmentTable<Handle>::Index FragmentTable<Handle>::oldest(Tick now, bool with_discarded) const {
    Index found = none;
    for (std::size_t queue = 0; queue < queues_.size(); queue += with_discarded ? 1 : 2) {
        const Index at = queues_[queue].oldest;
        if (at != none && (found == none || now - table_[at].since > now - table_[found].since)) found = at;
    }
    return found;
}

// Gives up the oldest datagram when a limit is reached: one at most, so that the work of a packet is bounded.
// When that is the very datagram the piece belongs to, or does not free enough, there is no room.
template <class Handle>
template <class OnDropped>
bool FragmentTable<Handle>::make_room(const Piece& piece, Index& datagram, Tick now, OnDropped&& on_dropped) {
    const bool new_datagram = datagram == none;
    if (fits(piece, new_datagram)) return true;
    // Discarded datagrams occupy an entry but hold no packets.
    const Index victim = oldest(now, new_datagram && free_datagram_ == none);
    if (victim == none) return false;
    drop_pieces(table_[victim], Reason::fragment_table_full, on_dropped);
    close(victim);
    return victim != datagram && fits(piece, new_datagram);
}

template <class Handle>
typename FragmentTable<Handle>::Index FragmentTable<Handle>::open(const Key& key, Index bucket, Tick now) {
    const Index index = free_datagram_;
    Datagram& datagram = table_[index];
    free_datagram_ = datagram.bucket_next;
    ++datagrams_used_;
    datagram = Datagram{};
    datagram.key = key;
    datagram.since = now;
    datagram.deadline = now + timeout_of(key.family);
    datagram.first_piece = datagram.last_piece = none;
    datagram.bucket = bucket;
    datagram.bucket_next = buckets_[bucket];
    buckets_[bucket] = index;
    enqueue(index, queue_of(key.family, false));
    return index;
}

template <class Handle>
void FragmentTable<Handle>::append(Index index, const Piece& piece) {
    Datagram& datagram = table_[index];
    const FragmentFields& fragment = piece.headers.fragment;
    const Index at = free_piece_;
    free_piece_ = pool_[at].next;
    pool_[at] = {piece.handle, none, fragment.offset, fragment.length};
    (datagram.first_piece == none ? datagram.first_piece : pool_[datagram.last_piece].next) = at;
    datagram.last_piece = at;

    const std::uint32_t end = std::uint32_t{fragment.offset} + fragment.length;
    if (fragment.offset == 0) datagram.first = datagram.count;
    if (!fragment.more) datagram.total = end;
    datagram.highest_end = std::max(datagram.highest_end, end);
    datagram.received += fragment.length;
    datagram.transport_length += piece.headers.transport_length;
    datagram.bytes += piece.frame_bytes;
    ++datagram.count;
    ++packets_held_;
    bytes_held_ += piece.frame_bytes;
}

template <class Handle>
typename FragmentTable<Handle>::Decision FragmentTable<Handle>::complete(Index index) {
    Datagram& datagram = table_[index];
    Decision out;
    out.kind = Decision::Kind::complete;
    out.first = datagram.first;
    out.transport_length = datagram.transport_length;
    out.packets = complete_.first(datagram.count);
    std::size_t filled = 0;
    for (Index at = datagram.first_piece; at != none; at = pool_[at].next)
        complete_[filled++] = pool_[at].handle;
    release_pieces(datagram);
    close(index);
    return out;
}

// ---- Letting go

template <class Handle>
template <class OnDropped>
void FragmentTable<Handle>::drop_pieces(Datagram& datagram, Reason reason, OnDropped&& on_dropped) {
    for (Index at = datagram.first_piece; at != none; at = pool_[at].next)
        on_dropped(pool_[at].handle, reason);
    release_pieces(datagram);
}

// Gives the pieces back to the pool, as one chain.
template <class Handle>
void FragmentTable<Handle>::release_pieces(Datagram& datagram) {
    if (datagram.first_piece == none) return;
    pool_[datagram.last_piece].next = free_piece_;
    free_piece_ = datagram.first_piece;
    datagram.first_piece = datagram.last_piece = none;
    packets_held_ -= datagram.count;
    bytes_held_ -= datagram.bytes;
    datagram.count = 0;
    datagram.bytes = 0;
}

// Frees an entry that holds no pieces.
template <class Handle>
void FragmentTable<Handle>::close(Index index) {
    Index* link = &buckets_[table_[index].bucket];
    while (*link != index) link = &table_[*link].bucket_next;
    *link = table_[index].bucket_next;
    dequeue(index);
    table_[index].bucket_next = free_datagram_;
    free_datagram_ = index;
    --datagrams_used_;
}

template <class Handle>
template <class OnDropped>
std::uint32_t FragmentTable<Handle>::expire(Tick now, std::uint32_t budget, OnDropped&& on_dropped) {
    std::uint32_t dropped = 0;
    std::uint32_t looked_at = 0;
    for (const Queue& queue : queues_) {
        // Discarded datagrams hold no packets but take time too.
        while (queue.oldest != none && reached(now, table_[queue.oldest].deadline) && looked_at < budget) {
            const Index index = queue.oldest;
            if (dropped + table_[index].count > budget) break;
            dropped += table_[index].count;
            ++looked_at;
            drop_pieces(table_[index], Reason::fragment_timeout, on_dropped);
            close(index);
        }
    }
    return dropped;
}

template <class Handle>
template <class OnDropped>
void FragmentTable<Handle>::clear(Reason reason, OnDropped&& on_dropped) {
    for (const Queue& queue : queues_) {
        while (queue.oldest != none) {
            const Index index = queue.oldest;
            drop_pieces(table_[index], reason, on_dropped);
            close(index);
        }
    }
}

// ---- Age lists

template <class Handle>
void FragmentTable<Handle>::enqueue(Index index, std::uint8_t queue) {
    Datagram& datagram = table_[index];
    Queue& list = queues_[queue];
    datagram.queue = queue;
    datagram.older = list.newest;
    datagram.newer = none;
    (list.newest == none ? list.oldest : table_[list.newest].newer) = index;
    list.newest = index;
}

template <class Handle>
void FragmentTable<Handle>::dequeue(Index index) {
    Datagram& datagram = table_[index];
    Queue& list = queues_[datagram.queue];
    (datagram.older == none ? list.oldest : table_[datagram.older].newer) = datagram.newer;
    (datagram.newer == none ? list.newest : table_[datagram.newer].older) = datagram.older;
}

}  // namespace sluice::packet
