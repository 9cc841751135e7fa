// What a receiver will read, in the order in which it will read it, handed to a scanner: for each inspected
// flow and direction the bytes of its segments by sequence number, whatever the order of arrival.
//
// A direction is a line of positions, 0 for the first byte behind the SYN, modulo 2^32:
//
//          acknowledged     kept              scanned
//     ----------|------------|==================|      |======|     |===|
//       never looked at       copies kept until         islands: copies of what came
//       again                 they are acknowledged     out of order, not yet scanned
//
// Copies lie in chunks of fixed size, aligned to positions and chained in order; islands are a short sorted
// array. A segment that begins at `scanned` while there is no island, nearly every one, is scanned where it
// lies and copied behind. All others are compared with the copies held, of either kind, and what is new of
// them is stored.
//
// The rules:
// - The first copy of a byte wins. A segment that carries another byte where a copy is held is counted and
//   told; where the terms block it is dropped, so that the receiver reads what was scanned. That holds for
//   scanned bytes until the receiver has acknowledged them: it may have lost our copy.
// - Bytes in front of the first one behind the SYN are none; where the terms block, a segment that carries
//   some, and is no keep-alive of one byte, is dropped: whoever takes it has seen another SYN than we.
// - Bytes the receiver has acknowledged, or that lie beyond its window or behind the FIN, are never scanned.
//   Where the terms block, a segment that reaches beyond is dropped (an honest sender sends none), except the
//   one byte of a zero-window probe, which is remembered and scanned if the receiver acknowledges it.
// - Where the terms block, no byte leaves before it was scanned: its packet is held. A packet that was held
//   too long is dropped with the copies of its direction that wait: its sender will send it again. Where
//   they do not block, nothing waits.
// - Bytes that the receiver acknowledged and that never came by here are a gap: the scanner is given as many
//   zero bytes. Where the terms block and fail closed there is none, since nothing left unscanned.
// - Memory is fixed. Copies kept for comparison give way first. Then a segment that is in order is scanned
//   all the same; one that is not leaves unscanned where the terms fail open, or is dropped where they fail
//   closed.
//
// Knows no ports, no mbufs, no clock and no Hyperscan. One thread, the worker's.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "sluice/base/counters.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/inspect/event.hpp"
#include "sluice/inspect/terms.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::inspect {

/// What a match does to its flow.
enum class Effect : std::uint8_t { none, block };
/// What becomes of a packet.
enum class Fate : std::uint8_t { pass, drop };

/// The number of an inspected flow.
using FlowNumber = std::uint32_t;
inline constexpr FlowNumber no_flow = 0xFFFFFFFFU;

/// One segment that the tracker accepted or tolerated, host order.
struct StreamSegment {
    std::uint32_t sequence = 0;  ///< of the first byte of payload
    std::span<const std::uint8_t> payload;
    bool fin = false;
    bool has_acknowledgement = false;
    std::uint32_t acknowledgement = 0;
    std::uint32_t right_edge = 0;  ///< the sequence number at which the receiver's window ends
    std::uint8_t ttl = 255;
};

/// A scanner of streams: a Stream takes the bytes of one direction piece by piece. `on_match` is called as
/// (signature number, position of the byte behind the match).
template <class S>
concept StreamScanner = requires(S& scanner, typename S::Stream stream, std::span<const std::uint8_t> bytes,
                                 void (*on_match)(std::uint32_t, std::uint64_t)) {
    // S::none: there is none left; S::nothing: no signature looks at this direction.
    { S::none } -> std::convertible_to<typename S::Stream>;
    { S::nothing } -> std::convertible_to<typename S::Stream>;
    { scanner.open(FlowNumber{}, tcp::Direction::original) } -> std::same_as<typename S::Stream>;
    {scanner.scan(stream, bytes, on_match)};
    // The data ends here: what is anchored to the end matches, and the stream goes back.
    {scanner.end(stream, on_match)};
    // The stream goes back.
    {scanner.discard(stream)};
};

/// `Packet` stands for a packet (a pointer, an index). Every packet given to segment() leaves exactly once,
/// in the order in which it should be sent, through the sink:
///     void out(Packet, Fate);
///     Effect match(FlowNumber, tcp::Direction, std::uint32_t signature, std::uint64_t end);
///     void event(FlowNumber, tcp::Direction, Event);
/// which must not call back.
template <class Packet, StreamScanner Scanner>
class Reassembly {
    static_assert(std::is_trivially_copyable_v<Packet>);
    using Stream = typename Scanner::Stream;

  public:
    static constexpr unsigned most_islands = 16;
    /// That poll() looks at for either of its tasks.
    static constexpr unsigned most_directions = 64;
    /// A longer gap is not bridged by zero bytes.
    static constexpr std::uint32_t longest_gap = 64 * 1024;

    [[nodiscard]] static std::size_t bytes_needed(const ReassemblyLimits& limits);
    /// `arena` is zeroed, aligned to 64, at least bytes_needed() long; it and the scanner outlive this.
    Reassembly(const ReassemblyLimits& limits, Scanner& scanner, std::span<std::byte> arena);
    Reassembly(const Reassembly&) = delete;
    Reassembly& operator=(const Reassembly&) = delete;
    ~Reassembly() = default;

    /// Begins to inspect a flow; no_flow: there is no room.
    [[nodiscard]] FlowNumber open(const Terms& terms);
    /// A SYN (or SYN,ACK) of this direction was accepted: its data begin behind `isn`. Without, they begin
    /// where its first segment does. Data on the SYN itself are not scanned: where the terms block, the
    /// caller lets none through.
    void begin(FlowNumber number, tcp::Direction direction, std::uint32_t isn);

    template <class Sink>
    void segment(FlowNumber number, tcp::Direction direction, const StreamSegment& segment, Packet packet,
                 Tick now, Sink& sink);
    /// The same in short, for a segment that has nothing but an acknowledgement and the next bytes, or none,
    /// while nothing waits: nearly every one. True: it passes at once. False: segment() is to be asked; a
    /// match has blocked the flow, or all is as it was but for what is acknowledged.
    template <class Sink>
    [[nodiscard]] bool pass_next(FlowNumber number, tcp::Direction direction, const StreamSegment& segment,
                                 Sink& sink);

    /// The flow is gone: what is held of it is dropped.
    template <class Sink>
    void close(FlowNumber number, Sink& sink);

    /// Before each burst: its budget of bytes.
    void begin_burst() { burst_left_ = limits_.burst_bytes; }
    /// What was left over when a burst's budget was spent, and packets that waited too long. Bounded; call it
    /// once a poll, with a budget of its own.
    template <class Sink>
    void poll(Tick now, Sink& sink);

    /// Whether both directions need no more inspection (cleared, not blocked): the flow may be closed here.
    [[nodiscard]] bool is_cleared(FlowNumber number) const;
    /// The sequence number of the first byte that was not scanned; `otherwise` while nothing has come by.
    [[nodiscard]] std::uint32_t next_to_scan(FlowNumber number, tcp::Direction direction,
                                             std::uint32_t otherwise) const {
        const Half& half = flows_[number].half[static_cast<int>(direction)];
        return half.state == State::idle ? otherwise : half.origin + half.scanned;
    }
    /// Bytes that the scanner was given of this direction, without those that it has right now.
    [[nodiscard]] std::uint64_t fed(FlowNumber number, tcp::Direction direction) const {
        return flows_[number].half[static_cast<int>(direction)].fed;
    }
    [[nodiscard]] bool is_blocked(FlowNumber number) const { return flows_[number].blocked; }

    [[nodiscard]] const std::array<Counter, event_count>& events() const { return events_; }
    [[nodiscard]] std::uint64_t count(Event event) const {
        return events_[static_cast<std::size_t>(event)].read();
    }
    [[nodiscard]] std::uint64_t bytes_scanned() const { return scanned_.read(); }
    [[nodiscard]] std::uint32_t flows() const { return flows_used_; }
    [[nodiscard]] std::uint32_t chunks() const { return chunks_used_; }
    [[nodiscard]] std::uint32_t held() const { return held_used_; }

  private:
    using Index = std::uint32_t;
    static constexpr Index nil = 0xFFFFFFFFU;
    static constexpr std::uint64_t no_end = ~std::uint64_t{0};  ///< of a budget
    using Bytes = std::span<const std::uint8_t>;

    struct Island {
        std::uint32_t begin, end;
    };
    enum class State : std::uint8_t {
        idle,     ///< nothing seen
        open,     ///< being scanned
        ended,    ///< scanned up to its FIN; retransmissions are still compared
        cleared,  ///< no longer looked at
    };
    /// One direction.
    struct Half {
        std::uint32_t origin;  ///< the sequence number of position 0
        std::uint32_t acknowledged, kept, scanned;
        std::uint32_t fin;    ///< its position, with has_fin
        std::uint32_t probe;  ///< position of the byte of a zero-window probe, with has_probe
        Stream stream;
        std::uint64_t fed;  ///< bytes, zeros for a gap among them
        Index first_chunk, last_chunk, first_held;
        Index older_backlog, newer_backlog;
        std::uint32_t chunk_count, held_count;
        State state;
        std::uint8_t island_count, probe_byte;
        bool has_syn;  ///< position 0 is the first byte that there is
        bool has_fin, has_probe, has_stream, in_backlog;
        std::array<Island, most_islands> island;
    };
    struct Flow {
        Half half[2];
        Terms terms;
        bool blocked;
        Index next_free;
    };
    struct Chunk {
        std::uint32_t begin;  ///< position, a multiple of chunk_bytes
        Index next;
        [[nodiscard]] std::uint32_t end() const { return begin + chunk_bytes; }
    };
    struct Held {
        Packet packet;
        std::uint32_t end;  ///< leaves when so much was scanned
        std::uint32_t begin;
        Index half;          ///< flow times two plus direction
        Index next;          ///< of its direction, by begin
        Index older, newer;  ///< of all
        Tick deadline;
    };
    /// Where in the tables a step works.
    template <class Sink>
    struct At {
        FlowNumber number;
        Flow& flow;
        tcp::Direction direction;
        Half& half;
        Sink& sink;
    };
    /// What the receiver may take of a segment, by positions.
    struct Piece {
        std::uint32_t first, end;
        Bytes bytes;
        bool fin;  ///< behind it
    };
    enum class Stored : std::uint8_t { something, nothing, failed };

    template <class Sink>
    At<Sink> at(FlowNumber number, tcp::Direction direction, Sink& sink) {
        Flow& flow = flows_[number];
        return {number, flow, direction, flow.half[static_cast<int>(direction)], sink};
    }
    [[nodiscard]] Index number_of(const Half& half) const;
    template <class Sink>
    void tell(At<Sink>& at, Event event);

    // What a segment is and does.
    static void begin_half(Half& half, std::uint32_t sequence);
    static void note_fin(Half& half, std::uint32_t position);
    [[nodiscard]] bool is_next(const Flow& flow, const Half& half, const StreamSegment& segment) const;
    [[nodiscard]] bool acknowledge_scanned(Half& half, std::uint32_t sequence);
    template <class Sink>
    void acknowledge(At<Sink> at, std::uint32_t sequence);
    template <class Sink>
    void scan_probe(At<Sink>& at);
    template <class Sink>
    void skip(At<Sink>& at, std::uint32_t to);
    template <class Sink>
    void take(At<Sink>& at, const StreamSegment& segment, Packet packet, Tick now);
    template <class Sink>
    [[nodiscard]] bool take_beyond(At<Sink>& at, std::uint32_t begin, std::uint32_t limit, Bytes bytes);
    template <class Sink>
    void take_out_of_order(At<Sink>& at, const Piece& piece, Packet packet, Tick now);
    template <class Sink>
    [[nodiscard]] bool is_believed(At<Sink>& at, std::uint32_t first, Bytes bytes);
    template <class Sink>
    [[nodiscard]] bool scan_without_room(At<Sink>& at, std::uint32_t first, Bytes bytes);

    // The scanner.
    template <class Sink>
    [[nodiscard]] bool open_stream(At<Sink>& at);
    template <class Sink>
    [[nodiscard]] static auto on_match(At<Sink>& at) {
        return [&at](std::uint32_t signature, std::uint64_t end) {
            if (at.sink.match(at.number, at.direction, signature, end) == Effect::block)
                at.flow.blocked = true;
        };
    }
    template <class Sink>
    void scan(At<Sink>& at, Bytes bytes);
    template <class Sink>
    void feed(At<Sink>& at, Bytes bytes);
    template <class Sink>
    void scan_in_place(At<Sink>& at, Bytes bytes);
    template <class Sink>
    void advance(At<Sink>& at, bool whatever_it_costs);
    template <class Sink>
    void settle(At<Sink>& at);
    void give_stream_back(Half& half);

    // Copies.
    [[nodiscard]] bool differs(const Half& half, std::uint32_t first, Bytes bytes) const;
    [[nodiscard]] bool equal(const Half& half, std::uint32_t from, std::uint32_t to, std::uint32_t first,
                             Bytes bytes) const;
    [[nodiscard]] Stored store(Half& half, std::uint32_t first, Bytes bytes);
    [[nodiscard]] bool write(Half& half, std::uint32_t position, Bytes bytes);
    void remember(Half& half, std::uint32_t position, Bytes bytes);
    void forget(Half& half, std::uint32_t before);
    void forget_all(Half& half);
    [[nodiscard]] Index chunk_at(Half& half, std::uint32_t position);
    [[nodiscard]] Index add_chunk(Half& half, std::uint32_t begin);
    [[nodiscard]] Index find_chunk(const Half& half, std::uint32_t position) const;
    [[nodiscard]] Index new_chunk(Half& half);
    void free_first_chunk(Half& half);
    [[nodiscard]] std::uint8_t* bytes_of(Index chunk) const {
        return data_ + std::size_t{chunk} * chunk_bytes;
    }

    // Held packets, and directions with a backlog.
    [[nodiscard]] bool can_hold(const Half& half) const {
        return free_held_ != nil && half.held_count < limits_.held_per_direction;
    }
    void hold(Half& half, Packet packet, std::uint32_t begin, std::uint32_t end, Tick deadline);
    template <class Sink>
    void release(Half& half, bool all, Fate fate, Sink& sink);
    [[nodiscard]] static bool has_backlog(const Half& half) {
        return half.state == State::open && half.island_count != 0 && half.island[0].begin == half.scanned;
    }
    void enter_backlog(Half& half);
    void leave_backlog(Half& half);
    [[nodiscard]] Half& half_of(Index number) { return flows_[number / 2].half[number % 2]; }

    ReassemblyLimits limits_;
    Scanner& scanner_;
    Flow* flows_;
    Chunk* chunks_;
    std::uint8_t* data_;
    Held* held_;
    Index free_flow_ = 0, free_chunk_ = 0, free_held_ = 0;
    Index oldest_held_ = nil, newest_held_ = nil;
    Index oldest_backlog_ = nil, newest_backlog_ = nil;
    std::uint32_t flows_used_ = 0, chunks_used_ = 0, held_used_ = 0;
    std::uint32_t burst_left_;
    std::array<Counter, event_count> events_{};
    Counter scanned_;
};

}  // namespace sluice::inspect

#include "sluice/inspect/reassembly_inl.hpp"
