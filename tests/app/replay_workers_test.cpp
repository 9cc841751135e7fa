// Several workers judge as one does.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;
using packet::ack;
using packet::syn;
using test::PacketBuilder;
using test::Replay;

std::string host(unsigned number) {
    return "10.0." + std::to_string(number / 200) + "." + std::to_string(number % 200 + 1);
}

/// Many flows of every kind, interleaved: connections, datagrams whole and in fragments, errors that quote
/// them.
void feed(Replay& replay) {
    std::mt19937 random(7);
    double at = 0;
    for (unsigned i = 0; i < 400; ++i) {
        at += 0.01;
        const std::string client = host(static_cast<unsigned>(random() % 300)), server = "192.0.2.1";
        const auto port = static_cast<std::uint16_t>(1024 + random() % 4);
        const auto query =
            PacketBuilder().ethernet().ipv4(client, server).identification(i).udp(port, 53).payload(300);
        switch (random() % 4) {
            case 0:
                replay.packet(
                    at, PacketBuilder().ethernet().ipv4(client, server).tcp(port, 80).sequence(i).flags(syn));
                replay.packet(at, PacketBuilder()
                                      .ethernet()
                                      .ipv4(server, client)
                                      .tcp(80, port)
                                      .sequence(9)
                                      .acknowledgement(i + 1)
                                      .flags(syn | ack));
                break;
            case 1:
                replay.packet(at, query);
                replay.packet(at, PacketBuilder().ethernet().ipv4(server, client).icmp_error(3, 3, query));
                break;
            case 2: {
                const auto fragments = query.build_fragments(104);
                for (std::size_t f = fragments.size(); f > 0; --f) replay.packet(at, fragments[f - 1]);
                break;
            }
            default:
                replay.packet(at, PacketBuilder()
                                      .ethernet()
                                      .ip("2001:db8::" + std::to_string(i % 50 + 1), "2001:db8:1::1")
                                      .icmpv6(128, 0, port));
                break;
        }
    }
    replay.engine().finish();
}

TEST(ReplayWorkers, EveryNumberOfWorkersGivesTheSameLines) {
    Replay one;
    feed(one);
    const auto expected = one.lines();
    EXPECT_GT(expected.size(), 600U);
    for (const unsigned workers : {2U, 3U, 8U, 64U}) {
        Replay several({}, workers);
        feed(several);
        const auto lines = several.lines();
        ASSERT_EQ(lines.size(), expected.size());
        std::set<unsigned> used;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            used.insert(lines[i]["worker"].get<unsigned>());
            json line = lines[i];
            line["worker"] = 0;
            EXPECT_EQ(line, expected[i]) << workers << " workers";
        }
        EXPECT_GT(used.size(), workers / 2) << "hardly anything was spread";
        EXPECT_EQ(several.engine().flows().size(), one.engine().flows().size());
    }
}

}  // namespace
}  // namespace sluice::app
