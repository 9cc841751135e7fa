// What a worker does with the control thread's requests.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Request;

class Requests : public testing::Test {
  protected:
    pipeline::Decision open(std::uint16_t port) {
        return box.feed(
            PacketBuilder().ethernet().ip("10.0.0.1", "10.0.0.2").tcp(port, 80).flags(packet::syn).build());
    }
    Request ask(const Request& request, unsigned polls = 1) {
        EXPECT_TRUE(box.tracker().mailbox().post(request));
        for (unsigned i = 0; i < polls; ++i) box.poll();
        Request answered;
        EXPECT_TRUE(box.tracker().mailbox().collect(answered)) << "no answer after " << polls << " polls";
        return answered;
    }
    Request about(const pipeline::Decision& decision, Request::Kind kind) {
        const auto seen = box.view(decision);
        Request request;
        request.kind = kind;
        request.family = seen.family;
        request.flow = seen.flow;
        request.key4 = seen.key4;
        return request;
    }
    TrackerBox box;
};

TEST_F(Requests, FindAnswersTheRecordAndItsDirection) {
    const auto flow = open(1000);
    auto request = about(flow, Request::Kind::find);
    request.flow = flow::no_ref;
    const Request answer = ask(request);
    EXPECT_EQ(answer.answer, Request::Answer::done);
    EXPECT_EQ(answer.flow, flow.flow);
}

TEST_F(Requests, FindAndRemoveKnowIPv6Flows) {
    const auto flow = box.feed(
        PacketBuilder().ethernet().ip("2001:db8::1", "2001:db8::2").tcp(1000, 80).flags(packet::syn).build());
    auto request = about(flow, Request::Kind::find);
    request.key6 = box.view(flow).key6;
    EXPECT_EQ(ask(request).flow, flow.flow);
    request.kind = Request::Kind::remove;
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_F(Requests, RemoveTakesTheFlowOutOnce) {
    const auto flow = open(1000);
    const auto request = about(flow, Request::Kind::remove);
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    EXPECT_EQ(box.flows(), 0U);
    EXPECT_EQ(ask(request).answer, Request::Answer::not_found);
}

TEST_F(Requests, ARequestForARecordThatNowHoldsAnotherFlowChangesNothing) {
    const auto request = about(open(1000), Request::Kind::remove);
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    open(1001);
    EXPECT_EQ(ask(request).answer, Request::Answer::not_found);
    EXPECT_EQ(box.flows(), 1U);
}

TEST_F(Requests, APollAnswersNoMoreThanItsShareOfThem) {
    const auto request = about(open(1000), Request::Kind::find);
    constexpr unsigned asked = 40, share = 16;
    for (unsigned i = 0; i < asked; ++i) ASSERT_TRUE(box.tracker().mailbox().post(request));
    for (unsigned left = asked; left > 0;) {
        box.poll();
        unsigned answers = 0;
        for (Request answered; box.tracker().mailbox().collect(answered); ++answers)
            EXPECT_EQ(answered.answer, Request::Answer::done);
        EXPECT_EQ(answers, std::min(left, share));
        left -= std::min(left, answers);
        ASSERT_GT(answers, 0U);
    }
}

TEST_F(Requests, UpdateSetsTimeoutAndMark) {
    const auto flow = open(1000);
    auto request = about(flow, Request::Kind::update);
    request.set_timeout = request.set_mark = true;
    request.timeout_seconds = 7;
    request.mark = 42;
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    EXPECT_EQ(box.view(flow).seconds_left, 7U);
    EXPECT_EQ(box.view(flow).mark, 42U);
    box.pass_seconds(7);
    box.poll();
    EXPECT_EQ(box.flows(), 0U) << "a timeout shortened by hand is obeyed";
}

TEST_F(Requests, UpdateOfTheMarkAloneLeavesTimeoutStatusAndAccount) {
    const auto flow = open(1000);
    const auto before = box.view(flow);
    auto request = about(flow, Request::Kind::update);
    request.set_mark = true;
    request.mark = 42;
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    const auto after = box.view(flow);
    EXPECT_EQ(after.mark, 42U);
    EXPECT_EQ(after.seconds_left, before.seconds_left);
    EXPECT_EQ(after.assured, before.assured);
    EXPECT_EQ(after.seen_reply, before.seen_reply);
    EXPECT_EQ(after.account.packets[0], 1U);
}

TEST_F(Requests, UpdateSetsStatusAndAnswersTheAccountItResets) {
    const auto flow = open(1000);
    auto request = about(flow, Request::Kind::update);
    request.set_assured = request.set_seen_reply = request.reset_account = true;
    const Request answer = ask(request);
    EXPECT_EQ(answer.account.packets[0], 1U);
    EXPECT_EQ(answer.account.bytes[0], 40U);
    EXPECT_TRUE(box.view(flow).assured);
    EXPECT_TRUE(box.view(flow).seen_reply);
    EXPECT_EQ(box.view(flow).account.packets[0], 0U);
    EXPECT_EQ(ask(request).account.packets[0], 0U);
}

TEST_F(Requests, AFixedTimeoutIsNotRefreshedByPackets) {
    const auto flow = open(1000);
    auto request = about(flow, Request::Kind::update);
    request.set_timeout = request.set_fixed_timeout = true;
    request.timeout_seconds = 50;
    ask(request);
    box.pass_seconds(10);
    box.feed(PacketBuilder()
                 .ethernet()
                 .ip("10.0.0.2", "10.0.0.1")
                 .tcp(80, 1000)
                 .acknowledgement(1)
                 .flags(packet::syn | packet::ack)
                 .build());
    EXPECT_EQ(box.view(flow).seconds_left, 40U);
}

TEST_F(Requests, InsertMakesAFlowAndRefusesASecond) {
    Request request;
    request.kind = Request::Kind::insert;
    request.key4 =
        flow::make_key<4>(address("10.0.0.1").data(), address("10.0.0.2").data(), 5, 6, packet::udp,
                          flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0))
            .key;
    request.state = pipeline::open_datagram_flow(packet::udp, box.now());
    request.timeout_seconds = 100;
    request.mark = 3;
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    EXPECT_EQ(ask(request).answer, Request::Answer::exists);
    EXPECT_EQ(box.flows(), 1U);
    EXPECT_EQ(box.feed(PacketBuilder().ethernet().ip("10.0.0.2", "10.0.0.1").udp(6, 5).build()).state,
              pipeline::CtState::established);
}

TEST_F(Requests, FlushEmptiesTheTablesInSlices) {
    for (std::uint16_t port = 1; port <= 1000; ++port) open(port);
    ASSERT_EQ(box.flows(), 1000U);
    Request request;
    request.kind = Request::Kind::flush;
    ASSERT_TRUE(box.tracker().mailbox().post(request));
    box.poll();
    EXPECT_GT(box.flows(), 0U) << "one poll does a slice";
    for (int i = 0; i < 10; ++i) box.poll();
    Request answered;
    ASSERT_TRUE(box.tracker().mailbox().collect(answered));
    EXPECT_EQ(answered.changed, 1000U);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_F(Requests, NewSettingsRuleFromTheNextPacketOn) {
    pipeline::Settings stricter;
    stricter.timeouts[static_cast<std::size_t>(Lifetime::syn_sent)] = 5;
    Request request;
    request.kind = Request::Kind::settings;
    request.settings = &stricter;
    const auto before = open(1000);
    EXPECT_EQ(ask(request).answer, Request::Answer::done);
    EXPECT_EQ(box.view(open(1001)).seconds_left, 5U);
    EXPECT_EQ(box.view(before).seconds_left, 120U) << "flows keep the deadlines they have";
    box.pass_seconds(6);
    box.poll();
    EXPECT_EQ(box.flows(), 1U);
}

}  // namespace
}  // namespace sluice::test
