// Two endpoints, the network between them and a point in its middle past which every segment goes. A world is
// plain data with a fixed number of places for segments in flight; what it can do next is listed by `moves`.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "endpoint.hpp"

namespace sluice::rfc9293 {

inline constexpr std::size_t flight_places = 2;

/// Segments under way, in the order they were put there.
struct Flight {
    std::array<Segment, flight_places> segment{};
    std::uint32_t count = 0;

    void add(const Segment& s) { segment[count++] = s; }
    void remove(std::size_t i) {
        for (; i + 1 < count; ++i) segment[i] = segment[i + 1];
        segment[--count] = {};
    }
    friend bool operator==(const Flight&, const Flight&) = default;
};
static_assert(std::has_unique_object_representations_v<Flight>);

/// How often each thing may still happen: what makes a search finite.
struct Allowance {
    std::uint8_t octets = 0;      ///< of text, by each endpoint's user
    std::uint8_t close = 0;       ///< CLOSE calls of synchronized connections
    std::uint8_t abort = 0;       ///< ABORT calls
    std::uint8_t vanish = 0;      ///< TCBs lost without a word (crash, user timeout, TIME_WAIT over)
    std::uint8_t open = 0;        ///< active OPEN calls
    std::uint8_t listen = 0;      ///< passive OPEN calls
    std::uint8_t retransmit = 0;  ///< retransmissions
    std::uint8_t keep_alive = 0;  ///< probes
    std::uint8_t read = 0;        ///< window updates
    std::uint8_t reserved[3] = {};
    friend bool operator==(const Allowance&, const Allowance&) = default;
};

struct NetworkAllowance {
    std::uint8_t loss = 0;       ///< segments lost, before or beyond the middle
    std::uint8_t duplicate = 0;  ///< segments that pass or arrive once more than sent
    std::uint8_t places_before = 1;
    std::uint8_t places_after = 2;
    std::uint8_t vain_resets = 0;  ///< whether one passed that was lost or did not count where it arrived
    std::uint8_t reserved[3] = {};
    friend bool operator==(const NetworkAllowance&, const NetworkAllowance&) = default;
};

/// What has passed the middle from one endpoint.
struct Shown {
    std::uint32_t end = 0;                                ///< highest SEG.SEQ+SEG.LEN
    std::uint32_t ack = 0;                                ///< highest SEG.ACK
    std::uint32_t fin_ack = 0;                            ///< SEG.ACK of the first copy of its FIN
    std::uint8_t any = 0, any_ack = 0, fin = 0, syn = 0;  ///< whether there was any
    std::uint8_t reset = 0;                               ///< how many

    std::uint8_t reserved[3] = {};
    friend bool operator==(const Shown&, const Shown&) = default;
};

struct Standing {
    State a, b;
    friend bool operator==(const Standing&, const Standing&) = default;
    friend auto operator<=>(const Standing&, const Standing&) = default;
};
[[nodiscard]] std::string describe(const Standing& standing);

/// 0 is the endpoint called A, 1 is B; before[0] and after[0] hold what A sent.
struct World {
    std::array<Endpoint, 2> endpoint{};
    std::array<Flight, 2> before{};  ///< sent, not yet past the middle
    std::array<Flight, 2> after{};   ///< past the middle, not yet arrived
    std::array<Allowance, 2> user{};
    std::array<Flight, 2> lost{};  ///< lost between the middle and the receiver
    std::array<Shown, 2> shown{};
    std::array<std::uint32_t, 2> fin_ack{};   ///< SEG.ACK of each FIN when it was first sent
    std::array<std::uint32_t, 2> next_iss{};  ///< of the next OPEN
    NetworkAllowance network{};

    /// Puts what an endpoint said on its way.
    void say(int who, const Segment& segment) { before[static_cast<std::size_t>(who)].add(segment); }

    /// Both endpoints once everything that passed is delivered: what has not arrived, or was lost beyond the
    /// middle, arrives in the order in which it passed and as often as it takes; what the endpoints answer
    /// has not passed and changes nothing.
    [[nodiscard]] std::array<Endpoint, 2> settled() const;
    [[nodiscard]] Standing standing() const;

    /// Where both stand by then, if the middle can know it: everything either endpoint did has shown itself
    /// there, without a hole, and no reset is still under way.
    [[nodiscard]] std::optional<Standing> known() const;

    /// The first copy of this endpoint's FIN passed later than a copy that acknowledges more: whether it
    /// crossed the other FIN can no longer be told.
    [[nodiscard]] bool crossing_hidden(int who) const {
        const auto i = static_cast<std::size_t>(who);
        return shown[i].fin != 0 && shown[i].fin_ack != fin_ack[i];
    }

    friend bool operator==(const World&, const World&) = default;
};
static_assert(std::has_unique_object_representations_v<World>);

enum class Act : std::uint8_t {
    open,
    listen,
    give_up,
    send,
    close,
    send_and_close,
    abort,
    vanish,
    read,
    retransmit_all,
    retransmit_octet,
    keep_alive,
    pass,     ///< a segment goes past the middle
    deliver,  ///< a segment arrives
};

/// One step of a world. What an endpoint says, or what passes, may be lost at once; what passes or arrives
/// may stay behind as a duplicate.
struct Move {
    Act act = Act::open;
    std::uint8_t who = 0;    ///< the endpoint that acts, or that sent the segment
    std::uint8_t place = 0;  ///< of the segment in its flight
    bool lost = false;       ///< the segment said (or passed) gets no further
    bool again = false;      ///< the segment passes or arrives, and stays under way
    friend bool operator==(const Move&, const Move&) = default;
};
[[nodiscard]] std::string describe(const World& before, const Move& move);

/// Tries `move`; false when it is not possible, the world is then spoilt. `passed` is what went past the
/// middle, if any.
[[nodiscard]] bool apply(World& world, const Move& move, std::optional<Segment>& passed);

/// Every move possible in `world`, and what it leads to.
void for_each_move(
    const World& world,
    const std::function<void(const Move&, const World&, const std::optional<Segment>& passed)>& visit);

}  // namespace sluice::rfc9293
