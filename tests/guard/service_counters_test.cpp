// Which service a packet goes to, which services are learnt, and what a worker counts of them.
#include "sluice/guard/service_counters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "flood_world.hpp"
#include "sluice/guard/learnt_services.hpp"
#include "sluice/guard/service_map.hpp"
#include "sluice/guard/totals.hpp"

namespace sluice::guard::test {
namespace {

Address v4(std::uint32_t host) {
    return {0, Address::mapped | host};
}
constexpr Address v6(std::uint64_t high, std::uint64_t low) {
    return {high, low};
}
constexpr std::uint32_t web = 0xC000'0201;  // 192.0.2.1
constexpr std::uint64_t site = 0x2001'0DB8'0000'0000;

ServiceMap map_of(const std::vector<Service>& services) {
    auto built = ServiceMap::build(services);
    EXPECT_TRUE(built.ok()) << built.error();
    return std::move(built.value());
}

TEST(ServiceMap, AnEmptyOneKnowsNoService) {
    EXPECT_EQ(ServiceMap().find(v4(web), 80), no_service);
    EXPECT_EQ(map_of({}).find(v4(web), 80), no_service);
}

TEST(ServiceMap, TheMoreParticularServiceIsFound) {
    const ServiceMap map = map_of({{v4(web), 128, 443, 1},
                                   {v4(web), 128, 0, 2},
                                   {v4(0xC000'0200), 96 + 24, 443, 3},
                                   {v4(0xC000'0200), 96 + 24, 0, 4},
                                   {v6(site, 0), 64, 443, 5},
                                   {v6(site, 1), 128, 443, 6},
                                   {v6(0, 0), 0, 53, 7}});
    EXPECT_EQ(map.find(v4(web), 443), 1);
    EXPECT_EQ(map.find(v4(web), 80), 2);
    EXPECT_EQ(map.find(v4(web + 1), 443), 3);
    EXPECT_EQ(map.find(v4(web + 1), 80), 4);
    EXPECT_EQ(map.find(v4(0xC000'0301), 443), no_service);
    EXPECT_EQ(map.find(v6(site, 2), 443), 5);
    EXPECT_EQ(map.find(v6(site, 1), 443), 6);
    EXPECT_EQ(map.find(v6(site, 1), 80), no_service);
    EXPECT_EQ(map.find(v6(site + 1, 1), 443), no_service);
    EXPECT_EQ(map.find(v6(site + 1, 1), 53), 7);
    EXPECT_EQ(map.find(v4(0x0808'0808), 53), 7) << "a prefix of no bits covers both families";
}

TEST(ServiceMap, ThousandsAreFoundAndNothingElseIs) {
    std::vector<Service> services;
    for (std::uint32_t i = 0; i < ServiceMap::most_services; ++i)
        services.push_back({i % 2 == 0 ? v4(0x0A00'0000 + i) : v6(site, i), 128,
                            static_cast<std::uint16_t>(1 + i % 7), static_cast<ServiceNumber>(i + 1)});
    const ServiceMap map = map_of(services);
    for (const Service& service : services) {
        EXPECT_EQ(map.find(service.address, service.port), service.number);
        EXPECT_EQ(map.find(service.address, static_cast<std::uint16_t>(service.port + 7)), no_service);
    }
    Random random(5);
    for (unsigned i = 0; i < 10'000; ++i)
        EXPECT_EQ(map.find(v4(static_cast<std::uint32_t>(random.next() | 0x8000'0000)), 1), no_service);
}

TEST(ServiceMap, NothingButTheVeryServiceIsFound) {
    // So small a table that everything asked for meets the entries.
    const ServiceMap map = map_of({{v4(web), 128, 443, 1}, {v6(site, 0), 64, 0, 2}});
    for (std::uint32_t i = 1; i < 0x1'0000; ++i) {
        EXPECT_EQ(map.find(v4(web), static_cast<std::uint16_t>(443 + i)), no_service) << i;
        EXPECT_EQ(map.find(v4(web + i), 443), no_service) << i;
        EXPECT_EQ(map.find(v6(site + i, 0), 443), no_service) << i;
        EXPECT_EQ(map.find(v6(i, v4(web).low), 443), no_service) << i;
        EXPECT_EQ(map.find(v6(site, i), static_cast<std::uint16_t>(i)), 2) << i;
    }
}

TEST(ServiceMap, AServiceAndItsPrefixOfTheSameAddressAreTwo) {
    for (std::uint64_t i = 0; i < 300; ++i) {
        const ServiceMap map = map_of({{v6(site + i, 0), 128, 443, 1}, {v6(site + i, 0), 64, 443, 2}});
        EXPECT_EQ(map.find(v6(site + i, 0), 443), 1);
        EXPECT_EQ(map.find(v6(site + i, 1), 443), 2);
    }
}

TEST(ServiceMap, WhatCannotBeBuiltIsRefusedWithASentence) {
    const auto error = [](const std::vector<Service>& services) {
        const auto built = ServiceMap::build(services);
        return built.ok() ? std::string() : built.error();
    };
    EXPECT_EQ(error({{v4(web), 128, 80, 1}, {v4(web + 1), 128, 80, 2}, {v4(web), 128, 80, 3}}),
              "192.0.2.1:80 is protected twice: leave one out");
    EXPECT_EQ(error({{v4(web), 128, 80, 0}}), "192.0.2.1:80: a service's number starts at 1");
    EXPECT_EQ(error({{v4(web), 96 + 24, 0, 1}}),
              "192.0.2.1/24:all: the address has bits beyond its prefix: set them to 0");
    EXPECT_EQ(error({{v6(site, 1), 64, 0, 1}}),
              "[2001:db8::1/64]:all: the address has bits beyond its prefix: set them to 0");
    EXPECT_EQ(error({{v4(web), 129, 0, 1}}), "a prefix of 129 bits is too long: at most 128");
    std::vector<Service> many;
    for (std::uint8_t length = 0; length < 9; ++length)
        many.push_back({v6(0, 0), static_cast<std::uint8_t>(length * 8), 80, 1});
    EXPECT_EQ(error(many),
              "the protected services have 9 different prefix lengths, with and without a port; at most 8");
    many.pop_back();
    EXPECT_EQ(error(many), "");
    EXPECT_EQ(error(std::vector<Service>(ServiceMap::most_services + 1)),
              "8,193 protected services are too many: at most 8,192");
}

TEST(ServiceMap, NamesAreWrittenForPeople) {
    EXPECT_EQ(text_of(Service{v4(web), 128, 443, 1}), "192.0.2.1:443");
    EXPECT_EQ(text_of(Service{v4(web - 1), 120, 0, 1}), "192.0.2.0/24:all");
    EXPECT_EQ(text_of(Service{v6(site, 0), 64, 53, 1}), "[2001:db8::/64]:53");
    EXPECT_EQ(text_of(Source::of(v4(web))), "192.0.2.1");
    EXPECT_EQ(text_of(Source::of(v6(site, 1))), "2001:db8::/64");
}

TEST(LearntServices, ACandidateNeedsItsHandshakes) {
    ServiceCandidates candidates({1, 2});
    const Endpoint endpoint{v4(web), 443};
    for (unsigned i = 1; i < ServiceCandidates::needed; ++i) candidates.count_completed(endpoint);
    EXPECT_EQ(candidates.take(), std::nullopt);
    candidates.count_completed(endpoint);
    EXPECT_EQ(candidates.take(), endpoint);
    EXPECT_EQ(candidates.take(), std::nullopt);
    candidates.count_completed(endpoint);
    EXPECT_EQ(candidates.take(), std::nullopt) << "it starts anew";
}

TEST(LearntServices, ACandidateIsNotDisplacedByMany) {
    ServiceCandidates candidates({1, 2});
    const Endpoint endpoint{v4(web), 443};
    Random random(1);
    for (unsigned i = 0; i < ServiceCandidates::needed; ++i) {
        for (unsigned other = 0; other < 10; ++other)
            candidates.count_completed({v4(static_cast<std::uint32_t>(random.next())), 1});
        for (unsigned again = 0; again < 2; ++again) candidates.count_completed(endpoint);
    }
    EXPECT_EQ(candidates.take(), endpoint);
}

TEST(LearntServices, AFullListWaitsForTheControlThread) {
    ServiceCandidates candidates({1, 2});
    const auto complete = [&](std::uint32_t host, unsigned times) {
        for (unsigned i = 0; i < times; ++i) candidates.count_completed({v4(host), 1});
    };
    constexpr unsigned length = ServiceCandidates::list_length;
    for (std::uint32_t i = 0; i <= length; ++i) complete(i, ServiceCandidates::needed);
    for (std::uint32_t i = 0; i < length; ++i) EXPECT_EQ(candidates.take(), (Endpoint{v4(i), 1}));
    EXPECT_EQ(candidates.take(), std::nullopt);
    complete(length, 1);
    EXPECT_EQ(candidates.take(), (Endpoint{v4(length), 1})) << "with its next handshake";
}

TEST(LearntServices, AreBoundedAndGoWhenIdle) {
    LearntServices learnt(10, 2, 1'000);
    std::vector<std::uint64_t> completed(12);
    EXPECT_TRUE(learnt.learn({v4(1), 80}, 0));
    EXPECT_FALSE(learnt.learn({v4(1), 80}, 0)) << "known";
    EXPECT_TRUE(learnt.learn({v4(2), 80}, 0));
    EXPECT_FALSE(learnt.learn({v4(3), 80}, 0)) << "full";
    EXPECT_EQ(learnt.services(), (std::vector<Service>{{v4(1), 128, 80, 10}, {v4(2), 128, 80, 11}}));
    completed[11] = 5;
    EXPECT_FALSE(learnt.age(completed, 999));
    EXPECT_TRUE(learnt.age(completed, 1'000)) << "the first went";
    EXPECT_EQ(learnt.services(), (std::vector<Service>{{v4(2), 128, 80, 11}}));
    EXPECT_FALSE(learnt.learn({v4(3), 80}, 1'999)) << "its number rests";
    EXPECT_TRUE(learnt.learn({v4(3), 80}, 2'000));
    EXPECT_EQ(learnt.services()[0], (Service{v4(3), 128, 80, 10}));
    EXPECT_FALSE(learnt.age(completed, 1'998));
    EXPECT_TRUE(learnt.age(completed, 1'999)) << "no handshake of the second since 999";
}

struct Worker {
    std::vector<ServiceCounters> counters{3};
    std::unique_ptr<SynAccounts> accounts =
        std::make_unique<SynAccounts>(counters, flow::Secret{{1, 2, 3, 4}}, 0);
};

TEST(SynAccounts, AHandshakeIsCountedStepByStep) {
    Worker worker;
    const Source source = Source::of(v4(7));
    SynAccounts& accounts = *worker.accounts;
    for (unsigned i = 0; i < 5; ++i) {
        accounts.count_syn(source, 1);
        accounts.count_opened(1);
        accounts.count_answered(1);
    }
    const ServiceCounters& counters = worker.counters[1];
    EXPECT_EQ(counters.syns.read(), 5U);
    EXPECT_EQ(counters.answered.read(), 5U);
    EXPECT_EQ(counters.half_open.read(), 5U);
    accounts.count_gone(source, 1, HalfOpenEnd::completed);
    EXPECT_EQ(counters.completed.read(), 1U);
    EXPECT_EQ(accounts.sources().estimate(source).completed, 1U);
    accounts.count_gone(source, 1, HalfOpenEnd::refused);
    accounts.count_gone(source, 1, HalfOpenEnd::reset);
    accounts.count_gone(source, 1, HalfOpenEnd::lost);
    EXPECT_EQ(counters.half_open.read(), 1U);
    EXPECT_EQ(counters.completed.read(), 1U);
    EXPECT_EQ(counters.refused.read(), 1U);
    EXPECT_EQ(counters.reset.read(), 1U);
    accounts.count_completed(source, 1);
    EXPECT_EQ(counters.completed.read(), 2U) << "by a cookie: no flow waited";
    EXPECT_EQ(counters.half_open.read(), 1U);
    accounts.count_limited(1);
    EXPECT_EQ(counters.limited.read(), 1U);
    EXPECT_EQ(accounts.sources().estimate(source).syns, 5U);
    EXPECT_EQ(worker.counters[0].syns.read() + worker.counters[2].syns.read(), 0U);
}

TEST(Totals, AddUpWorkersAndUniteTheirSources) {
    Worker one, other;
    for (std::uint32_t i = 0; i < 100; ++i) {
        (i % 2 == 0 ? one : other).accounts->count_syn(Source::of(v4(i / 4)), 2);
        (i % 2 == 0 ? one : other).accounts->count_opened(2);
    }
    one.accounts->count_answered(2);
    other.accounts->count_answered(2);
    other.accounts->count_limited(2);
    one.accounts->count_gone({5}, 2, HalfOpenEnd::completed);
    other.accounts->count_gone({5}, 2, HalfOpenEnd::refused);
    other.accounts->count_gone({5}, 2, HalfOpenEnd::reset);
    const std::array counted{one.accounts->services(), other.accounts->services()};
    ServiceSums sums = sum_services(counted)[2];
    EXPECT_EQ(sums.syns, 100U);
    EXPECT_EQ(sums.answered, 2U);
    EXPECT_EQ(sums.completed, 1U);
    EXPECT_EQ(sums.refused, 1U);
    EXPECT_EQ(sums.reset, 1U);
    EXPECT_EQ(sums.limited, 1U);
    EXPECT_EQ(sums.half_open, 97U);
    EXPECT_NEAR(sums.distinct_sources, 25, 8);
    other.accounts->advance(1'000);
    other.accounts->count_syn(Source::of(v4(1)), 2);
    sums = sum_services(counted)[2];
    EXPECT_EQ(sums.distinct_sources, 1U) << "a window of the past does not count";
    EXPECT_TRUE(sum_services({}).empty());
}

TEST(Totals, ASourceOfTwoWorkersIsOne) {
    Worker one, other;
    const Source loud = Source::of(v4(9)), louder = Source::of(v4(8));
    for (unsigned i = 0; i < 50; ++i) {
        one.accounts->count_syn(loud, 1);
        other.accounts->count_syn(loud, 1);
        other.accounts->count_syn(louder, 2);
        other.accounts->count_syn(louder, 2);
        other.accounts->count_syn(louder, 2);
    }
    other.accounts->count_completed(loud, 1);
    const std::array sketches{&one.accounts->sources(), &other.accounts->sources()};
    const std::vector<LoudSource> merged = merge_sources(sketches);
    ASSERT_EQ(merged.size(), 2U);
    EXPECT_EQ(merged[0].source, louder);
    EXPECT_EQ(merged[0].service, 2U);
    EXPECT_EQ(merged[1].source, loud);
    EXPECT_EQ(merged[1].count.syns, 100U);
    EXPECT_EQ(merged[1].count.completed, 1U);
}

}  // namespace
}  // namespace sluice::guard::test
