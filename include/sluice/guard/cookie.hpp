// SYN cookies (Bernstein, 1996; RFC 4987 3.6): the answer to a SYN carries, in its sequence number, all that
// would have to be remembered about it. Nothing is stored; the ACK that completes the handshake brings it
// back.
//
//     sequence number    31                              3 | 2        | 1   0
//                        29 bits of a MAC                  | slot & 1 | class    (masked, see below)
//     timestamp (TSval)  31                    6 | 5   | 4    | 3    0
//                        the clock + an offset   | ECN | SACK | window scale, 15: not offered
//
// The MAC is AES-128's CBC-MAC under a secret of 128 bits, the first half of it. It covers both addresses and
// ports, the domain of the flow, the client's initial sequence number, the slot of time, the class of the
// MSS, and the timestamp sent or that there is none. A client picks most of that and sees the outcome as
// often as it likes: what a pseudorandom function is for, and what the flow table's hash is not. A domain is
// covered because the same addresses on another VLAN are another flow. Messages of one length under one key
// are what CBC-MAC is secure for (Bellare, Kilian, Rogaway 2000), so each family has a key of its own, drawn
// from the secret by AES. The message, in blocks of 16 bytes:
//
//     IPv4   addresses, ports, timestamp           | client's number, VLANs and pair, zone, what the cookie
//     says IPv6   client | server | ports, timestamp, 0 | the same
//
// What the questions about one ACK differ in stands in the last block: the others are encrypted once.
//
// Time. A slot lasts 2^15 ms = 32.768 s. A cookie is good in the slot it was made in and in the next, so
// for 32.8 to 65.5 s. That covers the round trip and a client whose ACK is lost and whose first data goes out
// again after 1, 3, 7, 15 and 31 s; longer is only longer to replay. A power of two, so that the slots go
// round with the clock.
//
// How many guesses are good. Of 2^32 acknowledgement numbers, for a given handshake at a given moment: 2
// slots x 4 classes, one value of the 29 bits each, so at most 8 (a forged ACK succeeds with 2^-29). The
// cookie names its class and its slot, so the check is one MAC, not eight; it would not pay to hide them,
// since whoever saw the cookie saw the SYN. The exclusive or with the MAC's first three bits only makes every
// bit of the number look drawn by lot.
//
// Secrets. The slot says which of two secrets is meant: they take turns, 128 slots (70 min) each. So each
// slot has one secret ever, a second secret adds no good values, and a cookie never outlives its secret: the
// one whose turn is not is replaced in the middle of the other's turn, when the cookies made with it have
// long expired. Nothing happens at the moment of replacement, so workers that learn of it at different times
// agree nevertheless.
//
// Timestamps. Window scale, "SACK permitted" and ECN ride in the lowest six bits of the timestamp, which the
// client sends back; the MAC covers all 32 bits of it. A client without timestamps keeps of its options the
// class of its MSS alone: more bits in the sequence number would be bits less of the MAC. Above the six bits
// runs a clock of milliseconds (RFC 7323 5.4 wants 1 ms to 1 s) with an offset of its own for each pair of
// endpoints, so that it tells nobody how long the machine is up. The value is the largest with the wanted low
// bits that is not beyond the clock: at most 63 ms behind it. So it never falls while its low bits stay, nor
// between answers 64 ms apart, and no SYN comes again so soon; and whoever goes on with the clock itself, or
// from the value the client sends back, never sends the client an older one, which it would drop (PAWS, RFC
// 7323 5.3). The offset is not needed to check a cookie; its secret never changes, or the timestamps of two
// answers might go back.
//
// What lost. Trying slots and classes one by one: eight MACs for a forged ACK. A MAC over the low six bits of
// the timestamp alone: an attacker could then vary the rest. One hash for offset and cookie: the cookie
// covers the timestamp, so the offset must be known first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sluice/base/aes.hpp"
#include "sluice/base/endian.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/key.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::guard {

/// How long a slot lasts. A cookie is good for one slot at least and for less than two.
inline constexpr Tick cookie_slot = Tick{1} << 15;
static_assert(2 * cookie_slot <= 120 * ticks_per_second);
/// How long a secret's turn lasts.
inline constexpr Tick secret_turn = 128 * cookie_slot;

/// One client's attempt to connect, as the MAC takes it. `AddressBytes` is 4 or 16.
template <unsigned AddressBytes>
class Handshake {
  public:
    static constexpr std::size_t blocks = AddressBytes == 4 ? 2 : 4;

    Handshake() = default;
    /// `client` and `server` point at AddressBytes wire bytes each; ports are host order. `client_sequence`
    /// is the client's initial one: that of its SYN, one less than that of the ACK it completes the handshake
    /// with.
    Handshake(const std::uint8_t* client, const std::uint8_t* server, std::uint16_t client_port,
              std::uint16_t server_port, std::uint32_t client_sequence, flow::Domain domain) {
        using WireAddress = std::array<std::uint8_t, AddressBytes>;
        store(words_.data(),
              std::array<WireAddress, 2>{load<WireAddress>(client), load<WireAddress>(server)});
        words_[ports_at] = be16(client_port).raw() | std::uint32_t{be16(server_port).raw()} << 16;
        set_rest(client_sequence, domain);
    }
    /// The same from addresses and ports as they lie in a packet of the client's.
    Handshake(const std::uint8_t* addresses, const std::uint8_t* ports, std::uint32_t client_sequence,
              flow::Domain domain) {
        for (std::size_t i = 0; i < ports_at; ++i) words_[i] = load<std::uint64_t>(addresses + 8 * i);
        words_[ports_at] = load<std::uint32_t>(ports);
        set_rest(client_sequence, domain);
    }
    /// Of the same client, had it begun with the next number.
    [[nodiscard]] Handshake one_later() const {
        constexpr std::uint64_t low = 0xFFFF'FFFF;
        Handshake out = *this;
        std::uint64_t& word = out.words_[words - 2];
        word = (word & ~low) | ((word + 1) & low);
        return out;
    }

    /// Block `at` of the message, but the last: of a cookie sent with `timestamp`.
    [[nodiscard]] aes::Words block(std::size_t at, std::uint32_t timestamp) const {
        const std::uint64_t stamp = std::uint64_t{timestamp} << 32;
        return {words_[2 * at] | (2 * at == ports_at ? stamp : 0),
                words_[2 * at + 1] | (2 * at + 1 == ports_at ? stamp : 0)};
    }
    /// The last: of a cookie that says `contents`.
    [[nodiscard]] aes::Words last_block(std::uint32_t contents) const {
        return {words_[words - 2], words_[words - 1] | std::uint64_t{contents} << 32};
    }

  private:
    static constexpr std::size_t words = 2 * blocks;
    static constexpr std::size_t ports_at = AddressBytes / 4;  ///< behind the addresses; above it, room

    void set_rest(std::uint32_t client_sequence, flow::Domain domain) {
        words_[words - 2] = client_sequence | std::uint64_t{domain.vlans_and_pair} << 32;
        words_[words - 1] = domain.zone;
    }

    std::array<std::uint64_t, words> words_{};
};

/// The options of a connection that a cookie remembers.
struct CookieOptions {
    std::uint16_t mss = 0;  ///< the client's, bytes; 0: not offered. Back from a cookie: that of its class
    bool has_timestamps = false;
    bool sack_permitted = false;    ///< this and the rest: only with timestamps
    bool ecn = false;               ///< RFC 3168: the client asked for it, the answer sets ECE
    bool has_window_scale = false;  ///< the client's
    std::uint8_t window_scale = 0;  ///< 0 to 14; more counts as 14 (RFC 7323 2.3)

    friend bool operator==(const CookieOptions&, const CookieOptions&) = default;
};

/// What of a SYN's options a cookie can carry. The caller takes away what the server does not know.
[[nodiscard]] CookieOptions offered_options(const packet::TcpFields& syn);

/// The MSS that is left of `mss` (0: not offered) in a cookie: the largest of four that is not above it, but
/// never less than every host must accept (RFC 9293 3.7.1: 536 of IPv4, 1220 of IPv6), however little it
/// claims.
///
/// 1460 and 1440 fill an Ethernet frame, by far the most frequent, and must stay whole. Below them lies what
/// tunnels and PPPoE leave, down to about 1300; Alcock and Nelson ("An Analysis of TCP Maximum Segment
/// Sizes", 2010) and Linux's table after them put many there and hardly any between 1300 and the default. One
/// value halves that stretch, so that nobody on it loses more than 7.1 % of a segment and PPPoE (1452,
/// 1432) 3.6 %. Jumbo frames count as Ethernet's: they do not cross the Internet.
template <unsigned AddressBytes>
[[nodiscard]] std::uint16_t remembered_mss(std::uint16_t mss);

/// What goes into the SYN,ACK.
struct Cookie {
    std::uint32_t sequence = 0;
    std::uint32_t timestamp = 0;  ///< TSval; 0 without timestamps

    friend bool operator==(const Cookie&, const Cookie&) = default;
};

enum class CookieVerdict : std::uint8_t {
    good,
    wrong,    ///< forged, of another handshake, or older than "too old"
    too_old,  ///< was good up to two slots ago (as long as its secret is still there)
};

struct CookieCheck {
    CookieVerdict verdict = CookieVerdict::wrong;
    CookieOptions options;  ///< when good
};

/// Makes and checks cookies. One for each worker, all with the same secrets; not for two threads at once.
/// `now` is the tracker's clock; all answers to one client should be from one clock.
class SynCookies {
  public:
    /// 48 bytes from the kernel's generator; never printed.
    struct Secrets {
        std::array<aes::Words, 2> turns{};
        aes::Words timestamps{};
    };
    explicit SynCookies(const Secrets& secrets);

    /// Replaces the secret whose turn is not; it is used from the next turn on, at most secret_turn away.
    /// Call it at least once a turn, for all workers with the same secret: who does not call it has the two
    /// take turns for ever. False in a turn's first and last slot, where nothing is done: there the secret
    /// may still be needed, or workers might not all have it in time.
    [[nodiscard]] bool replace_secret(const aes::Words& fresh, Tick now);
    [[nodiscard]] const Secrets& secrets() const { return secrets_; }

    template <unsigned AddressBytes>
    [[nodiscard]] Cookie make(const Handshake<AddressBytes>& syn, const CookieOptions& options,
                              Tick now) const;
    /// The same of as many SYNs as there are; all spans are of one size. Four go side by side.
    template <unsigned AddressBytes>
    void make(std::span<const Handshake<AddressBytes>> syns, std::span<const CookieOptions> options, Tick now,
              std::span<Cookie> out) const;

    /// Checks the ACK that completes a handshake; it may carry data and FIN, but must be the first after the
    /// SYN by its sequence number. `acknowledgement` is the segment's, one more than the cookie;
    /// `timestamp_echo` its TSecr, none when it has no timestamps.
    template <unsigned AddressBytes>
    [[nodiscard]] CookieCheck check(const Handshake<AddressBytes>& ack, std::uint32_t acknowledgement,
                                    std::optional<std::uint32_t> timestamp_echo, Tick now) const;
    /// The same of an ACK without payload, which may also be a probe with the number before, of a client
    /// whose ACK was lost: then the client began one later than `as_ack` says, which is asked about when
    /// `as_ack` is wrong.
    struct EitherCheck : CookieCheck {
        bool is_probe = false;
    };
    template <unsigned AddressBytes>
    [[nodiscard]] EitherCheck check_either(const Handshake<AddressBytes>& as_ack,
                                           std::uint32_t acknowledgement,
                                           std::optional<std::uint32_t> timestamp_echo, Tick now) const;

    static constexpr std::uint32_t slots_in_turn = secret_turn / cookie_slot;

  private:
    [[nodiscard]] static std::uint32_t turn_of(std::uint32_t slot) { return slot / slots_in_turn % 2; }
    /// Of a secret, for the messages of either family.
    struct Keys {
        aes::Key ipv4, ipv6;

        Keys() = default;
        explicit Keys(const aes::Words& secret);
        template <unsigned AddressBytes>
        [[nodiscard]] const aes::Key& of() const {
            return AddressBytes == 4 ? ipv4 : ipv6;
        }
    };
    template <unsigned AddressBytes>
    [[nodiscard]] const aes::Key& key_of(std::uint32_t slot) const {
        return turns_[turn_of(slot)].template of<AddressBytes>();
    }

    Secrets secrets_;
    std::array<Keys, 2> turns_;  ///< of the secrets, as the next
    Keys timestamps_;
};

}  // namespace sluice::guard
