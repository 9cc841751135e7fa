// A watch over workers that nobody drives: accounts filled by hand, time and secrets that the test decides.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/control/guard_watch.hpp"

namespace sluice::control::testing {

inline guard::Address ipv4(std::uint32_t host) {
    return {0, guard::Address::mapped | host};
}

inline GuardedService service_at(std::uint32_t host, std::uint16_t port, guard::Mode mode,
                                 const std::string& name = "") {
    GuardedService out{name, ipv4(host), 128, port, {}, {}};
    out.policy.mode = mode;
    return out;
}

class GuardRig {
  public:
    static constexpr std::uint64_t wall_offset = 1'700'000'000'000;

    explicit GuardRig(GuardOptions options = {}, unsigned workers = 2) : options_(std::move(options)) {
        std::vector<GuardWatch::Worker> watched;
        for (unsigned i = 0; i < workers; ++i) {
            counters_.emplace_back(options_.numbers());
            accounts.push_back(std::make_unique<guard::SynAccounts>(
                counters_.back(), flow::Secret{{3, 1, 4, 1}}, static_cast<Tick>(now)));
            candidates.push_back(std::make_unique<guard::ServiceCandidates>(SipHashKey{1, 2}));
            watched.push_back({accounts.back().get(), candidates.back().get()});
        }
        auto made = GuardWatch::create(options_, workers, [this](std::span<std::byte> out) {
            if (!random) return false;
            for (std::byte& byte : out) byte = static_cast<std::byte>(++drawn_);
            return true;
        });
        EXPECT_TRUE(made.ok());
        watch = std::move(*made);
        watch->watch(watched);
        (void)watch->take_change();
    }

    /// So many steps of 100 ms; `traffic` before each.
    void steps(unsigned count, const std::function<void()>& traffic = {}) {
        for (unsigned i = 0; i < count; ++i) {
            now += 100;
            for (const auto& one : accounts) one->advance(static_cast<Tick>(now));
            if (traffic) traffic();
            watch->step({now, static_cast<Tick>(now), now + wall_offset});
            for (auto& line : watch->take_news()) news.push_back(std::move(line));
            if (watch->take_change()) ++changes;
        }
    }
    /// SYNs that nobody completes, each of a source of its own, or all of one, shared among the workers.
    void syns(guard::ServiceNumber service, unsigned count, std::uint32_t one_source = 0) {
        for (unsigned i = 0; i < count; ++i) {
            const std::uint32_t host = one_source != 0 ? one_source : ++spoofed_ * 2'654'435'761U;
            auto& worker = *accounts[i % accounts.size()];
            worker.count_syn({guard::Source::ipv4 | host}, service);
            worker.count_answered(service);
        }
    }
    /// Handshakes that begin and are complete.
    void handshakes(guard::ServiceNumber service, unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            auto& worker = *accounts[i % accounts.size()];
            const guard::Source source{guard::Source::ipv4 | (0x0A00'0000U + i)};
            worker.count_syn(source, service);
            worker.count_answered(service);
            worker.count_completed(source, service);
        }
    }
    /// So many completed handshakes with what is no service, as a worker counts them.
    void complete(const guard::Endpoint& endpoint, unsigned count = guard::ServiceCandidates::needed) {
        for (unsigned i = 0; i < count; ++i) candidates[0]->count_completed(endpoint);
    }
    [[nodiscard]] guard::ServiceNumber number_of(std::uint32_t host, std::uint16_t port) const {
        return watch->protection()->services.find(ipv4(host), port);
    }
    [[nodiscard]] guard::Defence board(guard::ServiceNumber number) const {
        return watch->protection()->board->read(number);
    }

    guard::Milliseconds now = 1'000'000;
    bool random = true;  ///< the kernel has random bytes
    std::vector<std::unique_ptr<guard::SynAccounts>> accounts;
    std::vector<std::unique_ptr<guard::ServiceCandidates>> candidates;
    std::unique_ptr<GuardWatch> watch;
    std::vector<GuardWatch::News> news;
    unsigned changes = 0;

  private:
    GuardOptions options_;
    std::vector<std::vector<guard::ServiceCounters>> counters_;
    std::uint32_t spoofed_ = 0;
    unsigned drawn_ = 0;
};

}  // namespace sluice::control::testing
