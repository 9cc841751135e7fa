// Services nobody configured: an address and port where handshakes are completed is one.
//
// The worker's half keeps an account of completed handshakes that went to no known service: 64 sets of four,
// by a keyed hash, in which a newcomer takes the place of the least. With the 64th the service is put on a
// short list for the control thread (one producer, one consumer), which enters it into the next map. An
// outsider who completes handshakes with many ports fills the candidates with real services; there are at
// most as many as were set, and those nobody completes handshakes with any more go.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sluice/base/siphash.hpp"
#include "sluice/guard/service_map.hpp"

namespace sluice::guard {

struct Endpoint {
    Address address;
    std::uint16_t port = 0;  ///< host order

    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// A worker's half. count_completed() is the owner's, take() the control thread's.
class ServiceCandidates {
  public:
    static constexpr std::uint32_t needed = 64;  ///< completed handshakes
    static constexpr unsigned sets = 64;
    static constexpr unsigned ways = 4;
    static constexpr unsigned list_length = 16;

    explicit ServiceCandidates(const SipHashKey& key) : key_(key) {}

    /// A handshake was completed with an address and port of no_service.
    void count_completed(const Endpoint& endpoint) {
        Candidate& candidate = candidate_for(endpoint);
        if (++candidate.completed < needed) return;
        const std::uint32_t put = put_.load(std::memory_order_relaxed);
        if (put - taken_.load(std::memory_order_acquire) == list_length) return;  // with the next handshake
        list_[put % list_length] = endpoint;
        put_.store(put + 1, std::memory_order_release);
        candidate = {};
    }
    /// The next that has had enough, if any.
    [[nodiscard]] std::optional<Endpoint> take() {
        const std::uint32_t taken = taken_.load(std::memory_order_relaxed);
        if (taken == put_.load(std::memory_order_acquire)) return std::nullopt;
        const Endpoint endpoint = list_[taken % list_length];
        taken_.store(taken + 1, std::memory_order_release);
        return endpoint;
    }

  private:
    struct Candidate {
        Endpoint endpoint;
        std::uint32_t completed = 0;
    };

    [[nodiscard]] Candidate& candidate_for(const Endpoint& endpoint) {
        std::array<std::uint8_t, 18> bytes{};
        store(&bytes[0], endpoint.address);
        store(&bytes[16], endpoint.port);
        Candidate* const set = &candidates_[siphash(bytes, key_) % sets * ways];
        for (Candidate* way = set; way != set + ways; ++way)
            if (way->endpoint == endpoint) return *way;
        Candidate* const least = std::min_element(
            set, set + ways,
            [](const Candidate& a, const Candidate& b) { return a.completed < b.completed; });
        *least = {endpoint, 0};
        return *least;
    }

    SipHashKey key_;
    std::array<Candidate, sets * ways> candidates_{};
    std::array<Endpoint, list_length> list_{};
    alignas(64) std::atomic<std::uint32_t> put_{0};
    alignas(64) std::atomic<std::uint32_t> taken_{0};
};

/// The control thread's half: who has been learnt, under which number, and who goes.
class LearntServices {
  public:
    /// Numbers `first` to `first + most - 1` are for learnt services. One with no completed handshake for
    /// `idle` milliseconds goes; its number is given to another only after as long again, when no flow of
    /// its own is half-open any more.
    LearntServices(ServiceNumber first, std::uint16_t most, std::uint64_t idle)
        : first_(first), idle_(idle), slots_(most) {}

    /// Whether the map has to be built anew for it: not when it is known, or when there is no room.
    [[nodiscard]] bool learn(const Endpoint& endpoint, std::uint64_t now);
    /// `completed`: the sum over workers for each service number. Whether somebody went.
    [[nodiscard]] bool age(std::span<const std::uint64_t> completed, std::uint64_t now);
    void set_idle(std::uint64_t idle) { idle_ = idle; }
    /// What to add to the configured services.
    [[nodiscard]] std::vector<Service> services() const;

  private:
    struct Slot {
        Endpoint endpoint;
        std::uint64_t completed = 0;
        std::uint64_t active = 0;  ///< when it last completed a handshake; when it went
        bool used = false;
        bool ever_used = false;
    };
    ServiceNumber first_;
    std::uint64_t idle_;
    std::vector<Slot> slots_;
};

}  // namespace sluice::guard
