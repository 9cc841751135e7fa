// The connections that the generator speaks for. Their ends follow from a number, so that a frame that comes
// back tells whose it is: 10.0.0.0/8 plus the number talks to port 443 of 192.0.2.0 and the addresses behind
// it.
//
// They come in equal blocks, one for each worker: ports are chosen so that the box's own hash gives the
// worker its block. Each worker then gets its packets in its own queue, as a card with RSS would sort them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "line_rate/frame.hpp"
#include "micro/flows.hpp"
#include "random.hpp"
#include "sluice/base/prefetch.hpp"
#include "sluice/base/result.hpp"
#include "sluice/dpdk/arena.hpp"
#include "sluice/flow/key.hpp"

namespace sluice::bench {

inline constexpr std::uint32_t most_connections = 16'777'216;

struct Connection {
    std::uint32_t next[2];  ///< the sequence number that each side sends next
    std::uint32_t
        seen[2];  ///< up to which each side's bytes have come out of the box: what can be acknowledged
    std::uint32_t server;  ///< its address, beyond 192.0.2.0
    std::uint16_t client_port;
    std::uint8_t stage;     ///< segments of its script that have come out
    bool under_way;         ///< one of them is in the box
    std::uint32_t sent_at;  ///< when that was, milliseconds
    std::uint32_t spare = 0;
};
static_assert(sizeof(Connection) == 32, "two to a cache line, none in two");

/// What a generator may pick to send: a connection and the side that speaks.
struct Pick {
    std::uint32_t number;
    std::uint16_t side;
    bool carries_data = false;
};

class Population {
  public:
    /// `count` connections, rounded up to as many for each worker.
    [[nodiscard]] static Result<Population> make(std::uint32_t count, unsigned workers) {
        count = (count + workers - 1) / workers * workers;
        auto memory = dpdk::Arena::take(std::size_t{count} * sizeof(Connection), false, -1);
        if (!memory) return Error{"no memory for " + std::to_string(count) + " connections: lower --flows"};
        return Population(std::move(*memory), count, workers);
    }

    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] unsigned workers() const { return workers_; }
    [[nodiscard]] std::uint32_t size_of_block() const { return size_ / workers_; }
    [[nodiscard]] unsigned worker_of(std::uint32_t number) const { return number / size_of_block(); }
    Connection& operator[](std::uint32_t number) { return connections_[number]; }
    void prefetch(std::uint32_t number) const { __builtin_prefetch(&connections_[number], 1, 3); }

    [[nodiscard]] Endpoints ends_of(std::uint32_t number) const {
        const Connection& connection = connections_[number];
        return {be32(first_client + number), be32(first_server + connection.server),
                be16(connection.client_port), be16(443)};
    }
    /// Whose packet it is; `side` sent it. Not less than size() when it is nobody's.
    [[nodiscard]] static std::uint32_t number_of(const std::uint8_t* frame, unsigned side) {
        return client_of(frame, side) - first_client;
    }

    /// Ends that were never used before, owned by the same worker, and fresh sequence numbers.
    void renew(std::uint32_t number, Random& random) {
        Connection& connection = connections_[number];
        do {
            if (++connection.client_port < first_port) {
                connection.client_port = first_port;
                ++connection.server;
            }
        } while (workers_ != 1 && owner_of(ends_of(number), workers_) != worker_of(number));
        for (const unsigned side : {0U, 1U}) {
            connection.next[side] = connection.seen[side] = static_cast<std::uint32_t>(random.next());
        }
        connection.stage = 0;
        connection.under_way = false;
    }

    /// Ends with a client from anywhere but the population's network, owned by `worker`.
    [[nodiscard]] Endpoints spoof(Random& random, unsigned worker) const {
        for (;;) {
            const std::uint64_t bits = random.next();
            auto address = static_cast<std::uint32_t>(bits);
            if ((address >> 24U) == first_client >> 24U) address ^= 0x8000'0000U;
            const Endpoints ends{be32(address), be32(first_server),
                                 be16(static_cast<std::uint16_t>(bits >> 32U)), be16(443)};
            if (workers_ == 1 || owner_of(ends, workers_) == worker) return ends;
        }
    }

  private:
    static constexpr std::uint32_t first_client = 0x0A00'0000, first_server = 0xC000'0200;
    static constexpr std::uint16_t first_port = 1024;

    Population(dpdk::Arena&& memory, std::uint32_t count, unsigned workers)
        : memory_(std::move(memory)),
          connections_(reinterpret_cast<Connection*>(memory_.bytes().data())),
          size_(count),
          workers_(workers) {
        Random random(count);
        for (std::uint32_t number = 0; number < count; ++number) {
            connections_[number].client_port = static_cast<std::uint16_t>(first_port + random.below(32'768));
            renew(number, random);
        }
    }

    [[nodiscard]] static unsigned owner_of(const Endpoints& ends, unsigned workers) {
        const auto key =
            flow::make_key<4>(reinterpret_cast<const std::uint8_t*>(&ends.client),
                              reinterpret_cast<const std::uint8_t*>(&ends.server), ends.client_port.host(),
                              ends.server_port.host(), packet::tcp,
                              flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
        return flow::owner_of(flow::hash(key.key, bench_secret), workers);
    }

    dpdk::Arena memory_;
    Connection* connections_;
    std::uint32_t size_;
    unsigned workers_;
};

}  // namespace sluice::bench
