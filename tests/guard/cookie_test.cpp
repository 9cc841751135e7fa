// SYN cookies: what is put in comes out, for as long as it must and no longer, and nothing else is good.
// SLUICE_GUESSES_PERCENT scales how often is guessed.
#include "sluice/guard/cookie.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace sluice::guard {

static void PrintTo(CookieVerdict verdict, std::ostream* out) {
    *out << (verdict == CookieVerdict::good      ? "good"
             : verdict == CookieVerdict::too_old ? "too old"
                                                 : "wrong");
}

namespace {

class Random {  // splitmix64
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    std::uint32_t word() { return static_cast<std::uint32_t>(next() >> 32); }

  private:
    std::uint64_t state_;
};

unsigned scaled(unsigned guesses) {
    const char* const percent = std::getenv("SLUICE_GUESSES_PERCENT");
    return percent == nullptr ? guesses : static_cast<unsigned>(guesses * std::stoull(percent) / 100);
}

SynCookies::Secrets secrets_of(std::uint64_t seed) {
    Random random(seed);
    SynCookies::Secrets out;
    for (aes::Words* key : {&out.turns[0], &out.turns[1], &out.timestamps})
        *key = {random.next(), random.next()};
    return out;
}

/// All that identifies a handshake, as bytes, so that a test can flip each bit.
template <unsigned AddressBytes>
struct Tuple {
    std::array<std::uint8_t, AddressBytes> client, server;
    std::uint16_t client_port, server_port;
    std::uint32_t client_sequence;
    std::uint32_t vlans_and_pair;
    std::uint16_t zone;
    std::uint16_t padding;

    /// `padding` is no part of it.
    static constexpr std::size_t bits = 8 * (2 * AddressBytes + 4 + 4 + 4 + 2);

    [[nodiscard]] Handshake<AddressBytes> handshake() const {
        return {client.data(), server.data(),   client_port,
                server_port,   client_sequence, flow::Domain{vlans_and_pair, zone}};
    }
    [[nodiscard]] Tuple with_bit_flipped(std::size_t bit) const {
        Tuple out = *this;
        reinterpret_cast<std::uint8_t*>(&out)[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        return out;
    }
    static Tuple random(Random& random) {
        std::array<std::uint64_t, (sizeof(Tuple) + 7) / 8> words;
        for (auto& word : words) word = random.next();
        return load<Tuple>(words.data());
    }
};
static_assert(sizeof(Tuple<4>) == 24 && sizeof(Tuple<16>) == 48);

CookieOptions with_timestamps(std::uint16_t mss, bool sack, bool ecn, int scale) {
    return {.mss = mss,
            .has_timestamps = true,
            .sack_permitted = sack,
            .ecn = ecn,
            .has_window_scale = scale >= 0,
            .window_scale = static_cast<std::uint8_t>(std::max(scale, 0))};
}

/// With timestamps, or nothing but an MSS.
CookieOptions random_options(Random& random) {
    const std::uint32_t drawn = random.word();
    const auto mss = static_cast<std::uint16_t>(drawn % 1600);
    if ((drawn >> 16) % 4 == 0) return {.mss = mss};
    return with_timestamps(mss, (drawn >> 20 & 1) != 0, (drawn >> 21 & 1) != 0,
                           static_cast<int>((drawn >> 22) % 16) - 1);
}

std::optional<std::uint32_t> echo_of(const Cookie& cookie, const CookieOptions& options) {
    return options.has_timestamps ? std::optional(cookie.timestamp) : std::nullopt;
}

// ---- Plain versions, by the portable AES over bytes: what cookie.hpp says, field by field

template <class... Fields>
std::vector<std::uint8_t> bytes_of(const Fields&... fields) {
    std::vector<std::uint8_t> out;
    const auto add = [&out](const auto& field) {
        const auto bytes = load<std::array<std::uint8_t, sizeof field>>(&field);
        out.insert(out.end(), bytes.begin(), bytes.end());
    };
    (add(fields), ...);
    return out;
}

/// The first eight bytes of the CBC-MAC of whole blocks, under a key of this family.
std::uint64_t plain_mac(std::vector<std::uint8_t> message, const aes::Words& secret, std::uint64_t family) {
    using aes::PortableBlock;
    const aes::Key key(aes::encrypted(PortableBlock({family, 0}), aes::Key(secret)).words());
    EXPECT_EQ(message.size() % 16, 0U);
    PortableBlock state;
    for (std::size_t at = 0; at < message.size(); at += 16)
        state = aes::encrypted(state ^ PortableBlock(load<aes::Words>(&message[at])), key);
    return state.words()[0];
}

/// The blocks that say who talks to whom.
template <unsigned AddressBytes>
std::vector<std::uint8_t> plain_endpoints(const Tuple<AddressBytes>& tuple, std::uint32_t timestamp) {
    auto out =
        bytes_of(tuple.client, tuple.server, be16(tuple.client_port), be16(tuple.server_port), timestamp);
    out.resize((out.size() + 15) / 16 * 16);
    return out;
}

/// How far a client's timestamps are ahead of the tracker's clock.
template <unsigned AddressBytes>
std::uint32_t plain_offset(const Tuple<AddressBytes>& tuple, const SynCookies::Secrets& secrets) {
    return static_cast<std::uint32_t>(
        plain_mac(plain_endpoints(tuple, 0), secrets.timestamps, AddressBytes == 4 ? 4 : 6));
}

template <unsigned AddressBytes>
Cookie plain_cookie(const Tuple<AddressBytes>& tuple, const CookieOptions& options, Tick now,
                    const SynCookies::Secrets& secrets) {
    constexpr bool v4 = AddressBytes == 4;
    Cookie out;
    if (options.has_timestamps) {
        const unsigned scale = options.has_window_scale ? options.window_scale : 15;
        const unsigned low = scale + (options.sack_permitted ? 16 : 0) + (options.ecn ? 32 : 0);
        out.timestamp = now + plain_offset(tuple, secrets);
        while (out.timestamp % 64 != low) --out.timestamp;
    }
    const std::uint32_t mss_class = options.mss >= (v4 ? 1460 : 1440)   ? 3
                                    : options.mss >= (v4 ? 1400 : 1380) ? 2
                                    : options.mss >= 1300               ? 1
                                                                        : 0;
    const std::uint32_t slot = now / 32768;
    const std::uint32_t contents = slot + (mss_class << 17) + (options.has_timestamps ? 1U << 19 : 0);
    auto message = plain_endpoints(tuple, out.timestamp);
    const auto last =
        bytes_of(tuple.client_sequence, tuple.vlans_and_pair, tuple.zone, std::uint16_t{0}, contents);
    message.insert(message.end(), last.begin(), last.end());
    const std::uint64_t mac = plain_mac(message, secrets.turns[slot / 128 % 2], v4 ? 4 : 6);
    out.sequence = static_cast<std::uint32_t>(mac >> 35) << 3;
    out.sequence += (slot % 2 * 4 + mss_class) ^ out.sequence >> 29;
    return out;
}

template <class Of>
class CookieTest : public testing::Test {
  protected:
    static constexpr unsigned address_bytes = Of::value;
    using Tuple = guard::Tuple<Of::value>;

    /// What the client's ACK to `cookie` brings.
    static CookieCheck answered(const SynCookies& cookies, const Tuple& tuple, const CookieOptions& options,
                                const Cookie& cookie, Tick now) {
        return cookies.check(tuple.handshake(), cookie.sequence + 1, echo_of(cookie, options), now);
    }

    Random random_{Of::value};
    SynCookies cookies_{secrets_of(7)};
};
using Families = testing::Types<std::integral_constant<unsigned, 4>, std::integral_constant<unsigned, 16>>;
TYPED_TEST_SUITE(CookieTest, Families);

// ---- What comes back

TYPED_TEST(CookieTest, EveryCombinationOfOptionsComesBack) {
    for (const std::uint16_t mss : std::array<std::uint16_t, 5>{536, 1220, 1300, 1399, 1460}) {
        for (int scale = -1; scale <= 14; ++scale) {
            for (const bool sack : {false, true}) {
                for (const bool ecn : {false, true}) {
                    const auto tuple = TestFixture::Tuple::random(this->random_);
                    CookieOptions options = with_timestamps(mss, sack, ecn, scale);
                    const Tick now = this->random_.word();
                    const Cookie cookie = this->cookies_.make(tuple.handshake(), options, now);
                    const CookieCheck check = this->answered(this->cookies_, tuple, options, cookie, now);
                    ASSERT_EQ(check.verdict, CookieVerdict::good);
                    options.mss = remembered_mss<TestFixture::address_bytes>(mss);
                    ASSERT_EQ(check.options, options) << "MSS " << mss << ", scale " << scale;
                }
            }
        }
    }
}

TYPED_TEST(CookieTest, WithoutTimestampsOnlyTheMssComesBack) {
    const auto tuple = TestFixture::Tuple::random(this->random_);
    CookieOptions options = with_timestamps(1460, true, true, 7);
    options.has_timestamps = false;
    const Cookie cookie = this->cookies_.make(tuple.handshake(), options, 5);
    EXPECT_EQ(cookie.timestamp, 0U);
    const CookieCheck check = this->answered(this->cookies_, tuple, options, cookie, 5);
    ASSERT_EQ(check.verdict, CookieVerdict::good);
    EXPECT_EQ(check.options,
              (CookieOptions{.mss = remembered_mss<TestFixture::address_bytes>(std::uint16_t{1460})}));
}

TYPED_TEST(CookieTest, WindowScalesBeyondFourteenCountAsFourteen) {
    for (const int scale : {15, 16, 255}) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const CookieOptions options = with_timestamps(1460, false, false, scale);
        const Cookie cookie = this->cookies_.make(tuple.handshake(), options, 5);
        const CookieCheck check = this->answered(this->cookies_, tuple, options, cookie, 5);
        ASSERT_EQ(check.verdict, CookieVerdict::good);
        EXPECT_EQ(check.options, with_timestamps(check.options.mss, false, false, 14));
    }
}

TYPED_TEST(CookieTest, TheMssIsTheLargestRememberedOneThatIsNotAboveTheClients) {
    constexpr bool v4 = TestFixture::address_bytes == 4;
    const std::array<std::uint16_t, 4> remembered = v4 ? std::array<std::uint16_t, 4>{536, 1300, 1400, 1460}
                                                       : std::array<std::uint16_t, 4>{1220, 1300, 1380, 1440};
    for (unsigned mss = 0; mss <= 0xFFFF; ++mss) {
        // Not offered, 0, 1 and whatever else is below what every host must accept: the default.
        std::uint16_t expected = remembered[0];
        for (const std::uint16_t value : remembered) {
            if (value <= mss) expected = value;
        }
        ASSERT_EQ(remembered_mss<TestFixture::address_bytes>(static_cast<std::uint16_t>(mss)), expected)
            << mss;
    }
}

TEST(CookieOptions, AreThoseOfTheSynAndNothingButTheMssWithoutTimestamps) {
    packet::TcpFields syn;
    syn.flags = packet::syn | packet::ece | packet::cwr;
    syn.options.mss = 1452;
    syn.options.sack_permitted = true;
    syn.options.has_window_scale = true;
    syn.options.window_scale = 9;
    EXPECT_EQ(offered_options(syn), CookieOptions{.mss = 1452});
    syn.options.has_timestamps = true;
    EXPECT_EQ(offered_options(syn), with_timestamps(1452, true, true, 9));
    syn.flags = packet::syn | packet::ece;
    EXPECT_EQ(offered_options(syn), with_timestamps(1452, true, false, 9))
        << "RFC 3168 6.1.1 wants both bits";
    syn.flags = packet::syn | packet::cwr;
    EXPECT_FALSE(offered_options(syn).ecn);
    syn.options = {};
    syn.options.has_timestamps = true;
    EXPECT_EQ(offered_options(syn), with_timestamps(0, false, false, -1));
}

TYPED_TEST(CookieTest, AreWhatTheirDescriptionSays) {
    for (int round = 0; round < 2000; ++round) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const CookieOptions options = random_options(this->random_);
        const Tick now = this->random_.word();
        ASSERT_EQ(this->cookies_.make(tuple.handshake(), options, now),
                  plain_cookie(tuple, options, now, secrets_of(7)));
    }
}

TYPED_TEST(CookieTest, ManyAtOnceAreThoseMadeOneByOne) {
    for (std::size_t count = 0; count <= 19; ++count) {
        for (int round = 0; round < 50; ++round) {
            std::vector<Handshake<TestFixture::address_bytes>> syns;
            std::vector<CookieOptions> options;
            for (std::size_t i = 0; i < count; ++i) {
                syns.push_back(TestFixture::Tuple::random(this->random_).handshake());
                options.push_back(round == 0 ? CookieOptions{.mss = 1400} : random_options(this->random_));
            }
            const Tick now = this->random_.word();
            std::vector<Cookie> out(count);
            this->cookies_.template make<TestFixture::address_bytes>(syns, options, now, out);
            for (std::size_t i = 0; i < count; ++i)
                ASSERT_EQ(out[i], this->cookies_.make(syns[i], options[i], now)) << i << " of " << count;
        }
    }
}

// ---- Time

TYPED_TEST(CookieTest, IsGoodInItsSlotAndTheNextAndThenTooOld) {
    // Also where the clock goes round, and where the secrets take turns.
    for (const Tick slot_start :
         {Tick{0}, cookie_slot, 1000 * cookie_slot, Tick{0} - cookie_slot, Tick{0} - 2 * cookie_slot,
          secret_turn - cookie_slot, secret_turn, 2 * secret_turn - cookie_slot, 2 * secret_turn}) {
        for (const Tick into : {Tick{0}, Tick{1}, cookie_slot / 2, cookie_slot - 1}) {
            const auto tuple = TestFixture::Tuple::random(this->random_);
            const CookieOptions options = random_options(this->random_);
            const Cookie cookie = this->cookies_.make(tuple.handshake(), options, slot_start + into);
            const auto verdict_at = [&](Tick since_slot_start) {
                return this->answered(this->cookies_, tuple, options, cookie, slot_start + since_slot_start)
                    .verdict;
            };
            EXPECT_EQ(verdict_at(into), CookieVerdict::good);
            EXPECT_EQ(verdict_at(cookie_slot - 1), CookieVerdict::good);
            EXPECT_EQ(verdict_at(cookie_slot), CookieVerdict::good);
            EXPECT_EQ(verdict_at(2 * cookie_slot - 1), CookieVerdict::good);
            EXPECT_EQ(verdict_at(2 * cookie_slot), CookieVerdict::too_old);
            EXPECT_EQ(verdict_at(4 * cookie_slot - 1), CookieVerdict::too_old);
            EXPECT_EQ(verdict_at(4 * cookie_slot), CookieVerdict::wrong) << "who knows";
            EXPECT_EQ(verdict_at(100 * cookie_slot), CookieVerdict::wrong);
        }
    }
}

TEST(CookieTime, ACookieLivesHalfAMinuteAtLeastAndTwoMinutesAtMost) {
    EXPECT_GE(cookie_slot, 31 * ticks_per_second) << "a first segment sent again four times";
    EXPECT_LE(2 * cookie_slot, 120 * ticks_per_second);
}

TYPED_TEST(CookieTest, EverySlotHasItsOwnCookies) {
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const CookieOptions options{.mss = 1460};
    std::set<std::uint32_t> seen;
    constexpr std::uint32_t slots = 4096;
    for (std::uint32_t slot = 0; slot < slots; ++slot)
        seen.insert(this->cookies_.make(tuple.handshake(), options, slot * cookie_slot).sequence);
    // 4096 draws from 2^31 or so: one pair in about 250 runs.
    EXPECT_EQ(seen.size(), slots);
    for (std::uint32_t slot = 0; slot + 16 < 1U << 17; slot += 16) {
        seen = {this->cookies_.make(tuple.handshake(), options, slot * cookie_slot).sequence};
        for (std::uint32_t bit = 0; bit < 17; ++bit)
            seen.insert(
                this->cookies_.make(tuple.handshake(), options, (slot ^ 1U << bit) * cookie_slot).sequence);
        ASSERT_EQ(seen.size(), 18U) << "every bit of the slot counts";
    }
}

// ---- Secrets

// One that changes its secrets as a caller would, and one look at each cookie, at a time between its making
// and the end of what it is promised.
TYPED_TEST(CookieTest, ReplacingSecretsRefusesNoHonestAck) {
    struct Sent {
        typename TestFixture::Tuple tuple;
        CookieOptions options;
        Cookie cookie;
        Tick answered_at;
    };
    std::vector<Sent> sent;
    unsigned replaced = 0, checked = 0;
    constexpr Tick step = 997;
    Tick now = Tick{0} - 3 * secret_turn;  // over the clock's end, too
    for (Tick passed = 0; passed < 6 * secret_turn; passed += step, now += step) {
        const auto is_due = [&](const Sent& one) { return reached(now, one.answered_at); };
        for (const Sent& one : sent) {
            if (!is_due(one)) continue;
            ASSERT_EQ(
                this->answered(this->cookies_, one.tuple, one.options, one.cookie, one.answered_at).verdict,
                CookieVerdict::good);
            ++checked;
        }
        sent.erase(std::remove_if(sent.begin(), sent.end(), is_due), sent.end());
        if (this->cookies_.replace_secret({this->random_.next(), this->random_.next()}, now)) ++replaced;
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const CookieOptions options = random_options(this->random_);
        const Tick end = (now / cookie_slot + 2) * cookie_slot - 1 - now;  // the last good tick, from now
        const Tick after = checked % 4 == 0 ? end : this->random_.word() % (end + 1);
        sent.push_back({tuple, options, this->cookies_.make(tuple.handshake(), options, now), now + after});
    }
    EXPECT_GT(replaced, 20'000U) << "nearly always";
    EXPECT_GT(checked, 25'000U);
}

TYPED_TEST(CookieTest, ASecretIsNotReplacedAtTheEndsOfATurn) {
    for (const Tick turn : {Tick{0}, secret_turn, 5 * secret_turn, Tick{0} - secret_turn}) {
        const auto replaced = [&](Tick into) { return this->cookies_.replace_secret({1, 2}, turn + into); };
        EXPECT_FALSE(replaced(0));
        EXPECT_FALSE(replaced(cookie_slot - 1));
        EXPECT_TRUE(replaced(cookie_slot));
        EXPECT_TRUE(replaced(secret_turn - cookie_slot - 1));
        EXPECT_FALSE(replaced(secret_turn - cookie_slot));
        EXPECT_FALSE(replaced(secret_turn - 1));
    }
}

TYPED_TEST(CookieTest, AReplacedSecretIsUsedFromTheNextTurnOnAndTheOldOneIsForgotten) {
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const auto made_at = [&](const SynCookies& cookies, Tick now) {
        return cookies.make(tuple.handshake(), {.mss = 1460}, now).sequence;
    };
    SynCookies replacing = this->cookies_;
    const Tick middle = secret_turn / 2;
    ASSERT_TRUE(replacing.replace_secret({1, 2}, middle));
    EXPECT_EQ(made_at(replacing, middle), made_at(this->cookies_, middle));
    EXPECT_EQ(made_at(replacing, secret_turn - 1), made_at(this->cookies_, secret_turn - 1));
    EXPECT_NE(made_at(replacing, secret_turn), made_at(this->cookies_, secret_turn));
    EXPECT_EQ(made_at(replacing, 2 * secret_turn), made_at(this->cookies_, 2 * secret_turn));
    ASSERT_TRUE(replacing.replace_secret({3, 4}, secret_turn + middle));
    EXPECT_NE(made_at(replacing, 2 * secret_turn), made_at(this->cookies_, 2 * secret_turn));
}

// Control hands each worker the new secret when it gets to it.
TYPED_TEST(CookieTest, WorkersThatLearnOfASecretAtDifferentTimesAgree) {
    SynCookies early = this->cookies_, late = this->cookies_;
    const auto tuple = TestFixture::Tuple::random(this->random_);
    for (Tick turn = 0; turn < 4 * secret_turn; turn += secret_turn) {
        const aes::Words fresh{this->random_.next(), this->random_.next()};
        for (Tick into = 0; into < secret_turn; into += cookie_slot) {
            if (into == cookie_slot) {
                ASSERT_TRUE(early.replace_secret(fresh, turn + into));
            }
            if (into == secret_turn - 2 * cookie_slot) {
                ASSERT_TRUE(late.replace_secret(fresh, turn + into));
            }
            const CookieOptions options = random_options(this->random_);
            const Cookie cookie = early.make(tuple.handshake(), options, turn + into);
            ASSERT_EQ(late.make(tuple.handshake(), options, turn + into), cookie);
            ASSERT_EQ(this->answered(late, tuple, options, cookie, turn + into + cookie_slot).verdict,
                      CookieVerdict::good);
        }
    }
}

TYPED_TEST(CookieTest, TheOffsetOfTimestampsOutlivesTheSecrets) {
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const CookieOptions options = with_timestamps(1460, true, false, 7);
    SynCookies replacing = this->cookies_;
    ASSERT_TRUE(replacing.replace_secret({1, 2}, secret_turn / 2));
    EXPECT_EQ(replacing.make(tuple.handshake(), options, secret_turn).timestamp,
              this->cookies_.make(tuple.handshake(), options, secret_turn).timestamp);
}

TYPED_TEST(CookieTest, EveryBitOfASecretCounts) {
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const CookieOptions options = with_timestamps(1460, true, false, 7);
    for (unsigned which = 0; which < 3; ++which) {
        const Tick now = which == 1 ? secret_turn : 0;
        const Cookie base = this->cookies_.make(tuple.handshake(), options, now);
        for (unsigned bit = 0; bit < 128; ++bit) {
            SynCookies::Secrets secrets = secrets_of(7);
            aes::Words& key = which < 2 ? secrets.turns[which] : secrets.timestamps;
            key[bit / 64] ^= std::uint64_t{1} << bit % 64;
            const SynCookies other(secrets);
            const Cookie cookie = other.make(tuple.handshake(), options, now);
            ASSERT_NE(cookie.sequence, base.sequence);
            ASSERT_EQ(cookie.timestamp == base.timestamp, which < 2) << "apart from the cookies' secrets";
            if (which < 2) {
                ASSERT_EQ(this->answered(other, tuple, options, base, now).verdict, CookieVerdict::wrong);
            }
        }
    }
}

// ---- What is refused

TYPED_TEST(CookieTest, EveryFlippedBitIsRefused) {
    for (int round = 0; round < 200; ++round) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const CookieOptions options = random_options(this->random_);
        const Tick now = this->random_.word();
        const Cookie cookie = this->cookies_.make(tuple.handshake(), options, now);
        const std::optional<std::uint32_t> echo = echo_of(cookie, options);
        const auto verdict = [&](const typename TestFixture::Tuple& of, std::uint32_t acknowledgement,
                                 std::optional<std::uint32_t> timestamp) {
            return this->cookies_.check(of.handshake(), acknowledgement, timestamp, now).verdict;
        };
        ASSERT_EQ(verdict(tuple, cookie.sequence + 1, echo), CookieVerdict::good);
        for (std::size_t bit = 0; bit < TestFixture::Tuple::bits; ++bit)
            ASSERT_EQ(verdict(tuple.with_bit_flipped(bit), cookie.sequence + 1, echo), CookieVerdict::wrong)
                << "bit " << bit << " of the tuple";
        for (unsigned bit = 0; bit < 32; ++bit) {
            ASSERT_EQ(verdict(tuple, (cookie.sequence + 1) ^ 1U << bit, echo), CookieVerdict::wrong)
                << "bit " << bit << " of the acknowledgement";
            if (echo) {
                ASSERT_EQ(verdict(tuple, cookie.sequence + 1, *echo ^ 1U << bit), CookieVerdict::wrong)
                    << "bit " << bit << " of the timestamp";
            }
        }
        for (const std::uint32_t off : {0U, 2U})
            ASSERT_NE(verdict(tuple, cookie.sequence + off, echo), CookieVerdict::good);
        // Timestamps dropped, or made up.
        ASSERT_EQ(verdict(tuple, cookie.sequence + 1, echo ? std::nullopt : std::optional(0U)),
                  CookieVerdict::wrong);
    }
}

TYPED_TEST(CookieTest, AnotherHandshakesCookieIsRefused) {
    constexpr unsigned clients = 300;
    std::vector<typename TestFixture::Tuple> tuples;
    std::vector<Cookie> made;
    const CookieOptions options = with_timestamps(1460, true, false, 7);
    for (unsigned i = 0; i < clients; ++i) {
        tuples.push_back(TestFixture::Tuple::random(this->random_));
        made.push_back(this->cookies_.make(tuples.back().handshake(), options, 9));
    }
    for (unsigned whose = 0; whose < clients; ++whose) {
        for (unsigned by = 0; by < clients; ++by)
            ASSERT_EQ(this->answered(this->cookies_, tuples[by], options, made[whose], 9).verdict,
                      whose == by ? CookieVerdict::good : CookieVerdict::wrong);
    }
    // Client and server exchanged.
    const auto& tuple = tuples[0];
    auto turned = tuple;
    std::swap(turned.client, turned.server);
    std::swap(turned.client_port, turned.server_port);
    EXPECT_EQ(this->answered(this->cookies_, turned, options, made[0], 9).verdict, CookieVerdict::wrong);
}

// At most 8 of 2^32 are good: a million guesses find one in 500 runs, and eight in each if it were 8 of 2^20.
TYPED_TEST(CookieTest, AMillionGuessesFindNothing) {
    unsigned good = 0;
    const unsigned guesses = scaled(1'000'000);
    for (unsigned guess = 0; guess < guesses; ++guess) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const std::uint32_t drawn = this->random_.word();
        const auto echo = guess % 2 == 0 ? std::optional(this->random_.word()) : std::nullopt;
        if (this->cookies_.check(tuple.handshake(), drawn, echo, this->random_.word()).verdict ==
            CookieVerdict::good)
            ++good;
    }
    EXPECT_EQ(good, 0U);
}

// The field is 29 bits; what a guess is worth is seen where all but a few of them are known. Each guess names
// the right slot and class.
TYPED_TEST(CookieTest, AGuessOfSomeBitsIsRightOnceInTwoToTheirNumber) {
    constexpr unsigned guesses_of_one = 1'000;
    for (const auto& [bits, guesses] : {std::pair{4, 200'000U}, {8, 500'000U}, {12, 3'000'000U}}) {
        unsigned good = 0;
        const unsigned rounds = scaled(guesses) / guesses_of_one;
        for (unsigned round = 0; round < rounds; ++round) {
            const auto tuple = TestFixture::Tuple::random(this->random_);
            const Tick now = this->random_.word();
            const CookieOptions options = random_options(this->random_);
            const Cookie cookie = this->cookies_.make(tuple.handshake(), options, now);
            const std::uint32_t names = (cookie.sequence ^ cookie.sequence >> 29) & 7U;
            std::uint32_t unknown = 0;
            while (std::popcount(unknown) < bits) unknown |= 8U << this->random_.word() % 29;
            for (unsigned i = 0; i < guesses_of_one; ++i) {
                const std::uint32_t mac =
                    ((cookie.sequence & ~unknown) | (this->random_.word() & unknown)) & ~7U;
                const Cookie guess{mac | (names ^ mac >> 29), cookie.timestamp};
                if (this->answered(this->cookies_, tuple, options, guess, now).verdict == CookieVerdict::good)
                    ++good;
            }
        }
        const double expected = rounds * guesses_of_one * std::exp2(-bits);
        EXPECT_NEAR(good, expected, 5 * std::sqrt(expected)) << bits << " bits";  // once in 1.7 million
    }
}

// A good number is one that make() can give: 17 bits of slot, four classes. All of them are tried at one
// moment, and around each good one its whole neighbourhood in the bits that name class and slot.
TYPED_TEST(CookieTest, ExactlyEightNumbersAreGoodForOneHandshake) {
    for (const Tick now : {Tick{77}, 12345 * cookie_slot + 5, secret_turn, secret_turn + cookie_slot - 1}) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const auto is_good = [&](std::uint32_t cookie) {
            return this->cookies_.check(tuple.handshake(), cookie + 1, std::nullopt, now).verdict ==
                   CookieVerdict::good;
        };
        std::set<std::uint32_t> good;
        for (std::uint32_t slot = 0; slot < 1U << 17; ++slot) {
            for (const std::uint16_t mss : std::array<std::uint16_t, 4>{0, 1300, 1400, 1460}) {
                const Cookie cookie =
                    this->cookies_.make(tuple.handshake(), CookieOptions{.mss = mss}, slot * cookie_slot);
                if (is_good(cookie.sequence)) good.insert(cookie.sequence);
            }
        }
        EXPECT_EQ(good.size(), 8U);
        std::set<std::uint32_t> near;
        for (const std::uint32_t one : good) {
            for (std::uint32_t low = 0; low < 256; ++low) {
                if (is_good((one & ~0xFFU) | low)) near.insert((one & ~0xFFU) | low);
                if (is_good((one & 0x00FF'FFFFU) | low << 24)) near.insert((one & 0x00FF'FFFFU) | low << 24);
            }
        }
        EXPECT_EQ(near, good);
    }
}

// ---- What a cookie looks like

/// The sum over `cells` of (seen - expected)^2 / expected: about cells.size() - 1, give or take its root
/// doubled.
double chi_square(const std::vector<unsigned>& cells) {
    double total = 0, sum = 0;
    for (const unsigned seen : cells) total += seen;
    const double expected = total / static_cast<double>(cells.size());
    for (const unsigned seen : cells) sum += (seen - expected) * (seen - expected) / expected;
    return sum;
}

/// That 32-bit numbers are spread evenly: each byte over its values, each bit, each pair of neighbouring
/// bits.
void expect_even(const std::vector<std::uint32_t>& numbers, const char* what) {
    for (unsigned byte = 0; byte < 4; ++byte) {
        std::vector<unsigned> cells(256);
        for (const std::uint32_t number : numbers) ++cells[number >> 8 * byte & 0xFF];
        EXPECT_LT(chi_square(cells), 255 + 5 * 22.6) << what << ", byte " << byte;
    }
    for (unsigned bit = 0; bit < 32; ++bit) {
        std::vector<unsigned> cells(2), pairs(4);
        for (const std::uint32_t number : numbers) {
            ++cells[number >> bit & 1U];
            ++pairs[(number >> bit & 1U) | (number >> (bit + 1) % 32 & 1U) << 1];
        }
        EXPECT_LT(chi_square(cells), 20) << what << ", bit " << bit;  // once in 130,000
        EXPECT_LT(chi_square(pairs), 27) << what << ", bits from " << bit;
    }
}

TYPED_TEST(CookieTest, CookiesAreSpreadEvenly) {
    // An attacker's best case: everything stays but a counter in one field.
    constexpr std::uint32_t count = 40'000;
    const CookieOptions options{.mss = 1460};
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const auto spread = [&](const char* what, auto&& number) {
        std::vector<std::uint32_t> numbers;
        for (std::uint32_t i = 0; i < count; ++i) numbers.push_back(number(i));
        expect_even(numbers, what);
    };
    const auto of = [&](const typename TestFixture::Tuple& client, Tick now) {
        return this->cookies_.make(client.handshake(), options, now).sequence;
    };
    const auto counted = [&](auto&& field) {
        return [&, field](std::uint32_t i) {
            auto client = tuple;
            field(client, i);
            return of(client, 1);
        };
    };
    spread("addresses", counted([](auto& client, std::uint32_t i) { store(client.client.data(), i); }));
    spread("ports", counted([](auto& client, std::uint32_t i) {
               client.client_port = static_cast<std::uint16_t>(i);
           }));
    spread("sequence numbers", counted([](auto& client, std::uint32_t i) { client.client_sequence = i; }));
    spread("slots", [&](std::uint32_t i) { return of(tuple, i * cookie_slot); });
    spread("differences of slots",
           [&](std::uint32_t i) { return of(tuple, (i + 1) * cookie_slot) - of(tuple, i * cookie_slot); });
    spread("classes", [&](std::uint32_t i) {
        auto client = tuple;
        client.client_sequence = i;
        const CookieOptions other{.mss = 1300};
        return of(client, 1) ^ this->cookies_.make(client.handshake(), other, 1).sequence;
    });
    spread("offsets", [&](std::uint32_t i) {
        auto client = tuple;
        store(client.client.data(), i);
        const std::uint32_t sent =
            this->cookies_.make(client.handshake(), with_timestamps(1460, false, false, 0), 0).timestamp;
        return sent | (this->random_.word() & 63U);  // the low bits are the options'
    });
}

// ---- Timestamps

// RFC 7323 5.3: a client drops what is older than what it had.
TYPED_TEST(CookieTest, TimestampsFollowTheClockAndNeverOvertakeIt) {
    for (int client = 0; client < 5; ++client) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        const Tick start = this->random_.word();
        const std::uint32_t first = start + plain_offset(tuple, secrets_of(7));
        std::array<std::uint32_t, 64> last{};
        std::vector<std::int32_t> latest;  // sent at each moment, whatever the options
        for (std::uint32_t passed = 0; passed < 300; ++passed) {
            const std::uint32_t clock = first + passed;
            latest.push_back(std::numeric_limits<std::int32_t>::min());
            for (std::uint32_t low = 0; low < 64; ++low) {
                const CookieOptions options =
                    with_timestamps(1460, (low & 16) != 0, (low & 32) != 0, (low & 15) == 15 ? -1 : low & 15);
                const std::uint32_t sent =
                    this->cookies_.make(tuple.handshake(), options, start + passed).timestamp;
                ASSERT_EQ(sent & 63U, low);
                ASSERT_LT(clock - sent, 64U) << "never beyond the clock, and at most 63 ms behind it";
                if (passed != 0) {
                    ASSERT_GE(static_cast<std::int32_t>(sent - last[low]), 0) << "never back";
                }
                last[low] = sent;
                const auto since_first = static_cast<std::int32_t>(sent - first);
                latest.back() = std::max(latest.back(), since_first);
                if (passed >= 64) {
                    ASSERT_GT(since_first, latest[passed - 64]) << "other options, 64 ms apart";
                }
            }
        }
        // An hour later the client's clock has gone on by an hour.
        const CookieOptions plain = with_timestamps(1460, false, false, 0);
        const std::uint32_t later =
            this->cookies_.make(tuple.handshake(), plain, start + 3'600'000).timestamp;
        ASSERT_LT(first + 3'600'000 - later, 64U);
    }
}

TYPED_TEST(CookieTest, EitherHandshakeIsCheckedAsOneAfterTheOther) {
    std::array<unsigned, 6> seen{};  // by verdict, and whether as a probe
    for (unsigned round = 0; round < 4'000; ++round) {
        const auto tuple = TestFixture::Tuple::random(this->random_);
        auto probe = tuple;
        ++probe.client_sequence;
        const CookieOptions options = with_timestamps(1460, true, false, 7);
        // In every slot of a turn and around its ends, over four slots of age.
        const Tick made = static_cast<Tick>(round * (secret_turn / 1'000));
        const Cookie cookie =
            this->cookies_.make((round % 2 != 0 ? tuple : probe).handshake(), options, made);
        const Tick now = made + this->random_.word() % (4 * cookie_slot);
        const std::uint32_t acknowledgement = cookie.sequence + 1 + (round % 5 == 0 ? 1 : 0);
        const auto ask = [&](const auto& one) {
            return this->cookies_.check(one.handshake(), acknowledgement, cookie.timestamp, now);
        };
        CookieCheck expected = ask(tuple);
        const bool is_probe = expected.verdict == CookieVerdict::wrong;
        if (is_probe) expected = ask(probe);
        const auto either =
            this->cookies_.check_either(tuple.handshake(), acknowledgement, cookie.timestamp, now);
        ASSERT_EQ(either.verdict, expected.verdict);
        ASSERT_EQ(either.options, expected.options);
        if (expected.verdict != CookieVerdict::wrong) {
            ASSERT_EQ(either.is_probe, is_probe);
        }
        ++seen[2 * static_cast<unsigned>(expected.verdict) + (is_probe ? 1 : 0)];
    }
    for (const unsigned of : {0U, 1U, 3U, 4U, 5U}) EXPECT_GT(seen[of], 100U) << of;
}

TYPED_TEST(CookieTest, TheOffsetIsThatOfTheEndpointsAlone) {
    const CookieOptions options = with_timestamps(1460, false, false, 0);
    const auto tuple = TestFixture::Tuple::random(this->random_);
    const auto sent = [&](const typename TestFixture::Tuple& of) {
        return this->cookies_.make(of.handshake(), options, 0).timestamp;
    };
    constexpr std::size_t address_bits = std::size_t{8} * 2 * TestFixture::address_bytes;
    constexpr std::size_t endpoint_bits = address_bits + 32;
    for (std::size_t bit = 0; bit < TestFixture::Tuple::bits; ++bit)
        ASSERT_EQ(sent(tuple.with_bit_flipped(bit)) == sent(tuple), bit >= endpoint_bits) << bit;
}

}  // namespace
}  // namespace sluice::guard
