#include "flood_world.hpp"

#include <algorithm>

#include "sluice/base/words.hpp"
#include "sluice/guard/totals.hpp"

namespace sluice::guard::test {
namespace {

constexpr unsigned workers = 2;

class World {
  public:
    explicit World(const Scenario& scenario)
        : scenario_(scenario),
          random_(scenario.seed),
          calendar_(scenario.duration + 1),
          detector_(setups(scenario), std::vector<Policy>(scenario.grouped ? 1 : 0)) {
        for (unsigned i = 0; i < workers; ++i) {
            counters_[i] = std::vector<ServiceCounters>(scenario.services);
            accounts_[i] = std::make_unique<SynAccounts>(counters_[i], flow::Secret{{3, 1, 4, 1}}, 0);
        }
        due_.resize(scenario.streams.size());
        next_.resize(scenario.streams.size());
    }

    Outcome play() {
        for (now_ = 1; now_ <= scenario_.duration; ++now_) {
            for (auto& accounts : accounts_) accounts->advance(now_);
            for (const Event& event : calendar_[now_]) happen(event);
            for (std::size_t i = 0; i < scenario_.streams.size(); ++i) send(i);
            if (now_ % 100 == 0) step();
        }
        outcome_.attacks = detector_.attacks();
        return std::move(outcome_);
    }

  private:
    enum class What : std::uint8_t { answered, completed, refused, reset, lost };
    struct Event {
        What what;
        std::uint8_t worker;
        bool by_cookie;
        ServiceNumber service;
        Source source;
    };

    static std::vector<Detector::ServiceSetup> setups(const Scenario& scenario) {
        std::vector<Detector::ServiceSetup> out(scenario.services);
        for (std::size_t i = 1; scenario.grouped && i < out.size(); ++i) out[i].group = 0;
        return out;
    }

    Source source(const Stream& stream, std::size_t index) {
        switch (stream.from) {
            case From::pool:
                return {Source::ipv4 |
                        (0x0A00'0000U +
                         ((stream.addresses < 0 ? index : static_cast<std::size_t>(stream.addresses)) << 16) +
                         random_.below(stream.sources))};
            case From::random_ipv4:
                return {Source::ipv4 | random_.next() >> 32};
            case From::sequential:
                return {Source::ipv4 | (0xC000'0000U + next_[index]++)};
            case From::one_64:
                return Source::of({0x2001'0DB8'0000'0001, random_.next()});
            case From::many_64s:
                return Source::of({0x2001'0DB8'0000'0000 | random_.next() >> 32, random_.next()});
        }
        return {};
    }

    void send(std::size_t index) {
        const Stream& stream = scenario_.streams[index];
        if (now_ < stream.start || now_ >= stream.stop) return;
        if (stream.on != 0 && (now_ - stream.start) % (stream.on + stream.off) >= stream.on) return;
        double rate = stream.rate;
        if (stream.rate_at_end >= 0)
            rate += (stream.rate_at_end - rate) * (now_ - stream.start) /
                    (std::min(stream.stop, scenario_.duration) - stream.start);
        // One a millisecond or fewer: at random, so that no rhythm of ours decides.
        due_[index] += rate / 1000;
        for (; due_[index] >= 1; due_[index] -= 1) one(stream, source(stream, index));
    }

    void one(const Stream& stream, Source from) {
        const auto worker = static_cast<std::uint8_t>(random_.below(workers));
        const auto service = static_cast<ServiceNumber>(stream.service + random_.below(stream.services));
        SynAccounts& accounts = *accounts_[worker];
        accounts.count_syn(from, service);
        const bool by_cookie = detector_.defence(service).level >= Level::defend;
        Event event{What::answered, worker, by_cookie, service, from};
        const unsigned trip =
            stream.round_trip_least +
            static_cast<unsigned>(random_.below(stream.round_trip_most - stream.round_trip_least + 1));
        const unsigned total = trip + (random_.share() < stream.lost ? 1'000 : 0);
        if (!by_cookie) accounts.count_opened(service);
        if (by_cookie || stream.fate < Fate::refused) {
            // The server is near: a fifth of the way. Where the server is slow, half.
            at(by_cookie ? 0 : trip / 5, event);
        }
        const auto later = [&](What what, unsigned when) {
            event.what = what;
            at(when, event);
        };
        switch (stream.fate) {
            case Fate::completes:
                return later(What::completed, total);
            case Fate::disowned:
                return later(What::reset, trip);
            case Fate::refused:
                if (!by_cookie) later(What::refused, 1);
                return;
            case Fate::never_completes:
            case Fate::silence:
                if (!by_cookie) later(What::lost, scenario_.half_open_timeout);
                return;
        }
    }
    void at(unsigned later, const Event& event) {
        if (later == 0) return happen(event);
        if (now_ + later < calendar_.size()) calendar_[now_ + later].push_back(event);
    }
    void happen(const Event& event) {
        SynAccounts& accounts = *accounts_[event.worker];
        switch (event.what) {
            case What::answered:
                return accounts.count_answered(event.service);
            case What::completed:
                if (event.by_cookie) return accounts.count_completed(event.source, event.service);
                return accounts.count_gone(event.source, event.service, HalfOpenEnd::completed);
            case What::refused:
                return accounts.count_gone(event.source, event.service, HalfOpenEnd::refused);
            case What::reset:
                if (event.by_cookie) return;
                return accounts.count_gone(event.source, event.service, HalfOpenEnd::reset);
            case What::lost:
                return accounts.count_gone(event.source, event.service, HalfOpenEnd::lost);
        }
    }

    /// As the control thread does it.
    void step() {
        const std::array counted{accounts_[0]->services(), accounts_[1]->services()};
        const std::array sketches{&accounts_[0]->sources(), &accounts_[1]->sources()};
        const std::vector<ServiceSums> sums = sum_services(counted);
        const std::vector<LoudSource> loud = merge_sources(sketches);
        const Milliseconds cover =
            std::max(accounts_[0]->sources().covers(now_), accounts_[1]->sources().covers(now_));
        detector_.step({now_, sums, loud, cover});
        tell();
    }
    void tell() {
        Level highest = Level::quiet;
        for (ServiceNumber i = 0; i < scenario_.services; ++i)
            highest = std::max(highest, detector_.defence(i).level);
        if (now_ > scenario_.flood_start) {
            const Milliseconds passed = now_ - scenario_.flood_start;
            if (highest >= Level::alarm && outcome_.first_alarm == 0) outcome_.first_alarm = passed;
            if (highest >= Level::defend && outcome_.first_defence == 0) outcome_.first_defence = passed;
        }
        if (highest != told_) outcome_.story.push_back(joined(now_, " ms: ", name_of(highest)));
        told_ = highest;
        for (const SourceLimit& limit : detector_.source_limits()) {
            const auto known =
                std::find_if(outcome_.limits.begin(), outcome_.limits.end(),
                             [&](const SourceLimit& one) { return one.source == limit.source; });
            if (known == outcome_.limits.end()) {
                outcome_.limits.push_back(limit);
            } else {
                *known = limit;
            }
        }
    }

    const Scenario& scenario_;
    Random random_;
    unsigned now_ = 0;
    std::vector<std::vector<Event>> calendar_;
    std::array<std::vector<ServiceCounters>, workers> counters_;
    std::array<std::unique_ptr<SynAccounts>, workers> accounts_;
    Detector detector_;
    std::vector<double> due_;
    std::vector<std::uint32_t> next_;
    Level told_ = Level::quiet;
    Outcome outcome_;
};

}  // namespace

Outcome play(const Scenario& scenario) {
    return World(scenario).play();
}

}  // namespace sluice::guard::test
