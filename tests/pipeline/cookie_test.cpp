// SYN cookies on the packet path against forgery, and while their secrets change. (What a cookie is, and that
// none can be guessed, is in tests/guard/cookie_test.cpp.)
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "../fuzz/frame_repair.hpp"
#include "../support/guarded_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;

// Odd: with no bit flipped is the ACK's number that of a probe, which is good as well.
constexpr std::uint32_t clients_isn = 1'000'001, servers_isn = 77;

PacketBuilder syn_of(const GuardedBox& box, std::uint16_t port) {
    return box.from_client(port)
        .sequence(clients_isn)
        .flags(packet::syn)
        .window(64'240)
        .option(option::mss(1460))
        .option(option::sack_permitted())
        .option(option::timestamps(7'000, 0))
        .option(option::window_scale(9));
}
PacketBuilder syn_ack(const GuardedBox& box, std::uint16_t port, std::uint32_t echo) {
    return box.from_server(port)
        .sequence(servers_isn)
        .acknowledgement(clients_isn + 1)
        .flags(packet::syn | packet::ack)
        .window(65'160)
        .option(option::mss(1460))
        .option(option::sack_permitted())
        .option(option::timestamps(990'000, echo))
        .option(option::window_scale(7));
}
/// What brings the cookie back.
PacketBuilder ack_of(const GuardedBox& box, std::uint16_t port, const packet::TcpFields& cookie) {
    return box.from_client(port)
        .sequence(clients_isn + 1)
        .acknowledgement(cookie.sequence + 1)
        .flags(packet::ack)
        .window(502)
        .option(option::timestamps(7'010, cookie.options.timestamp_value));
}
/// A handshake that the box only watches: it then knows the server.
void watch(GuardedBox& box) {
    box.client(syn_of(box, 39'999));
    box.server(syn_ack(box, 39'999, 7'000));
    packet::TcpFields shown;
    shown.sequence = servers_isn;
    shown.options.timestamp_value = 990'000;
    box.client(ack_of(box, 39'999, shown));
    ASSERT_EQ(box.state(), "ESTABLISHED");
}
packet::TcpFields answer_to(GuardedBox& box, const PacketBuilder& packet) {
    const auto sent = box.client(packet);
    EXPECT_EQ(box.decision.action, Action::answer);
    return sent.size() == 1 ? sent[0].tcp() : packet::TcpFields{};
}

/// All that an ACK could have cost.
struct Spent {
    explicit Spent(GuardedBox& box)
        : memory(box.memory().begin(), box.memory().end()),
          flows(box.flows()),
          handshakes(box.tracker().guard()->handshakes()),
          completed(box.counted().completed.read()),
          emitted(box.tracker().counters().emitted.read()) {
        // Left out: the guard itself, which counts bursts. Its tables are elsewhere.
        const auto* const guard = reinterpret_cast<const std::byte*>(box.tracker().guard());
        std::fill_n(memory.begin() + (guard - box.memory().data()), sizeof(pipeline::SynGuard), std::byte{});
    }
    bool operator==(const Spent&) const = default;

    std::vector<std::byte> memory;
    std::uint64_t flows, handshakes, completed, emitted;
};

class Cookies : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam()};

    void SetUp() override {
        box.vlans = {100};
        watch(box);
        box.defend();
    }
    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    void refuse(const Bytes& frame, std::optional<Reason> reason, const std::string& what) {
        const std::uint64_t before = reason ? box.count(*reason) : 0;
        const std::uint64_t dropped = box.tracker().counters().dropped.read();
        EXPECT_TRUE(box.send(Toward::server, {frame}).empty()) << what;
        EXPECT_EQ(box.decision.action, Action::drop) << what;
        EXPECT_EQ(box.tracker().counters().dropped.read(), dropped + 1) << what;
        if (reason) {
            EXPECT_EQ(box.decision.reason, *reason) << what;
            EXPECT_EQ(box.count(*reason), before + 1) << what;
        }
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Cookies, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(Cookies, AnAckWithOneBitOfItsIdentityFlippedIsRefusedAndCountedAndCostsNothing) {
    const Bytes good = ack_of(box, 40'000, answer_to(box, syn_of(box, 40'000))).build();
    constexpr std::size_t vlan = 14, network = 18;
    const std::size_t address_bytes = GetParam() ? 16 : 4;
    const std::size_t source = network + (GetParam() ? 8 : 12), target = source + address_bytes;
    const std::size_t ports = target + address_bytes, echo = ports + 20 + 6;
    struct Field {
        const char* name;
        std::size_t offset, bytes;
        std::optional<Reason> reason;  ///< none: it depends on the bit
    };
    const Spent before(box);
    unsigned refused = 0;
    for (const Field& field : {Field{"VLAN", vlan, 2, Reason::bad_cookie},
                               {"client's address", source, address_bytes, std::nullopt},
                               {"server's address", target, address_bytes, std::nullopt},
                               {"client's port", ports, 2, Reason::bad_cookie},
                               {"server's port", ports + 2, 2, Reason::no_connection},
                               {"sequence number", ports + 4, 4, Reason::bad_cookie},
                               {"acknowledgement", ports + 8, 4, Reason::bad_cookie},
                               {"timestamp echo", echo, 4, Reason::bad_cookie}}) {
        for (std::size_t bit = field.offset == vlan ? 4 : 0; bit < 8 * field.bytes; ++bit) {
            Bytes forged = good;
            forged[field.offset + bit / 8] ^= static_cast<std::uint8_t>(0x80U >> bit % 8);
            fuzz::repair_frame(forged, packet::LinkLayer::ethernet);
            refuse(forged, field.reason, std::string(field.name) + ", bit " + std::to_string(bit));
            ++refused;
        }
    }
    EXPECT_EQ(refused, 12 + 2 * 8 * address_bytes + 2 * 16 + 3 * 32);
    EXPECT_TRUE(Spent(box) == before);
    EXPECT_EQ(box.send(Toward::server, {good}).size(), 1U) << "as it was it is good";
    EXPECT_EQ(box.decision.action, Action::absorb);
    EXPECT_FALSE(Spent(box) == before);
}

TEST_P(Cookies, GuessesAreRefusedAndCountedAndCostNothing) {
    answer_to(box, syn_of(box, 40'000));
    std::mt19937_64 random(29);
    const Spent before(box);
    for (unsigned guess = 0; guess < 2'000; ++guess) {
        packet::TcpFields made_up;
        made_up.sequence = static_cast<std::uint32_t>(random());
        made_up.options.timestamp_value = static_cast<std::uint32_t>(random());
        refuse(ack_of(box, static_cast<std::uint16_t>(random()), made_up).build(), Reason::bad_cookie, "");
    }
    EXPECT_TRUE(Spent(box) == before);
}

TEST_P(Cookies, ACapturedAckIsRefusedAndCountedAndCostsNothingOnceItsTimeHasPassed) {
    const Bytes captured = ack_of(box, 40'000, answer_to(box, syn_of(box, 40'000))).build();
    unsigned old = 0;
    for (unsigned slot = 1; slot < 8; ++slot) {
        box.pass(guard::cookie_slot, 1'024);
        answer_to(box, box.from_client(1).flags(packet::syn));  // so that cookies are expected still
        if (slot == 1) continue;                                // its own slot and the next
        const Spent before(box);
        refuse(captured, slot < 4 ? Reason::old_cookie : Reason::bad_cookie, std::to_string(slot));
        EXPECT_TRUE(Spent(box) == before);
        old += slot < 4 ? 1 : 0;
    }
    EXPECT_EQ(old, 2U);
    EXPECT_EQ(box.count(Reason::bad_cookie), 4U);
}

// Two workers under a flood for seven hours; control replaces secrets as it does (CookieSecrets), and each
// worker learns of it when it gets to it, the second up to half an hour after the first. Handshakes begin at
// either worker and end at either, at any time that a cookie is promised, the last moment included.
TEST(CookieSecretsUnderLoad, RotateWithoutOneHonestFailure) {
    constexpr Tick step = 5'000, half_an_hour = 1'800'000;
    GuardedBox one, other;
    const std::array<GuardedBox*, 2> boxes{&one, &other};
    struct Answered {
        std::uint16_t port;
        packet::TcpFields cookie;
        Tick due;
    };
    std::mt19937_64 random(4987);
    guard::SynCookies control(one.settings.protection->cookie_secrets);
    std::vector<Answered> under_way;
    std::array<Tick, 2> learns_at{};
    std::array<bool, 2> knows{true, true};
    std::uint16_t port = 0;
    unsigned replaced = 0, proxied = 0, flooded = 0, at_the_end = 0;
    Tick drawn_in = 0;
    for (GuardedBox* const box : boxes) {
        box->now.tick = 0;
        watch(*box);
        box->defend();
    }
    for (Tick now = step; now < 6 * guard::secret_turn; now += step) {
        for (GuardedBox* const box : boxes) {
            box->now.tick = now;
            box->poll();
        }
        const Tick turn = now / guard::secret_turn;
        if (turn != drawn_in && now % guard::secret_turn >= guard::secret_turn / 2) {
            ASSERT_TRUE(control.replace_secret({random(), random()}, now));
            drawn_in = turn;
            ++replaced;
            learns_at = {now, now + static_cast<Tick>(random() % half_an_hour)};
            knows = {};
        }
        for (std::size_t worker = 0; worker < 2; ++worker) {
            if (knows[worker] || now < learns_at[worker]) continue;
            pipeline::Protection protection = *boxes[worker]->settings.protection;
            protection.cookie_secrets = control.secrets();
            boxes[worker]->adopt(protection);
            knows[worker] = true;
        }
        // The flood, at both.
        for (GuardedBox* const box : boxes) {
            const auto from = static_cast<std::uint16_t>(60'000 + random() % 5'000);
            box->client(
                box->from_client(from).sequence(static_cast<std::uint32_t>(random())).flags(packet::syn));
            flooded += box->decision.action == Action::answer ? 1 : 0;
        }
        // An honest client begins, others go on.
        GuardedBox& met = *boxes[random() % 2];
        port = static_cast<std::uint16_t>(port % 30'000 + 1);
        const auto sent = met.client(syn_of(met, port));
        ASSERT_EQ(sent.size(), 1U);
        if (met.decision.action == Action::pass) {  // once a minute, to see what the server knows
            met.server(syn_ack(met, port, 7'000));
        } else {
            const Tick last = (now / guard::cookie_slot + 2) * guard::cookie_slot - 1;
            const bool latest = random() % 4 == 0;
            at_the_end += latest ? 1 : 0;
            under_way.push_back(
                {port, sent[0].tcp(), latest ? last : now + static_cast<Tick>(random() % (last - now))});
        }
        const auto is_due = [&](const Answered& each) { return each.due < now + step; };
        for (const Answered& each : under_way) {
            if (!is_due(each)) continue;
            GuardedBox& box = *boxes[random() % 2];
            box.now.tick = std::max(now, each.due);
            ASSERT_EQ(box.client(ack_of(box, each.port, each.cookie)).size(), 1U)
                << text_of(box.decision.reason).name << " at " << box.now.tick;
            ASSERT_EQ(box.decision.action, Action::absorb);
            ASSERT_EQ(box.server(syn_ack(box, each.port, 7'010)).size(), 2U);
            ASSERT_EQ(box.state(), "ESTABLISHED");
            box.client(ack_of(box, each.port, each.cookie).flags(packet::rst | packet::ack));  // makes room
            ++proxied;
        }
        std::erase_if(under_way, is_due);
    }
    EXPECT_EQ(replaced, 5U);
    EXPECT_GT(proxied, 3'000U);
    EXPECT_GT(at_the_end, 800U);
    EXPECT_GT(flooded, 9'000U);
    for (GuardedBox* const box : boxes) {
        EXPECT_EQ(box->count(Reason::bad_cookie) + box->count(Reason::old_cookie), 0U);
        EXPECT_EQ(box->tracker().guard()->cookies().secrets().turns, control.secrets().turns);
        EXPECT_EQ(box->faults, std::vector<std::string>{});
    }
}

}  // namespace
}  // namespace sluice::test
