// One TCP endpoint after RFC 9293 section 3.10: a TCB, the user's calls and "segment arrives". Written from
// the RFC (and RFC 5961 for challenge acknowledgements, RFC 7323 for window scaling) without a look at the
// tracker, as the other opinion it is compared with. Plain data: searches copy, hash and compare it as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "sluice/tcp/connection.hpp"

namespace sluice::rfc9293 {

using State = tcp::EndpointState;

enum Control : std::uint8_t { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

inline constexpr std::uint8_t no_scale = 0xff;

/// A segment as in section 3.4: SEG.SEQ, SEG.ACK, SEG.WND (as on the wire) and the octets of text it carries.
struct Segment {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;  ///< 0 without ACK
    std::uint16_t window = 0;
    std::uint8_t text = 0;
    std::uint8_t control = 0;
    std::uint8_t scale = no_scale;  ///< the window scale option of a SYN
    std::uint8_t reserved[3] = {};

    [[nodiscard]] constexpr bool has(std::uint8_t bits) const { return (control & bits) != 0; }
    /// SEG.LEN: SYN and FIN count.
    [[nodiscard]] constexpr std::uint32_t length() const {
        return text + (has(SYN) ? 1u : 0u) + (has(FIN) ? 1u : 0u);
    }
    [[nodiscard]] constexpr std::uint32_t end() const { return seq + length(); }
    friend constexpr bool operator==(const Segment&, const Segment&) = default;
};
static_assert(std::has_unique_object_representations_v<Segment>);

/// Why an endpoint is CLOSED, for those who ask what its peer may still think.
enum class Ending : std::uint8_t { none, refused, finished, expired, reset, aborted, vanished };

/// What came of a segment that arrived.
struct Arrival {
    std::optional<Segment> reply;
    bool early = false;  ///< lies beyond RCV.NXT: to be held and handed in again (section 3.10.7.4, SHLD-31)
};

struct Endpoint {
    std::uint32_t iss = 0, irs = 0;
    std::uint32_t snd_una = 0, snd_nxt = 0, snd_wnd = 0, snd_wl1 = 0, snd_wl2 = 0;
    std::uint32_t max_snd_wnd = 0;  ///< MAX.SND.WND of RFC 5961 section 5.2
    std::uint32_t rcv_nxt = 0, rcv_wnd = 0;
    std::uint16_t buffer = 4;  ///< octets it has room for; rcv_wnd is what the user has not filled of it
    State state = State::closed;
    Ending ending = Ending::none;
    std::uint8_t passive = 0;   ///< the connection began with a passive OPEN
    std::uint8_t fin_sent = 0;  ///< then the FIN lies at SND.NXT - 1
    std::uint8_t offered = no_scale;
    std::uint8_t snd_scale = 0, rcv_scale = 0;
    /// The RFC drops what lies wholly before RCV.NXT; BSD and Linux trim it to nothing and still heed its
    /// ACK.
    std::uint8_t heeds_old_acks = 0;
    std::uint8_t reserved[2] = {};

    // The user's calls, section 3.10.1 to 3.10.5. A call that is not possible now changes nothing and gives
    // nothing.
    void listen();
    std::optional<Segment> open(std::uint32_t initial_sequence);
    /// SEND of `octets`, then CLOSE when `last`; one segment, as far as the peer's window has room for all of
    /// it. A closed window still admits one octet (section 3.8.6.1).
    std::optional<Segment> send(std::uint8_t octets, bool last);
    std::optional<Segment> abort();
    /// CLOSE before anything was sent to a peer that answered: the TCB goes, nothing is said (LISTEN,
    /// SYN_SENT).
    void give_up();
    /// The user takes what lies in the buffer; the window update.
    std::optional<Segment> read();

    // Timers, section 3.10.8.
    /// What is not acknowledged, once more: at most `octets` of text.
    std::optional<Segment> retransmit(std::uint8_t octets);
    /// A probe of a connection that may be gone: one sequence number below SND.NXT (section 3.8.4).
    std::optional<Segment> keep_alive();
    void time_wait_over();
    /// A crash or a user timeout: the TCB goes without a word.
    void vanish();

    Arrival arrives(const Segment& segment);

    friend bool operator==(const Endpoint&, const Endpoint&) = default;

    [[nodiscard]] bool synchronized() const { return state >= State::established; }
    [[nodiscard]] bool fin_acknowledged() const { return fin_sent != 0 && snd_una == snd_nxt; }

  private:
    [[nodiscard]] Segment make(std::uint8_t control, std::uint32_t seq, std::uint8_t text = 0) const;
    [[nodiscard]] Segment make_syn(std::uint8_t control) const;
    [[nodiscard]] bool acceptable(const Segment& segment) const;
    void heed_syn(const Segment& syn);
    void heed_window(const Segment& segment);
    Arrival arrives_unsynchronized(const Segment& segment);
    Arrival arrives_syn_sent(const Segment& segment);
    Arrival arrives_synchronized(const Segment& segment);
    Arrival reset_arrives(const Segment& segment);
    /// The fifth step; false when it ends the processing, with the answer in `arrival`.
    bool acknowledgement_arrives(const Segment& segment, Arrival& arrival);
    void close(Ending why);
};
static_assert(std::has_unique_object_representations_v<Endpoint>);

[[nodiscard]] std::string describe(const Segment& segment);
[[nodiscard]] std::string describe(const Endpoint& endpoint);

}  // namespace sluice::rfc9293
