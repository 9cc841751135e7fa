// The definitions of reassembly.hpp.
#pragma once

namespace sluice::inspect {

template <class Packet, StreamScanner Scanner>
std::size_t Reassembly<Packet, Scanner>::bytes_needed(const ReassemblyLimits& limits) {
    using flow::arena_bytes;
    return arena_bytes<Flow>(limits.flows) + arena_bytes<Chunk>(limits.chunks) +
           arena_bytes<std::uint8_t>(std::size_t{limits.chunks} * chunk_bytes) +
           arena_bytes<Held>(limits.held_packets);
}

template <class Packet, StreamScanner Scanner>
Reassembly<Packet, Scanner>::Reassembly(const ReassemblyLimits& limits, Scanner& scanner,
                                        std::span<std::byte> arena)
    : limits_(limits), scanner_(scanner), burst_left_(limits.burst_bytes) {
    flow::Arena memory(arena);
    flows_ = memory.take<Flow>(limits.flows);
    chunks_ = memory.take<Chunk>(limits.chunks);
    data_ = memory.take<std::uint8_t>(std::size_t{limits.chunks} * chunk_bytes);
    held_ = memory.take<Held>(limits.held_packets);
    const auto following = [](Index index, Index count) { return index + 1 < count ? index + 1 : nil; };
    for (Index i = 0; i < limits.flows; ++i) flows_[i].next_free = following(i, limits.flows);
    for (Index i = 0; i < limits.chunks; ++i) chunks_[i].next = following(i, limits.chunks);
    for (Index i = 0; i < limits.held_packets; ++i) held_[i].next = following(i, limits.held_packets);
    if (limits.flows == 0) free_flow_ = nil;
    if (limits.chunks == 0) free_chunk_ = nil;
    if (limits.held_packets == 0) free_held_ = nil;
}

template <class Packet, StreamScanner Scanner>
FlowNumber Reassembly<Packet, Scanner>::open(const Terms& terms) {
    const FlowNumber number = free_flow_;
    if (number == nil) return no_flow;
    Flow& flow = flows_[number];
    free_flow_ = flow.next_free;
    flow = {};
    flow.terms = terms;
    if (terms.budget == 0) flow.terms.budget = no_end;
    for (Half& half : flow.half) half.first_chunk = half.last_chunk = half.first_held = nil;
    ++flows_used_;
    return number;
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::begin(FlowNumber number, tcp::Direction direction, std::uint32_t isn) {
    Half& half = flows_[number].half[static_cast<int>(direction)];
    const bool untouched = half.state == State::open && half.scanned == 0 && half.first_chunk == nil;
    if (half.state != State::idle && !untouched) return;
    begin_half(half, isn + 1);
    half.has_syn = true;
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::begin_half(Half& half, std::uint32_t sequence) {
    half.state = State::open;
    half.origin = sequence;
    half.acknowledged = half.kept = half.scanned = 0;
}

template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::number_of(const Half& half) const -> Index {
    const auto bytes = reinterpret_cast<const std::byte*>(&half) - reinterpret_cast<const std::byte*>(flows_);
    const auto flow = static_cast<Index>(static_cast<std::size_t>(bytes) / sizeof(Flow));
    return flow * 2 + static_cast<Index>(&half - flows_[flow].half);
}

template <class Packet, StreamScanner Scanner>
bool Reassembly<Packet, Scanner>::is_cleared(FlowNumber number) const {
    const Flow& flow = flows_[number];
    return !flow.blocked && flow.half[0].state == State::cleared && flow.half[1].state == State::cleared;
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::tell(At<Sink>& at, Event event) {
    events_[static_cast<std::size_t>(event)].add();
    at.sink.event(at.number, at.direction, event);
}

// ---- segments -------------------------------------------------------------------------------------------

template <class Packet, StreamScanner Scanner>
template <class Sink>
[[gnu::always_inline]] inline bool Reassembly<Packet, Scanner>::pass_next(FlowNumber number,
                                                                          tcp::Direction direction,
                                                                          const StreamSegment& segment,
                                                                          Sink& sink) {
    Flow& flow = flows_[number];
    Half& half = flow.half[static_cast<std::size_t>(direction)];
    Half& other = flow.half[1 - static_cast<std::size_t>(direction)];
    if (segment.fin || flow.blocked) [[unlikely]]
        return false;
    if (segment.has_acknowledgement && !acknowledge_scanned(other, segment.acknowledgement)) [[unlikely]]
        return false;
    if (segment.payload.empty() && half.state == State::open) return !half.has_fin;
    if (half.state == State::cleared) return other.state != State::cleared;
    if (!is_next(flow, half, segment)) return false;
    const std::uint32_t position = half.scanned;
    burst_left_ -= static_cast<std::uint32_t>(segment.payload.size());
    At<Sink> here{number, flow, direction, half, sink};
    scan(here, segment.payload);
    if (flow.blocked) [[unlikely]]
        return false;
    remember(half, position, segment.payload);
    return true;
}

/// Whether a segment is nothing but the next bytes of a direction in which nothing waits. (What is held has
/// an island, or lies behind a FIN.)
template <class Packet, StreamScanner Scanner>
[[gnu::always_inline]] inline bool Reassembly<Packet, Scanner>::is_next(const Flow& flow, const Half& half,
                                                                        const StreamSegment& segment) const {
    const auto length = static_cast<std::uint32_t>(segment.payload.size());
    return segment.sequence - half.origin == half.scanned && half.state == State::open && half.has_stream &&
           !half.has_fin && !half.has_probe && half.island_count == 0 && length <= burst_left_ &&
           segment.ttl >= flow.terms.minimum_ttl && half.fed + length < flow.terms.budget &&
           !after(segment.sequence + length, segment.right_edge);
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::segment(FlowNumber number, tcp::Direction direction,
                                          const StreamSegment& segment, Packet packet, Tick now, Sink& sink) {
    At<Sink> here = at(number, direction, sink);
    Half& half = here.half;
    if (segment.has_acknowledgement)
        acknowledge(at(number, tcp::opposite(direction), sink), segment.acknowledgement);
    if (half.state == State::idle) begin_half(half, segment.sequence);
    const auto length = static_cast<std::uint32_t>(segment.payload.size());
    const std::uint32_t end = segment.sequence - half.origin + length;
    if (here.flow.blocked) {
        sink.out(packet, length != 0 ? Fate::drop : Fate::pass);
        settle(here);
        return;
    }
    if (length == 0 || half.state == State::cleared) {
        if (segment.fin) note_fin(half, end);
        sink.out(packet, Fate::pass);
        // A FIN of its own may follow the last byte that was scanned.
        if (half.has_fin && half.state == State::open) {
            feed(here, {});
            settle(here);
        }
        return;
    }
    take(here, segment, packet, now);
    settle(here);
}

/// The first FIN that leaves all that was scanned in front of it.
template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::note_fin(Half& half, std::uint32_t position) {
    if (half.has_fin || before(position, half.scanned)) return;
    half.has_fin = true;
    half.fin = position;
    // What came early and lies behind it will not be read.
    while (half.island_count != 0 && !before(half.island[half.island_count - 1].begin, position))
        --half.island_count;
    if (half.island_count != 0) {
        Island& last = half.island[half.island_count - 1];
        if (after(last.end, position)) last.end = position;
    }
}

/// False: acknowledge() is to be asked.
template <class Packet, StreamScanner Scanner>
[[gnu::always_inline]] inline bool Reassembly<Packet, Scanner>::acknowledge_scanned(Half& half,
                                                                                    std::uint32_t sequence) {
    if (half.state != State::open && half.state != State::ended) return true;
    const std::uint32_t to = sequence - half.origin;
    if (!after(to, half.acknowledged)) return true;
    if (after(to, half.scanned)) return false;
    half.acknowledged = to;
    forget(half, to);
    return true;
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::acknowledge(At<Sink> at, std::uint32_t sequence) {
    Half& half = at.half;
    if (at.flow.blocked || acknowledge_scanned(half, sequence)) return;
    std::uint32_t to = sequence - half.origin;
    if (half.has_fin && after(to, half.fin)) to = half.fin;  // the FIN has a number, too
    if (!after(to, half.acknowledged)) return;
    if (after(to, half.scanned) && half.has_probe) scan_probe(at);
    if (after(to, half.scanned) && (!at.flow.terms.blocking || at.flow.terms.fail_open)) {
        // What waits for its turn in a later burst is no gap, but it is one scan away from being none.
        advance(at, true);
        while (half.state == State::open && !at.flow.blocked && after(to, half.scanned)) {
            const std::uint32_t hole_end =
                half.island_count != 0 && before(half.island[0].begin, to) ? half.island[0].begin : to;
            skip(at, hole_end);
            advance(at, true);
        }
    }
    if (half.state == State::open || half.state == State::ended) {
        half.acknowledged = after(to, half.scanned) ? half.scanned : to;
        forget(half, half.acknowledged);
    }
    settle(at);
}

/// The receiver has taken the byte of a zero-window probe, it seems, if that is next in order.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::scan_probe(At<Sink>& at) {
    Half& half = at.half;
    advance(at, true);
    const bool is_next = half.state == State::open && !has_backlog(half) && half.probe == half.scanned;
    if (!is_next || at.flow.blocked || (!half.has_stream && !open_stream(at))) return;
    half.has_probe = false;
    scan_in_place(at, {&half.probe_byte, 1});
    advance(at, true);
}

/// Over bytes that will not come any more.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::skip(At<Sink>& at, std::uint32_t to) {
    static constexpr std::array<std::uint8_t, 4096> zeros{};
    Half& half = at.half;
    std::uint32_t left = to - half.scanned;
    tell(at, left > longest_gap ? Event::gave_up : Event::gap);
    if (left > longest_gap || (!half.has_stream && !open_stream(at))) {
        half.state = State::cleared;
        return;
    }
    while (left != 0 && half.state == State::open && !at.flow.blocked) {
        const std::uint32_t count = std::min<std::uint32_t>(left, zeros.size());
        feed(at, {zeros.data(), count});
        left -= count;
    }
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::take(At<Sink>& at, const StreamSegment& segment, Packet packet, Tick now) {
    Half& half = at.half;
    const Terms& terms = at.flow.terms;
    const auto leave = [&](bool drop) { at.sink.out(packet, drop ? Fate::drop : Fate::pass); };
    if (segment.ttl < terms.minimum_ttl) {
        tell(at, Event::low_ttl);
        return leave(terms.blocking);
    }
    const std::uint32_t begin = segment.sequence - half.origin;
    std::uint32_t end = begin + static_cast<std::uint32_t>(segment.payload.size());
    const bool keeps_alive = begin == 0U - 1 && segment.payload.size() == 1;
    if (terms.blocking && half.has_syn && half.acknowledged == 0 && before(begin, 0) && !keeps_alive) {
        tell(at, Event::unverifiable);
        return leave(true);
    }
    std::uint32_t limit = segment.right_edge - half.origin;
    if (half.has_fin && before(half.fin, limit)) limit = half.fin;
    const bool fin = segment.fin && !after(end, limit);
    if (after(end, limit)) {
        if (take_beyond(at, begin, limit, segment.payload)) return leave(false);
        if (terms.blocking) return leave(true);
        end = limit;
    }
    const std::uint32_t first = later(begin, half.acknowledged);
    if (!before(first, end)) return leave(false);
    if (half.has_probe && before(half.probe, half.scanned)) half.has_probe = false;
    const Bytes bytes = segment.payload.subspan(first - begin, end - first);
    if (half.state == State::open && !half.has_stream && !open_stream(at))
        return leave(terms.blocking && !terms.fail_open && half.state == State::open);
    if (first == half.scanned && half.island_count == 0 && bytes.size() <= burst_left_ && !half.has_probe) {
        if (fin) note_fin(half, end);
        scan_in_place(at, bytes);
        return leave(at.flow.blocked);
    }
    take_out_of_order(at, {first, end, bytes, fin}, packet, now);
}

/// A segment that reaches beyond `limit`. Whether it is a zero-window probe that may pass.
template <class Packet, StreamScanner Scanner>
template <class Sink>
bool Reassembly<Packet, Scanner>::take_beyond(At<Sink>& at, std::uint32_t begin, std::uint32_t limit,
                                              Bytes bytes) {
    Half& half = at.half;
    const bool behind_fin = half.has_fin && limit == half.fin;
    const bool is_probe = bytes.size() == 1 && begin == limit && !behind_fin;
    if (!is_probe) {
        tell(at, Event::beyond_window);
        return false;
    }
    if (half.has_probe && half.probe == begin && half.probe_byte != bytes[0]) {
        tell(at, Event::differing);
        return false;
    }
    half.has_probe = true;
    half.probe = begin;
    half.probe_byte = bytes[0];
    return true;
}

/// Whether the segment carries what the copies held say, as far as there are any; told if not. Where the
/// terms do not block, it is believed whatever it carries.
template <class Packet, StreamScanner Scanner>
template <class Sink>
bool Reassembly<Packet, Scanner>::is_believed(At<Sink>& at, std::uint32_t first, Bytes bytes) {
    const Half& half = at.half;
    const Terms& terms = at.flow.terms;
    if (differs(half, first, bytes)) {
        tell(at, Event::differing);
        return !terms.blocking;
    }
    if (before(first, half.kept)) {
        tell(at, Event::unverifiable);
        return !terms.blocking || terms.fail_open;
    }
    return true;
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::take_out_of_order(At<Sink>& at, const Piece& piece, Packet packet,
                                                    Tick now) {
    Half& half = at.half;
    const Terms& terms = at.flow.terms;
    const auto leave = [&](bool drop) { at.sink.out(packet, drop ? Fate::drop : Fate::pass); };
    const auto [first, end, bytes, fin] = piece;
    if (!is_believed(at, first, bytes)) return leave(true);
    if (fin) note_fin(half, end);
    const std::uint32_t fresh = later(first, half.scanned);
    if (!before(fresh, end)) return leave(false);

    const Bytes new_bytes = bytes.subspan(fresh - first);
    const bool room = !terms.blocking || can_hold(half);
    const Stored stored = room ? store(half, fresh, new_bytes) : Stored::failed;
    if (stored == Stored::failed) {
        if (scan_without_room(at, fresh, new_bytes)) return leave(at.flow.blocked);
        tell(at, Event::no_memory);
        return leave(at.flow.blocked || (terms.blocking && !terms.fail_open));
    }
    if (stored == Stored::nothing && terms.blocking) {
        tell(at, Event::duplicate);
        return leave(true);
    }
    advance(at, false);
    const bool all_scanned = half.state != State::open || !after(end, half.scanned);
    if (at.flow.blocked || !terms.blocking || all_scanned) return leave(at.flow.blocked);
    hold(half, packet, first, end, now + limits_.hold);
}

/// A segment for which there is no room is scanned all the same if it is next in order. Whether it was,
/// whole.
template <class Packet, StreamScanner Scanner>
template <class Sink>
bool Reassembly<Packet, Scanner>::scan_without_room(At<Sink>& at, std::uint32_t first, Bytes bytes) {
    Half& half = at.half;
    advance(at, true);
    while (half.state == State::open && !at.flow.blocked && !bytes.empty()) {
        if (before(first, half.scanned)) {  // an island was scanned meanwhile
            const auto known = std::min<std::size_t>(half.scanned - first, bytes.size());
            first += static_cast<std::uint32_t>(known);
            bytes = bytes.subspan(known);
            continue;
        }
        if (first != half.scanned) return false;
        std::size_t count = bytes.size();
        if (half.island_count != 0) count = std::min<std::size_t>(count, half.island[0].begin - first);
        scan_in_place(at, bytes.first(count));
        advance(at, true);
    }
    return true;
}

// ---- the scanner ----------------------------------------------------------------------------------------

/// False: there is none. The direction is then cleared if nothing looks at it or its terms fail open.
template <class Packet, StreamScanner Scanner>
template <class Sink>
bool Reassembly<Packet, Scanner>::open_stream(At<Sink>& at) {
    Half& half = at.half;
    half.stream = scanner_.open(at.number, at.direction);
    half.has_stream = half.stream != Scanner::none && half.stream != Scanner::nothing;
    if (half.has_stream) return true;
    if (half.stream == Scanner::none) tell(at, Event::no_stream);
    if (half.stream == Scanner::nothing || at.flow.terms.fail_open) half.state = State::cleared;
    return false;
}

/// The next bytes in order, of a direction that has a stream. Where a match in them has blocked the flow,
/// they do not count as scanned.
template <class Packet, StreamScanner Scanner>
template <class Sink>
[[gnu::always_inline]] inline void Reassembly<Packet, Scanner>::scan(At<Sink>& at, Bytes bytes) {
    Half& half = at.half;
    scanner_.scan(half.stream, bytes, on_match(at));
    const auto count = static_cast<std::uint32_t>(bytes.size());
    half.fed += count;
    scanned_.add(count);
    if (!at.flow.blocked) half.scanned += count;
}

/// The next bytes in order, and none: whether it has ended. Afterwards the direction may have ended or be
/// cleared, and the flow blocked.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::feed(At<Sink>& at, Bytes bytes) {
    Half& half = at.half;
    const std::uint64_t left = at.flow.terms.budget - half.fed;
    const Bytes wanted = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left)));
    burst_left_ -= std::min(burst_left_, static_cast<std::uint32_t>(bytes.size()));
    if (!wanted.empty()) scan(at, wanted);
    if (at.flow.blocked) return;
    half.scanned += static_cast<std::uint32_t>(bytes.size() - wanted.size());
    if (half.fed >= at.flow.terms.budget) {
        tell(at, Event::spent);
        half.state = State::cleared;
    } else if (half.has_fin && half.scanned == half.fin) {
        half.state = State::ended;
        if (half.has_stream) scanner_.end(half.stream, on_match(at));
        half.has_stream = false;
    }
}

/// What is next in order, from where it lies.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::scan_in_place(At<Sink>& at, Bytes bytes) {
    Half& half = at.half;
    const std::uint32_t position = half.scanned;
    feed(at, bytes);
    if (half.state != State::cleared && !at.flow.blocked) remember(half, position, bytes);
}

/// Scans what lies stored right behind what was scanned.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::advance(At<Sink>& at, bool whatever_it_costs) {
    Half& half = at.half;
    while (has_backlog(half) && !at.flow.blocked) {
        if (!half.has_stream && !open_stream(at)) return;
        const Index chunk = find_chunk(half, half.scanned);
        const std::uint32_t offset = half.scanned - chunks_[chunk].begin;
        std::uint32_t count = std::min(half.island[0].end - half.scanned, chunk_bytes - offset);
        if (!whatever_it_costs) count = std::min(count, burst_left_);
        if (count == 0) return;
        feed(at, {bytes_of(chunk) + offset, count});
        half.island[0].begin = half.scanned;
        if (half.island[0].begin == half.island[0].end) {
            std::copy(half.island.begin() + 1, half.island.begin() + half.island_count, half.island.begin());
            --half.island_count;
        }
    }
}

/// After a step: held packets leave as far as they may, and memory goes back.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::settle(At<Sink>& at) {
    if (at.flow.blocked) {
        for (Half& half : at.flow.half) {
            release(half, true, Fate::drop, at.sink);
            give_stream_back(half);
            forget_all(half);
            leave_backlog(half);
        }
        return;
    }
    Half& half = at.half;
    const bool cleared = half.state == State::cleared;
    if (half.first_held != nil) release(half, cleared, Fate::pass, at.sink);
    if (cleared) {
        give_stream_back(half);
        forget_all(half);
    }
    if (has_backlog(half) != half.in_backlog) half.in_backlog ? leave_backlog(half) : enter_backlog(half);
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::give_stream_back(Half& half) {
    if (half.has_stream) scanner_.discard(half.stream);
    half.has_stream = false;
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::close(FlowNumber number, Sink& sink) {
    Flow& flow = flows_[number];
    for (Half& half : flow.half) {
        release(half, true, Fate::drop, sink);
        give_stream_back(half);
        forget_all(half);
        leave_backlog(half);
    }
    flow.next_free = free_flow_;
    free_flow_ = number;
    --flows_used_;
}

template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::poll(Tick now, Sink& sink) {
    begin_burst();
    for (unsigned i = 0; i < most_directions && oldest_held_ != nil; ++i) {
        const Held& oldest = held_[oldest_held_];
        if (!reached(now, oldest.deadline)) break;
        At<Sink> here = at(oldest.half / 2, static_cast<tcp::Direction>(oldest.half % 2), sink);
        tell(here, Event::waited);
        release(here.half, true, Fate::drop, sink);
        here.half.island_count = 0;
        settle(here);
    }
    for (unsigned i = 0; i < most_directions && oldest_backlog_ != nil && burst_left_ != 0; ++i) {
        const Index number = oldest_backlog_;
        At<Sink> here = at(number / 2, static_cast<tcp::Direction>(number % 2), sink);
        leave_backlog(here.half);
        advance(here, false);
        settle(here);
    }
}

// ---- copies ---------------------------------------------------------------------------------------------

/// Whether a copy held says otherwise than these bytes, the first of which lies at `first`.
template <class Packet, StreamScanner Scanner>
bool Reassembly<Packet, Scanner>::differs(const Half& half, std::uint32_t first, Bytes bytes) const {
    const std::uint32_t end = first + static_cast<std::uint32_t>(bytes.size());
    if (!equal(half, half.kept, half.scanned, first, bytes)) return true;
    for (unsigned i = 0; i < half.island_count; ++i)
        if (!equal(half, half.island[i].begin, half.island[i].end, first, bytes)) return true;
    return half.has_probe && !before(half.probe, first) && before(half.probe, end) &&
           bytes[half.probe - first] != half.probe_byte;
}

/// Whether the copies of `from` to `to` are what these bytes say, where both overlap.
template <class Packet, StreamScanner Scanner>
bool Reassembly<Packet, Scanner>::equal(const Half& half, std::uint32_t from, std::uint32_t to,
                                        std::uint32_t first, Bytes bytes) const {
    const std::uint32_t end = first + static_cast<std::uint32_t>(bytes.size());
    from = later(from, first);
    if (after(to, end)) to = end;
    if (!before(from, to)) return true;
    for (Index chunk = find_chunk(half, from); before(from, to); chunk = chunks_[chunk].next) {
        const std::uint32_t offset = from - chunks_[chunk].begin;
        const std::uint32_t count = std::min(to - from, chunk_bytes - offset);
        if (std::memcmp(bytes_of(chunk) + offset, bytes.data() + (from - first), count) != 0) return false;
        from += count;
    }
    return true;
}

/// Adds bytes behind `scanned` to the islands: those that no island has.
template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::store(Half& half, std::uint32_t first, Bytes bytes) -> Stored {
    const std::uint32_t end = first + static_cast<std::uint32_t>(bytes.size());
    // The islands from `low` up to `high` touch the new bytes and become one with them.
    unsigned low = 0;
    while (low < half.island_count && before(half.island[low].end, first)) ++low;
    unsigned high = low;
    while (high < half.island_count && !after(half.island[high].begin, end)) ++high;
    if (high == low && half.island_count == most_islands) return Stored::failed;

    Island joined{first, end};
    std::uint32_t position = first;
    for (unsigned i = low; i <= high; ++i) {
        const std::uint32_t hole_end = i < high ? half.island[i].begin : end;
        if (before(position, hole_end) &&
            !write(half, position, bytes.subspan(position - first, hole_end - position)))
            return Stored::failed;
        if (i == high) break;
        if (i == low && !after(half.island[i].begin, first) && !before(half.island[i].end, end))
            return Stored::nothing;
        if (before(half.island[i].begin, joined.begin)) joined.begin = half.island[i].begin;
        joined.end = later(joined.end, half.island[i].end);
        position = later(position, half.island[i].end);
        if (!before(position, end)) position = end;
    }
    const auto from = half.island.begin() + high;
    const auto last = half.island.begin() + half.island_count;
    if (high == low)
        std::copy_backward(from, last, last + 1);
    else
        std::copy(from, last, half.island.begin() + low + 1);
    half.island[low] = joined;
    half.island_count = static_cast<std::uint8_t>(half.island_count - (high - low) + 1);
    return Stored::something;
}

/// False: there is no room for all of it.
template <class Packet, StreamScanner Scanner>
bool Reassembly<Packet, Scanner>::write(Half& half, std::uint32_t position, Bytes bytes) {
    while (!bytes.empty()) {
        const Index chunk = chunk_at(half, position);
        if (chunk == nil) return false;
        const std::uint32_t offset = position - chunks_[chunk].begin;
        const auto count = std::min<std::size_t>(bytes.size(), chunk_bytes - offset);
        std::memcpy(bytes_of(chunk) + offset, bytes.data(), count);
        bytes = bytes.subspan(count);
        position += static_cast<std::uint32_t>(count);
    }
    return true;
}

/// Keeps a copy of what was just scanned, as long as there is room, to compare retransmissions with.
template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::remember(Half& half, std::uint32_t position, Bytes bytes) {
    if (!write(half, position, bytes)) forget(half, half.scanned);
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::forget(Half& half, std::uint32_t before_it) {
    half.kept = later(half.kept, before_it);
    while (half.first_chunk != nil && !after(chunks_[half.first_chunk].end(), half.kept))
        free_first_chunk(half);
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::forget_all(Half& half) {
    half.kept = half.scanned;
    half.island_count = 0;
    while (half.first_chunk != nil) free_first_chunk(half);
}

/// The chunk of this position, or nil.
template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::find_chunk(const Half& half, std::uint32_t position) const -> Index {
    const std::uint32_t begin = position & ~(chunk_bytes - 1);
    const Index last = half.last_chunk;
    if (last == nil || before(chunks_[last].begin, begin)) return nil;
    if (chunks_[last].begin == begin) return last;
    Index chunk = half.first_chunk;
    while (chunk != nil && chunks_[chunk].begin != begin) chunk = chunks_[chunk].next;
    return chunk;
}

/// The chunk of this position, a new one if need be; nil: there is no room.
template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::chunk_at(Half& half, std::uint32_t position) -> Index {
    const Index known = find_chunk(half, position);
    return known != nil ? known : add_chunk(half, position & ~(chunk_bytes - 1));
}

template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::add_chunk(Half& half, std::uint32_t begin) -> Index {
    const Index chunk = new_chunk(half);
    if (chunk == nil) return nil;
    chunks_[chunk].begin = begin;
    const Index last = half.last_chunk;
    if (last == nil || before(chunks_[last].begin, begin)) [[likely]] {
        (last == nil ? half.first_chunk : chunks_[last].next) = chunk;
        chunks_[chunk].next = nil;
        half.last_chunk = chunk;
        return chunk;
    }
    Index* link = &half.first_chunk;
    while (before(chunks_[*link].begin, begin)) link = &chunks_[*link].next;
    chunks_[chunk].next = *link;
    *link = chunk;
    return chunk;
}

/// From the pool, or the oldest of this direction that holds nothing but what was scanned.
template <class Packet, StreamScanner Scanner>
auto Reassembly<Packet, Scanner>::new_chunk(Half& half) -> Index {
    if (free_chunk_ == nil || half.chunk_count >= limits_.chunks_per_direction) {
        if (half.first_chunk == nil || after(chunks_[half.first_chunk].end(), half.scanned)) return nil;
        forget(half, chunks_[half.first_chunk].end());
    }
    const Index chunk = free_chunk_;
    free_chunk_ = chunks_[chunk].next;
    ++half.chunk_count;
    ++chunks_used_;
    return chunk;
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::free_first_chunk(Half& half) {
    const Index chunk = half.first_chunk;
    half.first_chunk = chunks_[chunk].next;
    if (half.first_chunk == nil) half.last_chunk = nil;
    chunks_[chunk].next = free_chunk_;
    free_chunk_ = chunk;
    --half.chunk_count;
    --chunks_used_;
}

// ---- held packets ---------------------------------------------------------------------------------------

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::hold(Half& half, Packet packet, std::uint32_t begin, std::uint32_t end,
                                       Tick deadline) {
    const Index index = free_held_;
    Held& held = held_[index];
    free_held_ = held.next;
    held = {packet, end, begin, number_of(half), nil, newest_held_, nil, deadline};
    Index* link = &half.first_held;
    while (*link != nil && !after(held_[*link].begin, begin)) link = &held_[*link].next;
    held.next = *link;
    *link = index;
    (newest_held_ == nil ? oldest_held_ : held_[newest_held_].newer) = index;
    newest_held_ = index;
    ++half.held_count;
    ++held_used_;
}

/// Lets held packets go, by sequence: up to the first that was not scanned, or all.
template <class Packet, StreamScanner Scanner>
template <class Sink>
void Reassembly<Packet, Scanner>::release(Half& half, bool all, Fate fate, Sink& sink) {
    while (half.first_held != nil) {
        const Index index = half.first_held;
        Held& held = held_[index];
        if (!all && after(held.end, half.scanned)) return;
        half.first_held = held.next;
        (held.older == nil ? oldest_held_ : held_[held.older].newer) = held.newer;
        (held.newer == nil ? newest_held_ : held_[held.newer].older) = held.older;
        held.next = free_held_;
        free_held_ = index;
        --half.held_count;
        --held_used_;
        sink.out(held.packet, fate);
    }
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::enter_backlog(Half& half) {
    if (half.in_backlog) return;
    const Index number = number_of(half);
    half.in_backlog = true;
    half.older_backlog = newest_backlog_;
    half.newer_backlog = nil;
    (newest_backlog_ == nil ? oldest_backlog_ : half_of(newest_backlog_).newer_backlog) = number;
    newest_backlog_ = number;
}

template <class Packet, StreamScanner Scanner>
void Reassembly<Packet, Scanner>::leave_backlog(Half& half) {
    if (!half.in_backlog) return;
    half.in_backlog = false;
    (half.older_backlog == nil ? oldest_backlog_ : half_of(half.older_backlog).newer_backlog) =
        half.newer_backlog;
    (half.newer_backlog == nil ? newest_backlog_ : half_of(half.newer_backlog).older_backlog) =
        half.older_backlog;
}

}  // namespace sluice::inspect
