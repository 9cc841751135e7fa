#include "sluice/guard/cookie.hpp"

#include <algorithm>

namespace sluice::guard {
namespace {

constexpr unsigned class_bits = 2;
constexpr unsigned named_bits = class_bits + 1;  // and the slot's parity
constexpr std::uint32_t slot_count = 0xFFFF'FFFFU / cookie_slot + 1;
constexpr std::uint32_t slots_in_turn = SynCookies::slots_in_turn;
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

// ---- The MAC

using aes::Block;

// Several blocks, of other messages each, go side by side.
template <std::size_t count>
using Blocks = std::array<Block, count>;

// All but the last block of messages, chained. `message(i)` is a handshake, `timestamp(i)` what its cookie
// was sent with.
template <unsigned AddressBytes, std::size_t count, class Message, class Timestamp>
[[gnu::always_inline]] inline Blocks<count> chained(Message&& message, Timestamp&& timestamp,
                                                    const aes::Key& key) {
    Blocks<count> out;
    for (std::size_t i = 0; i < count; ++i) out[i] = Block(message(i).block(0, timestamp(i)));
    aes::encrypt(out, key);
    for (std::size_t at = 1; at + 1 < Handshake<AddressBytes>::blocks; ++at) {
        for (std::size_t i = 0; i < count; ++i) out[i] = out[i] ^ Block(message(i).block(at, timestamp(i)));
        aes::encrypt(out, key);
    }
    return out;
}

std::uint64_t mac_of(const Block& last) {
    return last.words()[0];
}

template <unsigned AddressBytes>
std::uint64_t mac_of(const Handshake<AddressBytes>& handshake, std::uint32_t timestamp,
                     std::uint32_t contents, const aes::Key& key) {
    const auto [chain] = chained<AddressBytes, 1>(
        [&](std::size_t) -> const auto& { return handshake; }, [&](std::size_t) { return timestamp; }, key);
    return mac_of(aes::encrypted(chain ^ Block(handshake.last_block(contents)), key));
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
    // What stands below the MAC's bits follows from them, from the class and from the slot's parity, all of
    // which are the claim's own.
    [[nodiscard]] bool holds_by(std::uint64_t mac) const {
        return (((mac >> 32) ^ cookie) >> named_bits) << named_bits == 0;
    }
};

// ---- Four at once

constexpr std::size_t side_by_side = 4;

// The cookies of the first `count` SYNs. Inlined: the compiler then knows more of the spans.
template <unsigned AddressBytes, std::size_t count>
[[gnu::always_inline]] inline void make_some(const aes::Key& key, const aes::Key& timestamp_key,
                                             const Handshake<AddressBytes>* syns,
                                             const CookieOptions* options, Tick now, Cookie* out) {
    const auto syn = [&](std::size_t i) -> const Handshake<AddressBytes>& { return syns[i]; };
    std::array<std::uint32_t, count> timestamps{};
    bool any_timestamps = false;
    for (std::size_t i = 0; i < count; ++i) any_timestamps |= options[i].has_timestamps;
    if (any_timestamps) {
        const Blocks<count> offsets = chained<AddressBytes, count>(
            syn, [](std::size_t) { return 0U; }, timestamp_key);
        for (std::size_t i = 0; i < count; ++i)
            timestamps[i] = timestamp_of(options[i], now, mac_of(offsets[i]));
    }
    Blocks<count> macs = chained<AddressBytes, count>(
        syn, [&](std::size_t i) { return timestamps[i]; }, key);
    std::array<std::uint32_t, count> contents;
    for (std::size_t i = 0; i < count; ++i) {
        contents[i] =
            contents_of(slot_of(now), class_of<AddressBytes>(options[i].mss), options[i].has_timestamps);
        macs[i] = macs[i] ^ Block(syns[i].last_block(contents[i]));
    }
    aes::encrypt(macs, key);
    for (std::size_t i = 0; i < count; ++i) out[i] = {cookie_of(mac_of(macs[i]), contents[i]), timestamps[i]};
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

SynCookies::Keys::Keys(const aes::Words& secret) {
    const aes::Key parent(secret);
    const auto of_family = [&](std::uint64_t family) {
        return aes::Key(aes::encrypted(Block({family, 0}), parent).words());
    };
    ipv4 = of_family(4);
    ipv6 = of_family(6);
}

SynCookies::SynCookies(const Secrets& secrets)
    : secrets_(secrets),
      turns_{Keys(secrets.turns[0]), Keys(secrets.turns[1])},
      timestamps_(secrets.timestamps) {}

bool SynCookies::replace_secret(const aes::Words& fresh, Tick now) {
    const std::uint32_t slot = slot_of(now);
    const std::uint32_t slot_in_turn = slot % slots_in_turn;
    if (slot_in_turn == 0 || slot_in_turn == slots_in_turn - 1) return false;
    secrets_.turns[1 - turn_of(slot)] = fresh;
    turns_[1 - turn_of(slot)] = Keys(fresh);
    return true;
}

template <unsigned AddressBytes>
Cookie SynCookies::make(const Handshake<AddressBytes>& syn, const CookieOptions& options, Tick now) const {
    Cookie out;
    make_some<AddressBytes, 1>(key_of<AddressBytes>(slot_of(now)), timestamps_.of<AddressBytes>(), &syn,
                               &options, now, &out);
    return out;
}

template <unsigned AddressBytes>
void SynCookies::make(std::span<const Handshake<AddressBytes>> syns, std::span<const CookieOptions> options,
                      Tick now, std::span<Cookie> out) const {
    const aes::Key& key = key_of<AddressBytes>(slot_of(now));
    std::size_t done = 0;
    for (; done + side_by_side <= syns.size(); done += side_by_side)
        make_some<AddressBytes, side_by_side>(key, timestamps_.of<AddressBytes>(), &syns[done],
                                              &options[done], now, &out[done]);
    for (; done < syns.size(); ++done) out[done] = make(syns[done], options[done], now);
}

template <unsigned AddressBytes>
CookieCheck SynCookies::check(const Handshake<AddressBytes>& ack, std::uint32_t acknowledgement,
                              std::optional<std::uint32_t> timestamp_echo, Tick now) const {
    const Claim claim(acknowledgement - 1, now);
    const auto is_of = [&](std::uint32_t slot) {
        const std::uint32_t contents = contents_of(slot, claim.mss_class, timestamp_echo.has_value());
        const std::uint64_t mac =
            mac_of(ack, timestamp_echo.value_or(0), contents, key_of<AddressBytes>(slot));
        return claim.holds_by(mac);
    };
    if (is_of(claim.slot))
        return {CookieVerdict::good, options_of(mss_of_class<AddressBytes>[claim.mss_class], timestamp_echo)};
    if (is_of(claim.slot_too_old())) return {CookieVerdict::too_old, {}};
    return {CookieVerdict::wrong, {}};
}

template <unsigned AddressBytes>
SynCookies::EitherCheck SynCookies::check_either(const Handshake<AddressBytes>& as_ack,
                                                 std::uint32_t acknowledgement,
                                                 std::optional<std::uint32_t> timestamp_echo,
                                                 Tick now) const {
    const Claim claim(acknowledgement - 1, now);
    const Handshake<AddressBytes> as_probe = as_ack.one_later();
    if (turn_of(claim.slot) != turn_of(claim.slot_too_old())) [[unlikely]] {  // under two secrets
        const CookieCheck first = check(as_ack, acknowledgement, timestamp_echo, now);
        if (first.verdict != CookieVerdict::wrong) return {first, false};
        return {check(as_probe, acknowledgement, timestamp_echo, now), true};
    }
    const aes::Key& key = key_of<AddressBytes>(claim.slot);
    const std::uint32_t timestamp = timestamp_echo.value_or(0);
    const auto [chain] = chained<AddressBytes, 1>(
        [&](std::size_t) -> const auto& { return as_ack; }, [&](std::size_t) { return timestamp; }, key);
    // This slot or too old, ACK or probe: four questions.
    const bool stamped = timestamp_echo.has_value();
    const std::array<std::uint32_t, 2> contents{contents_of(claim.slot, claim.mss_class, stamped),
                                                contents_of(claim.slot_too_old(), claim.mss_class, stamped)};
    Blocks<4> macs{
        chain ^ Block(as_ack.last_block(contents[0])), chain ^ Block(as_ack.last_block(contents[1])),
        chain ^ Block(as_probe.last_block(contents[0])), chain ^ Block(as_probe.last_block(contents[1]))};
    aes::encrypt(macs, key);
    for (unsigned question = 0; question < macs.size(); ++question) {
        if (!claim.holds_by(mac_of(macs[question]))) [[likely]]
            continue;
        const bool is_probe = question >= 2;
        if (question % 2 != 0) return {{CookieVerdict::too_old, {}}, is_probe};
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
template SynCookies::EitherCheck SynCookies::check_either(const Handshake<4>&, std::uint32_t,
                                                          std::optional<std::uint32_t>, Tick) const;
template SynCookies::EitherCheck SynCookies::check_either(const Handshake<16>&, std::uint32_t,
                                                          std::optional<std::uint32_t>, Tick) const;
template CookieCheck SynCookies::check(const Handshake<4>&, std::uint32_t, std::optional<std::uint32_t>,
                                       Tick) const;
template CookieCheck SynCookies::check(const Handshake<16>&, std::uint32_t, std::optional<std::uint32_t>,
                                       Tick) const;

}  // namespace sluice::guard
