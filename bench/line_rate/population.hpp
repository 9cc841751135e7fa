// The connections that the generator speaks for. Their ends follow from a number, so that a frame that comes
// back tells whose it is. All addresses are of the range for benchmarks, 198.18.0.0/15 (RFC 2544 C.2.2):
//
//     198.19.0.0/16      clients: the low 16 bits of the number
//     198.18.0.0/17      servers: the number's high 8 bits are the last byte; the third counts how often a
//                        client has used up its ports
//     198.18.128.0/17    where floods come from (flood.hpp)
//
// Floods of IPv6 are of 2001:2::/48 (RFC 5180), see flood.hpp.
//
// They come in equal blocks, one for each worker: ports are chosen so that the box's own hash gives the
// worker its block. Each worker then gets its packets in its own queue, as a card with RSS would sort them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "line_rate/frame.hpp"
#include "line_rate/tally.hpp"
#include "micro/flows.hpp"
#include "random.hpp"
#include "sluice/base/prefetch.hpp"
#include "sluice/base/result.hpp"
#include "sluice/dpdk/arena.hpp"
#include "sluice/flow/key.hpp"

namespace sluice::bench {

/// Whether an address is of 198.18.0.0/15.
[[nodiscard]] constexpr bool is_for_benchmarks(std::uint32_t address) {
    return address >> 17U == 0xC612'0000 >> 17U;
}

inline constexpr std::uint32_t most_connections = 16'777'216;

struct Connection {
    std::uint32_t next[2];  ///< the sequence number that each side sends next
    std::uint32_t
        seen[2];  ///< up to which each side's bytes have come out of the box: what can be acknowledged
    std::uint32_t server;  ///< the third byte of its address
    std::uint16_t client_port;
    std::uint8_t stage;      ///< segments of its script that have come out
    bool under_way : 1;      ///< the next of them is in the box
    bool answered : 1;       ///< by a box that speaks for the server and translates its numbers
    bool server_spoke : 1;   ///< it has sent its SYN,ACK
    bool timestamps : 1;     ///< agreed
    bool scales : 1;         ///< agreed
    std::uint8_t again : 3;  ///< how often segments were sent again
    std::uint32_t sent_at;   ///< when the last one was sent, milliseconds
    std::uint32_t echo;      ///< the timestamp that the client has seen last
};
static_assert(sizeof(Connection) == 32, "two to a cache line, none in two");

/// What a generator may pick to send: a connection and the side that speaks.
struct Pick {
    std::uint32_t number;
    std::uint16_t side;
    bool carries_data = false;
    Share share = measured;
};

class Population {
  public:
    /// `count` connections, rounded up to as many for each worker.
    [[nodiscard]] static Result<Population> make(std::uint32_t count, unsigned workers,
                                                 std::uint16_t server_port = 443) {
        count = (count + workers - 1) / workers * workers;
        auto memory = dpdk::Arena::take(std::size_t{count} * sizeof(Connection), false, -1);
        if (!memory) return Error{"no memory for " + std::to_string(count) + " connections: lower --flows"};
        return Population(std::move(*memory), count, workers, server_port);
    }

    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] unsigned workers() const { return workers_; }
    [[nodiscard]] std::uint32_t size_of_block() const { return size_ / workers_; }
    [[nodiscard]] unsigned worker_of(std::uint32_t number) const { return number / size_of_block(); }
    Connection& operator[](std::uint32_t number) { return connections_[number]; }
    void prefetch(std::uint32_t number) const { __builtin_prefetch(&connections_[number], 1, 3); }

    [[nodiscard]] Endpoints ends_of(std::uint32_t number) const {
        const Connection& connection = connections_[number];
        return {be32(first_client + (number & 0xFFFFU)),
                be32(first_server + (connection.server << 8U) + (number >> 16U)),
                be16(connection.client_port), be16(server_port_)};
    }
    /// Whose packet it is; `side` sent it. Not less than size() when it is nobody's.
    [[nodiscard]] std::uint32_t number_of(const std::uint8_t* frame, unsigned side) const {
        const std::uint32_t client = client_of(frame, side) - first_client;
        return client > 0xFFFFU || server_port_of(frame, side) != server_port_
                   ? ~0U
                   : (server_of(frame, side) & 0xFFU) << 16U | client;
    }
    [[nodiscard]] std::uint16_t server_port() const { return server_port_; }
    [[nodiscard]] bool owned_by(unsigned worker, const Endpoints& ends) const {
        return workers_ == 1 || owner_of<4>(&ends.client, &ends.server, ends, workers_) == worker;
    }
    [[nodiscard]] bool owned_by(unsigned worker, const Ipv6Endpoints& ends) const {
        return workers_ == 1 || owner_of<16>(&ends.client, &ends.server, ends, workers_) == worker;
    }

    /// Ends that were not used for long, owned by the same worker, and fresh sequence numbers.
    void renew(std::uint32_t number, Random& random) {
        Connection& connection = connections_[number];
        do {
            if (++connection.client_port < first_port) {
                connection.client_port = first_port;
                connection.server = (connection.server + 1) % 128;
            }
        } while (!owned_by(worker_of(number), ends_of(number)));
        for (const unsigned side : {0U, 1U}) {
            connection.next[side] = connection.seen[side] = static_cast<std::uint32_t>(random.next());
        }
        connection.stage = 0;
        connection.under_way = connection.answered = connection.server_spoke = false;
        connection.timestamps = connection.scales = false;
        connection.again = 0;
    }

    static constexpr std::uint32_t first_server = 0xC612'0000;
    static constexpr std::uint8_t server_prefix_length = 17;

  private:
    static constexpr std::uint32_t first_client = 0xC613'0000;
    static constexpr std::uint16_t first_port = 1024;
    static_assert(is_for_benchmarks(first_client) && is_for_benchmarks(first_client + 0xFFFF) &&
                  is_for_benchmarks(first_server));

    Population(dpdk::Arena&& memory, std::uint32_t count, unsigned workers, std::uint16_t server_port)
        : memory_(std::move(memory)),
          connections_(reinterpret_cast<Connection*>(memory_.bytes().data())),
          size_(count),
          workers_(workers),
          server_port_(server_port) {
        Random random(count);
        for (std::uint32_t number = 0; number < count; ++number) {
            connections_[number].client_port = static_cast<std::uint16_t>(first_port + random.below(32'768));
            renew(number, random);
        }
    }

    template <unsigned AddressBytes, class EndpointsT>
    [[nodiscard]] static unsigned owner_of(const void* client, const void* server, const EndpointsT& ends,
                                           unsigned workers) {
        const auto key = flow::make_key<AddressBytes>(
            static_cast<const std::uint8_t*>(client), static_cast<const std::uint8_t*>(server),
            ends.client_port.host(), ends.server_port.host(), packet::tcp,
            flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
        return flow::owner_of(flow::hash(key.key, bench_secret), workers);
    }

    dpdk::Arena memory_;
    Connection* connections_;
    std::uint32_t size_;
    unsigned workers_;
    std::uint16_t server_port_;
};

}  // namespace sluice::bench
