// Fragments, held until their datagram is complete, judged as one, and sent on as they came. Nothing is
// copied or put together: the table keeps the callers' packet handles and, of each piece, where it lies.
//
// A datagram is an entry found by a keyed hash of (addresses, identification, IPv4's protocol, and where it
// was seen); its pieces are a list in the order of arrival, in a pool that all datagrams share. Four age
// lists (by family, and whether the datagram is being collected or was discarded) give the oldest in one
// step; within a list everything has the same timeout, so the oldest is also the next to expire. Memory is
// the caller's, laid out once; three limits (datagrams, packets, bytes of packets) bound what can be held,
// and the oldest goes when one is reached.
//
// Rules, and where they come from:
// - pieces that overlap, or contradict each other about the datagram's length, discard it whole (RFC 5722,
// for both
//   families); the entry stays, empty, so that pieces still to come are discarded for the same reason;
// - an exact duplicate (same offset, length and "more") is dropped alone: the copy held stands for it. Its
// content is
//   not compared: only one of the two is ever sent on;
// - at most 64 pieces; they have one timeout from the first to arrive, as in RFC 8200 4.5.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "sluice/base/result.hpp"
#include "sluice/base/siphash.hpp"
#include "sluice/base/time.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::packet {

inline constexpr std::uint32_t max_fragments = 64;

/// Fixed when the table is made.
struct FragmentLimits {
    std::uint32_t datagrams = 1024;          ///< at once, collected and discarded ones together, 1 to 65536
    std::uint32_t packets = 8192;            ///< held at once, max_fragments to 2^20
    std::uint64_t bytes = 16 * 1024 * 1024;  ///< of held frames, at least 65536
    Tick timeout_ipv4 = 30 * ticks_per_second;
    Tick timeout_ipv6 = 60 * ticks_per_second;
    SipHashKey key{};
};

/// One piece as it arrives. `headers` was parsed without refusal and has fragment.present.
template <class Handle>
struct FragmentPiece {
    const Headers& headers;
    std::uint32_t vlans_and_pair;  ///< as in flow::Domain: pieces seen elsewhere belong to another datagram
    std::uint16_t zone;
    std::uint32_t frame_bytes;  ///< what holding it costs
    Handle handle;
};

/// What became of a piece.
template <class Handle>
struct FragmentDecision {
    enum class Kind : std::uint8_t { held, complete, dropped };
    Kind kind = Kind::held;
    Reason reason = Reason::none;     ///< dropped: why
    std::span<const Handle> packets;  ///< complete: all pieces, as they arrived; valid until the next call
    std::uint32_t first = 0;          ///< complete: which of them has offset 0, and so the transport header
    std::uint32_t transport_length = 0;  ///< complete: transport header and payload of the whole datagram
};

/// `Handle` stands for a packet (a pointer, an index) and is trivially copyable. Every handle given to add()
/// leaves exactly once: in a complete datagram, or through an `on_dropped(Handle, Reason)`. One thread.
template <class Handle>
class FragmentTable {
    static_assert(std::is_trivially_copyable_v<Handle>);

  public:
    using Piece = FragmentPiece<Handle>;
    using Decision = FragmentDecision<Handle>;

    /// Calls of on_dropped that one add() can make.
    static constexpr std::uint32_t max_drops_per_add = 2 * max_fragments + 1;

    FragmentTable(FragmentTable&&) noexcept = default;
    FragmentTable& operator=(FragmentTable&&) noexcept = default;
    FragmentTable(const FragmentTable&) = delete;
    FragmentTable& operator=(const FragmentTable&) = delete;
    ~FragmentTable() = default;

    /// Bytes of arena that create() needs.
    [[nodiscard]] static std::size_t bytes_needed(const FragmentLimits& limits);
    /// Lays the table out in `arena`, aligned to 64, which outlives it. Allocates nothing, then or later.
    [[nodiscard]] static Result<FragmentTable> create(const FragmentLimits& limits,
                                                      std::span<std::byte> arena);

    /// Takes a piece in. `on_dropped` is called for every packet given up, the piece itself included.
    template <class OnDropped>
    Decision add(const Piece& piece, Tick now, OnDropped&& on_dropped);

    /// Drops what waited too long, as long as `budget` packets are not exceeded (max_fragments or more, so
    /// that any datagram fits). Returns how many were dropped.
    template <class OnDropped>
    std::uint32_t expire(Tick now, std::uint32_t budget, OnDropped&& on_dropped);

    /// Drops everything held, under `reason` (at the end of a run).
    template <class OnDropped>
    void clear(Reason reason, OnDropped&& on_dropped);

    /// For datagrams that begin from now on (a reload).
    void set_timeouts(Tick ipv4, Tick ipv6) {
        limits_.timeout_ipv4 = ipv4;
        limits_.timeout_ipv6 = ipv6;
    }

    /// The keyed hash of the datagram that a piece belongs to: the same in all tables with one key, so that
    /// several workers can agree on who collects it.
    [[nodiscard]] std::uint64_t hash_of(const Piece& piece) const { return hash_of(key_of(piece)); }

    [[nodiscard]] std::uint32_t datagrams() const { return datagrams_used_; }
    [[nodiscard]] std::uint32_t packets() const { return packets_held_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_held_; }

  private:
    using Index = std::uint32_t;
    static constexpr Index none = 0xFFFFFFFFU;

    struct Key {
        Address source, destination;
        std::uint32_t identification;
        std::uint32_t vlans_and_pair;
        std::uint16_t zone;
        std::uint8_t protocol;  // IPv4 only
        Family family;
    };
    static_assert(sizeof(Key) == 44, "no padding: keys are compared and hashed as bytes");

    struct Datagram {
        Key key;
        Tick since;
        Tick deadline;
        Index bucket, bucket_next;
        Index older, newer;
        Index first_piece, last_piece;
        std::uint32_t bytes;             // of its frames
        std::uint32_t received;          // bytes of the fragmentable part
        std::uint32_t total;             // of them, known from the last piece; 0: not yet
        std::uint32_t highest_end;       // of the pieces held
        std::uint32_t transport_length;  // summed
        std::uint8_t count;
        std::uint8_t first;  // arrival index of the piece with offset 0
        std::uint8_t queue;
        Reason discarded;  // none: being collected
    };
    static_assert(sizeof(Datagram) == 100);

    struct Held {
        Handle handle;
        Index next;
        std::uint16_t offset, length;
    };

    // The age lists: by family, then collected or discarded.
    struct Queue {
        Index oldest = none, newest = none;
    };
    static constexpr std::uint8_t queue_of(Family family, bool discarded) {
        return static_cast<std::uint8_t>((family == Family::ipv6 ? 2 : 0) + (discarded ? 1 : 0));
    }

    // Where the parts lie in the arena.
    struct Layout {
        std::size_t buckets, datagrams, pieces, complete, end;
    };
    static std::size_t bucket_count(const FragmentLimits& limits) {
        return std::bit_ceil(std::size_t{limits.datagrams} * 2);
    }
    static Layout layout_of(const FragmentLimits& limits);

    FragmentTable() = default;

    [[nodiscard]] static Key key_of(const Piece& piece);
    [[nodiscard]] std::uint64_t hash_of(const Key& key) const;
    [[nodiscard]] Index bucket_of(const Key& key) const {
        return static_cast<Index>(hash_of(key) & (buckets_.size() - 1));
    }
    [[nodiscard]] Index find(const Key& key, Index bucket) const;
    [[nodiscard]] Reason judge(const Datagram& datagram, const FragmentFields& fragment) const;
    [[nodiscard]] Tick timeout_of(Family family) const {
        return family == Family::ipv6 ? limits_.timeout_ipv6 : limits_.timeout_ipv4;
    }

    template <class OnDropped>
    bool make_room(const Piece& piece, Index& datagram, Tick now, OnDropped&& on_dropped);
    [[nodiscard]] bool fits(const Piece& piece, bool new_datagram) const;
    [[nodiscard]] Index oldest(Tick now, bool with_discarded) const;

    Index open(const Key& key, Index bucket, Tick now);
    void append(Index index, const Piece& piece);
    Decision complete(Index index);
    template <class OnDropped>
    void drop_pieces(Datagram& datagram, Reason reason, OnDropped&& on_dropped);
    void release_pieces(Datagram& datagram);
    void close(Index index);

    void enqueue(Index index, std::uint8_t queue);
    void dequeue(Index index);

    FragmentLimits limits_;
    std::span<Index> buckets_;
    std::span<Datagram> table_;
    std::span<Held> pool_;
    std::span<Handle> complete_;
    Index free_datagram_ = none, free_piece_ = none;
    std::array<Queue, 4> queues_{};
    std::uint32_t datagrams_used_ = 0, packets_held_ = 0;
    std::uint64_t bytes_held_ = 0;
};

}  // namespace sluice::packet

#include "sluice/packet/fragments_inl.hpp"
