#include "sluice/guard/cookie.hpp"

#include <algorithm>

namespace sluice::guard {
namespace {

constexpr unsigned class_bits = 2;
constexpr unsigned named_bits = class_bits + 1;  // and the slot's parity
constexpr std::uint32_t slot_count = 0xFFFF'FFFFU / cookie_slot + 1;
constexpr std::uint32_t slots_in_turn = secret_turn / cookie_slot;
static_assert(slot_count % (2 * slots_in_turn) == 0, "turns and parity go on when the clock goes round");

std::uint32_t slot_of(Tick now) {
    return now / cookie_slot;
}

// ---- The class of an MSS, and back

template <unsigned AddressBytes>
constexpr std::array<std::uint16_t, 1U << class_bits> mss_of_class =
    AddressBytes == 4 ? std::array<std::uint16_t, 1U << class_bits>{536, 1300, 1400, 1460}
                      : std::array<std::uint16_t, 1U << class_bits>{1220, 1300, 1380, 1440};

template <unsigned AddressBytes>
std::uint32_t class_of(std::uint16_t mss) {
    const auto& least = mss_of_class<AddressBytes>;
    return static_cast<std::uint32_t>(mss >= least[1]) + static_cast<std::uint32_t>(mss >= least[2]) +
           static_cast<std::uint32_t>(mss >= least[3]);
}

// ---- The low bits of the timestamp

constexpr unsigned timestamp_bits = 6;
constexpr std::uint32_t timestamp_mask = (1U << timestamp_bits) - 1;
constexpr std::uint32_t scale_mask = 15;
constexpr std::uint32_t no_scale = 15;
constexpr std::uint32_t largest_scale = 14;
constexpr std::uint32_t sack_bit = 1U << 4;
constexpr std::uint32_t ecn_bit = 1U << 5;

std::uint32_t timestamp_bits_of(const CookieOptions& options) {
    const std::uint32_t scale =
        options.has_window_scale ? std::min<std::uint32_t>(options.window_scale, largest_scale) : no_scale;
    return scale | (options.sack_permitted ? sack_bit : 0) | (options.ecn ? ecn_bit : 0);
}

CookieOptions options_of(std::uint16_t mss, std::optional<std::uint32_t> timestamp) {
    CookieOptions out{.mss = mss};
    if (!timestamp) return out;
    const std::uint32_t scale = *timestamp & scale_mask;
    out.has_timestamps = true;
    out.sack_permitted = (*timestamp & sack_bit) != 0;
    out.ecn = (*timestamp & ecn_bit) != 0;
    out.has_window_scale = scale != no_scale;
    if (out.has_window_scale) out.window_scale = static_cast<std::uint8_t>(scale);
    return out;
}

// The largest value that is not beyond the clock and ends in the bits of `options`; 0 without timestamps.
std::uint32_t timestamp_of(const CookieOptions& options, Tick now, std::uint64_t offset) {
    if (!options.has_timestamps) return 0;
    const std::uint32_t clock = now + static_cast<std::uint32_t>(offset);
    return clock - ((clock - timestamp_bits_of(options)) & timestamp_mask);
}

// ---- The cookie

// What a cookie says, as the MAC covers it: slot, class, whether there are timestamps. 20 bits.
std::uint32_t contents_of(std::uint32_t slot, std::uint32_t mss_class, bool has_timestamps) {
    static_assert(slot_count == 1U << 17);
    return slot | mss_class << 17 | (has_timestamps ? 1U << 19 : 0);
}

// The lower bits of a cookie, before they are masked: the slot's parity and the class.
std::uint32_t named_in(std::uint32_t contents) {
    return (contents & 1U) << class_bits | (contents >> 17 & ((1U << class_bits) - 1));
}

// The mask is made of bits that the cookie shows anyway, so that the check can take it off first.
std::uint32_t mask_under(std::uint32_t cookie) {
    return cookie >> (32 - named_bits);
}

std::uint32_t cookie_of(std::uint64_t mac, std::uint32_t contents) {
    const auto code = static_cast<std::uint32_t>(mac >> 32) & ~((1U << named_bits) - 1);
    return code | (named_in(contents) ^ mask_under(code));
}

template <unsigned AddressBytes>
std::uint64_t mac_of(const Handshake<AddressBytes>& handshake, std::uint32_t timestamp,
                     std::uint32_t contents, const SipHashKey& key) {
    std::array<std::uint64_t, Handshake<AddressBytes>::words> message;
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = handshake.word(i, timestamp, contents);
    return siphash_words(message, key);
}

// What a cookie says of itself, to be believed when its MAC holds.
struct Claim {
    std::uint32_t cookie, mss_class;
    std::uint32_t slot;  // this one or the one before, whichever has the parity

    Claim(std::uint32_t the_cookie, Tick now) : cookie(the_cookie) {
        const std::uint32_t named = (cookie ^ mask_under(cookie)) & ((1U << named_bits) - 1);
        mss_class = named & ((1U << class_bits) - 1);
        const std::uint32_t parity = named >> class_bits;
        slot = (slot_of(now) - ((slot_of(now) ^ parity) & 1U)) % slot_count;
    }
    [[nodiscard]] std::uint32_t slot_too_old() const { return (slot - 2) % slot_count; }
};

// ---- Four at once

constexpr std::size_t side_by_side = sizeof(SipHashLanes) / sizeof(std::uint64_t);
// One alone costs 88 cycles (IPv4) or 138 (IPv6), four at once 187 or 290, however few of them are wanted.
constexpr std::size_t fewest_side_by_side = 3;
using FourWords = std::array<std::uint32_t, side_by_side>;

// `of(lane)` of each.
template <class Of>
[[gnu::always_inline]] inline SipHashLanes gathered(Of&& of) {
    static_assert(side_by_side == 4);
    return SipHashLanes{of(0U), of(1U), of(2U), of(3U)};
}

// The cookies of the first four SYNs. Where there are no four, the last stands in for the others. Inlined: a
// call costs 4 to 8 cycles per cookie, by what the compiler then knows of the spans.
template <unsigned AddressBytes>
[[gnu::always_inline]] inline void make_four(const SipHashKey& key, const SipHashKey& timestamp_key,
                                             std::span<const Handshake<AddressBytes>> syns,
                                             std::span<const CookieOptions> options, Tick now,
                                             std::span<Cookie> out) {
    using Syn = Handshake<AddressBytes>;
    const std::size_t count = std::min(side_by_side, syns.size());
    std::array<const Syn*, side_by_side> four;
    std::array<const CookieOptions*, side_by_side> wanted;
    FourWords contents, timestamps{};
    bool any_timestamps = false;
    for (std::size_t lane = 0; lane < side_by_side; ++lane) {
        const std::size_t at = std::min(lane, count - 1);
        four[lane] = &syns[at];
        wanted[lane] = &options[at];
        contents[lane] = contents_of(slot_of(now), class_of<AddressBytes>(wanted[lane]->mss),
                                     wanted[lane]->has_timestamps);
        any_timestamps |= wanted[lane]->has_timestamps;
    }
    if (any_timestamps) {
        std::array<SipHashLanes, Syn::endpoint_words> endpoints;
        for (std::size_t i = 0; i < endpoints.size(); ++i)
            endpoints[i] = gathered([&](unsigned lane) { return four[lane]->endpoint_word(i); });
        const SipHashLanes offsets = siphash_words(endpoints, timestamp_key);
        for (std::size_t lane = 0; lane < side_by_side; ++lane)
            timestamps[lane] = timestamp_of(*wanted[lane], now, offsets[lane]);
    }
    std::array<SipHashLanes, Syn::words> message;
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] =
            gathered([&](unsigned lane) { return four[lane]->word(i, timestamps[lane], contents[lane]); });
    const SipHashLanes macs = siphash_words(message, key);
    for (std::size_t lane = 0; lane < count; ++lane)
        out[lane] = {cookie_of(macs[lane], contents[lane]), timestamps[lane]};
}

}  // namespace

CookieOptions offered_options(const packet::TcpFields& syn) {
    CookieOptions out{.mss = syn.options.mss};
    if (!syn.options.has_timestamps) return out;
    out.has_timestamps = true;
    out.sack_permitted = syn.options.sack_permitted;
    out.ecn = (syn.flags & (packet::ece | packet::cwr)) == (packet::ece | packet::cwr);  // RFC 3168 6.1.1
    out.has_window_scale = syn.options.has_window_scale;
    out.window_scale = syn.options.window_scale;
    return out;
}

template <unsigned AddressBytes>
std::uint16_t remembered_mss(std::uint16_t mss) {
    return mss_of_class<AddressBytes>[class_of<AddressBytes>(mss)];
}

std::uint32_t SynCookies::turn_of(std::uint32_t slot) {
    return slot / slots_in_turn % 2;
}

bool SynCookies::replace_secret(const SipHashKey& fresh, Tick now) {
    const std::uint32_t slot = slot_of(now);
    const std::uint32_t slot_in_turn = slot % slots_in_turn;
    if (slot_in_turn == 0 || slot_in_turn == slots_in_turn - 1) return false;
    secrets_.turns[1 - turn_of(slot)] = fresh;
    return true;
}

template <unsigned AddressBytes>
Cookie SynCookies::make(const Handshake<AddressBytes>& syn, const CookieOptions& options, Tick now) const {
    const std::uint32_t slot = slot_of(now);
    std::uint32_t timestamp = 0;
    if (options.has_timestamps) {
        std::array<std::uint64_t, Handshake<AddressBytes>::endpoint_words> endpoints;
        for (std::size_t i = 0; i < endpoints.size(); ++i) endpoints[i] = syn.endpoint_word(i);
        timestamp = timestamp_of(options, now, siphash_words(endpoints, secrets_.timestamps));
    }
    const std::uint32_t contents =
        contents_of(slot, class_of<AddressBytes>(options.mss), options.has_timestamps);
    return {cookie_of(mac_of(syn, timestamp, contents, key_of(slot)), contents), timestamp};
}

template <unsigned AddressBytes>
void SynCookies::make(std::span<const Handshake<AddressBytes>> syns, std::span<const CookieOptions> options,
                      Tick now, std::span<Cookie> out) const {
    while (syns.size() >= fewest_side_by_side) {
        make_four(key_of(slot_of(now)), secrets_.timestamps, syns, options, now, out);
        const std::size_t done = std::min(side_by_side, syns.size());
        syns = syns.subspan(done);
        options = options.subspan(done);
        out = out.subspan(done);
    }
    for (std::size_t i = 0; i < syns.size(); ++i) out[i] = make(syns[i], options[i], now);
}

template <unsigned AddressBytes>
CookieCheck SynCookies::check(const Handshake<AddressBytes>& ack, std::uint32_t acknowledgement,
                              std::optional<std::uint32_t> timestamp_echo, Tick now) const {
    const Claim claim(acknowledgement - 1, now);
    const auto is_of = [&](std::uint32_t slot) {
        const std::uint32_t contents = contents_of(slot, claim.mss_class, timestamp_echo.has_value());
        const std::uint64_t mac = mac_of(ack, timestamp_echo.value_or(0), contents, key_of(slot));
        return cookie_of(mac, contents) == claim.cookie;
    };
    if (is_of(claim.slot))
        return {CookieVerdict::good, options_of(mss_of_class<AddressBytes>[claim.mss_class], timestamp_echo)};
    if (is_of(claim.slot_too_old())) return {CookieVerdict::too_old, {}};
    return {CookieVerdict::wrong, {}};
}

template <unsigned AddressBytes>
SynCookies::EitherCheck SynCookies::check_either(const Handshake<AddressBytes>& as_ack,
                                                 const Handshake<AddressBytes>& as_probe,
                                                 std::uint32_t acknowledgement,
                                                 std::optional<std::uint32_t> timestamp_echo,
                                                 Tick now) const {
    const Claim claim(acknowledgement - 1, now);
    if (turn_of(claim.slot) != turn_of(claim.slot_too_old())) [[unlikely]] {  // under two secrets
        const CookieCheck first = check(as_ack, acknowledgement, timestamp_echo, now);
        if (first.verdict != CookieVerdict::wrong) return {first, false};
        return {check(as_probe, acknowledgement, timestamp_echo, now), true};
    }
    const bool stamped = timestamp_echo.has_value();
    const std::uint32_t timestamp = timestamp_echo.value_or(0);
    const FourWords contents{contents_of(claim.slot, claim.mss_class, stamped),
                             contents_of(claim.slot_too_old(), claim.mss_class, stamped),
                             contents_of(claim.slot, claim.mss_class, stamped),
                             contents_of(claim.slot_too_old(), claim.mss_class, stamped)};
    std::array<SipHashLanes, Handshake<AddressBytes>::words> message;
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] = gathered(
            [&](unsigned lane) { return (lane < 2 ? as_ack : as_probe).word(i, timestamp, contents[lane]); });
    const SipHashLanes macs = siphash_words(message, key_of(claim.slot));
    for (unsigned lane = 0; lane < side_by_side; ++lane) {
        if (cookie_of(macs[lane], contents[lane]) != claim.cookie) [[likely]]
            continue;
        const bool is_probe = lane >= 2;
        if (lane % 2 != 0) return {{CookieVerdict::too_old, {}}, is_probe};
        return {
            {CookieVerdict::good, options_of(mss_of_class<AddressBytes>[claim.mss_class], timestamp_echo)},
            is_probe};
    }
    return {};
}

template std::uint16_t remembered_mss<4>(std::uint16_t);
template std::uint16_t remembered_mss<16>(std::uint16_t);
template Cookie SynCookies::make(const Handshake<4>&, const CookieOptions&, Tick) const;
template Cookie SynCookies::make(const Handshake<16>&, const CookieOptions&, Tick) const;
template void SynCookies::make(std::span<const Handshake<4>>, std::span<const CookieOptions>, Tick,
                               std::span<Cookie>) const;
template void SynCookies::make(std::span<const Handshake<16>>, std::span<const CookieOptions>, Tick,
                               std::span<Cookie>) const;
template SynCookies::EitherCheck SynCookies::check_either(const Handshake<4>&, const Handshake<4>&,
                                                          std::uint32_t, std::optional<std::uint32_t>,
                                                          Tick) const;
template SynCookies::EitherCheck SynCookies::check_either(const Handshake<16>&, const Handshake<16>&,
                                                          std::uint32_t, std::optional<std::uint32_t>,
                                                          Tick) const;
template CookieCheck SynCookies::check(const Handshake<4>&, std::uint32_t, std::optional<std::uint32_t>,
                                       Tick) const;
template CookieCheck SynCookies::check(const Handshake<16>&, std::uint32_t, std::optional<std::uint32_t>,
                                       Tick) const;

}  // namespace sluice::guard
