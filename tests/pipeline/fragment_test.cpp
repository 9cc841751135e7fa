// Fragments through the tracker: held until their datagram is complete, judged as one, sent on as they came
// (RFC 791, RFC 8200 4.5; overlaps RFC 5722; tiny ones RFC 1858).
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CtState;

class Fragments : public testing::TestWithParam<bool> {
  protected:
    PacketBuilder datagram() const {
        return PacketBuilder()
            .ethernet()
            .ip(GetParam() ? "2001:db8::1" : "10.0.0.1", GetParam() ? "2001:db8::2" : "10.0.0.2")
            .identification(77);
    }
    PacketBuilder question(std::size_t length) const { return datagram().udp(5000, 53).payload(length); }
};
INSTANTIATE_TEST_SUITE_P(Families, Fragments, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(Fragments, AreHeldUntilTheDatagramIsCompleteAndLeaveInTheOrderTheyCame) {
    TrackerBox box;
    auto pieces = question(3000).build_fragments(1000);
    ASSERT_EQ(pieces.size(), 4U);
    std::swap(pieces[0], pieces[2]);
    EXPECT_TRUE(box.burst({pieces[0]}).empty());
    EXPECT_TRUE(box.burst({pieces[1], pieces[2]}).empty());
    const auto judged = box.burst({pieces[3]});
    ASSERT_EQ(judged.size(), 1U);
    const auto& decision = judged[0].decision;
    EXPECT_TRUE(decision.datagram);
    EXPECT_EQ(decision.action, Action::pass);
    EXPECT_EQ(decision.state, CtState::new_flow);
    std::vector<std::uint64_t> order;
    for (auto* p = judged[0].packet; p != nullptr; p = p->next_fragment) order.push_back(p->number);
    EXPECT_EQ(order, (std::vector<std::uint64_t>{0, 1, 2, 3}));
    EXPECT_EQ(box.view(decision).source_port, 5000);
    EXPECT_EQ(box.view(decision).account.bytes[0], (GetParam() ? 48U : 20U) + 8 + 3000)
        << "IPv6: with one fragment header";
    EXPECT_EQ(box.tracker().counters().packets.read(), 4U);
    EXPECT_EQ(box.tracker().counters().passed.read(), 4U);
}

TEST_P(Fragments, OfATcpSegmentCountItsWholePayload) {
    TrackerBox box;
    const auto tcp = [&](bool client, std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) {
        auto packet = PacketBuilder().ethernet();
        const char* a = GetParam() ? "2001:db8::1" : "10.0.0.1";
        const char* b = GetParam() ? "2001:db8::2" : "10.0.0.2";
        return (client ? packet.ip(a, b).identification(9).tcp(40000, 80) : packet.ip(b, a).tcp(80, 40000))
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(flags);
    };
    box.feed(tcp(true, 100, 0, packet::syn).build());
    box.feed(tcp(false, 300, 101, packet::syn | packet::ack).build());
    box.feed(tcp(true, 101, 301, packet::ack).build());
    const auto judged = box.burst(tcp(true, 101, 301, packet::ack).payload(4000).build_fragments(1480));
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].decision.reason, Reason::none);
    EXPECT_EQ(box.feed(tcp(false, 301, 4101, packet::ack).build()).reason, Reason::none);
    EXPECT_EQ(box.feed(tcp(false, 301, 4102, packet::ack).build()).reason, Reason::ack_unsent);
}

TEST_P(Fragments, ThatOverlapTakeTheWholeDatagramWithThem) {
    TrackerBox box;
    const auto pieces = question(3000).build_fragments(1000);
    const auto shifted = question(3000).build_fragments(1008);
    box.burst({pieces[0], pieces[1]});
    const auto judged = box.burst({shifted[1]});
    std::size_t dropped = 0;
    for (const auto& [packet, decision] : judged) {
        EXPECT_EQ(decision.action, Action::drop);
        EXPECT_EQ(decision.reason, Reason::fragment_overlap);
        for (auto* p = packet; p != nullptr; p = decision.datagram ? p->next_fragment : nullptr) ++dropped;
    }
    EXPECT_EQ(dropped, 3U);
    EXPECT_EQ(box.count(Reason::fragment_overlap), 3U);
    for (const auto& [packet, decision] : box.burst({pieces[2], pieces[3]}))
        EXPECT_EQ(decision.action, Action::drop);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_P(Fragments, ThatNeverBecomeCompleteAreDroppedInTime) {
    TrackerBox box;
    box.burst({question(3000).build_fragments(1000)[0]});
    box.pass_seconds(29);
    EXPECT_TRUE(box.poll().empty());
    box.pass_seconds(32);
    const auto judged = box.poll();
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].decision.reason, Reason::fragment_timeout);
    EXPECT_EQ(judged[0].decision.action, Action::drop);
}

TEST_P(Fragments, WithAWrongTransportChecksumAreRefusedTogether) {
    TrackerBox box;
    const auto judged = box.burst(question(3000).wrong_transport_checksum().build_fragments(1000));
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].decision.reason, Reason::bad_checksum);
    EXPECT_EQ(box.count(Reason::bad_checksum), 4U) << "each packet counts";
}

TEST_P(Fragments, WhoseChecksumThePortVouchesForAreNotSummedAgain) {
    TrackerBox box;
    std::vector<pipeline::MemoryPacket*> packets;
    for (const auto& piece : question(3000).wrong_transport_checksum().build_fragments(1000)) {
        packets.push_back(&box.keep(piece));
        packets.back()->checksum = pipeline::ChecksumState::good;
    }
    pipeline::Output<pipeline::MemoryIo> out;
    box.tracker().process(packets, {.tick = box.now()}, out);
    ASSERT_EQ(out.view().size(), 1U);
    EXPECT_EQ(out.view()[0].decision.state, CtState::new_flow);
}

TEST_P(Fragments, OfAUdpDatagramLongerThanTheyAreTogetherAreMalformed) {
    TrackerBox box;
    const auto judged = box.burst(question(3000).udp_length_as(3009).build_fragments(1000));
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].decision.reason, Reason::malformed);
    EXPECT_EQ(judged[0].decision.action, Action::drop);
    EXPECT_EQ(box.count(Reason::malformed), 4U) << "each packet counts";
}

TEST_P(Fragments, OfAMessageThatIsNotTrackedPassTogether) {
    TrackerBox box;
    auto message = datagram();  // router solicitation, advertisement: no query, no error
    message = (GetParam() ? message.icmpv6(134, 0) : message.icmp(9, 0)).payload(3000);
    const auto judged = box.burst(message.build_fragments(1000));
    ASSERT_EQ(judged.size(), 1U);
    EXPECT_EQ(judged[0].decision.action, Action::pass);
    EXPECT_EQ(judged[0].decision.state, CtState::untracked);
    EXPECT_TRUE(judged[0].decision.datagram);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_P(Fragments, SpreadOverTheWorkersAreCollectedByOneAndJudgedByTheOwnerOfTheirFlow) {
    constexpr unsigned workers = 3;
    std::vector<std::unique_ptr<TrackerBox>> boxes;
    for (unsigned self = 0; self < workers; ++self) {
        pipeline::Steering steering;
        steering.workers = workers;
        steering.self = self;
        boxes.push_back(
            std::make_unique<TrackerBox>(pipeline::Settings{}, TrackerBox::small_limits(), steering));
    }
    unsigned passed = 0, hops = 0;
    // Delivers what a worker decided: passed on, or to the next worker, which decides in turn.
    const std::function<void(const std::vector<TrackerBox::Judged>&)> deliver = [&](const auto& judged) {
        for (const auto& [packet, decision] : judged) {
            if (decision.action != Action::handover) {
                EXPECT_EQ(decision.action, Action::pass) << text_of(decision.reason).name;
                EXPECT_TRUE(decision.datagram);
                for (auto* p = packet; p != nullptr; p = p->next_fragment) ++passed;
                continue;
            }
            ++hops;
            pipeline::Output<pipeline::MemoryIo> out;
            auto& tracker = boxes[decision.owner]->tracker();
            if (decision.datagram)
                tracker.process_datagram(packet, {.tick = 5000}, out);
            else
                tracker.process({&packet, 1}, {.tick = 5000}, out);
            deliver({out.view().begin(), out.view().end()});
        }
    };
    constexpr unsigned datagrams = 64;
    std::set<unsigned> collectors;
    for (unsigned number = 0; number < datagrams; ++number) {
        const auto pieces = question(3000).identification(number).build_fragments(1000);
        ASSERT_EQ(pieces.size(), 4U);
        for (unsigned i = 0; i < pieces.size(); ++i)
            deliver(boxes[(number + i) % workers]->burst({pieces[i]}));
        EXPECT_EQ(passed, 4 * (number + 1)) << "the last piece completes the datagram";
        for (unsigned w = 0; w < workers; ++w)
            if (boxes[w]->tracker().counters().handed_over.read() > 0) collectors.insert(w);
    }
    EXPECT_EQ(collectors.size(), workers) << "datagrams are spread";
    EXPECT_GT(hops, datagrams) << "pieces had to travel";
    EXPECT_EQ(boxes[0]->flows() + boxes[1]->flows() + boxes[2]->flows(), 1U) << "all belong to one flow";
}

}  // namespace
}  // namespace sluice::test
