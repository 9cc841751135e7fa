// What the generator sends. A kind of traffic is asked, a few packets at a time,
//
//     pick     which packets to send to a worker next (their connections are then on their way into the
//     cache) write    the packet into a frame arrived  told of each frame that came out of the box turn now
//     and then, with the time in milliseconds
//
// Sequence numbers are valid always: no segment acknowledges what has not come out of the box on the other
// side, for a real receiver could not have seen it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "line_rate/flood.hpp"
#include "line_rate/population.hpp"
#include "line_rate/tally.hpp"

namespace sluice::bench {

/// Sides in random order, but as many of one as of the other in each 64: no queue runs dry by chance.
class Sides {
  public:
    explicit Sides(std::uint64_t seed) {
        Random random(seed);
        for (auto& mask : masks_) {
            mask = 0;
            for (unsigned ones = 0; ones < 32;) {
                const std::uint64_t bit = std::uint64_t{1} << random.below(64);
                if ((mask & bit) != 0) continue;
                mask |= bit;
                ++ones;
            }
        }
    }
    [[nodiscard]] std::uint16_t next() {
        const auto side = static_cast<std::uint16_t>((masks_[at_ / 64] >> (at_ % 64)) & 1U);
        at_ = (at_ + 1) % (64 * masks_.size());
        return side;
    }

  private:
    std::array<std::uint64_t, 256> masks_;
    std::size_t at_ = 0;
};

/// Segments of open connections: any of them, either way, in frames as the buffers are shaped. The shortest
/// frames are bare acknowledgements and a few bytes of data, half and half.
class Established {
  public:
    /// What part of the traffic a frame belongs to.
    [[nodiscard]] static Share share_of(const std::uint8_t*, unsigned) { return measured; }

    Established(Population& population, std::uint64_t seed)
        : population_(population), random_(seed), sides_(seed) {}

    unsigned pick(unsigned worker, Pick* out, unsigned wanted) {
        const std::uint32_t block = population_.size_of_block();
        for (unsigned i = 0; i < wanted; ++i) {
            const std::uint64_t bits = random_.next();
            out[i] = {.number = worker * block + static_cast<std::uint32_t>(((bits >> 32U) * block) >> 32U),
                      .side = sides_.next(),
                      .carries_data = (bits & 1U) != 0};
            population_.prefetch(out[i].number);
        }
        return wanted;
    }
    Share write(const Pick& pick, unsigned, std::uint8_t* frame) {
        Connection& connection = population_[pick.number];
        connection.next[pick.side] +=
            write_segment(frame, population_.ends_of(pick.number), pick.side,
                          {.sequence = connection.next[pick.side],
                           .acknowledgement = connection.seen[1 - pick.side],
                           .flags = packet::ack,
                           .carries_data = pick.carries_data || frame_bytes(frame) > shortest_frame});
        return measured;
    }
    void prefetch(const std::uint8_t* frame, unsigned side) {
        const std::uint32_t number = population_.number_of(frame, side);
        if (number < population_.size()) population_.prefetch(number);
    }
    void arrived(const std::uint8_t* frame, unsigned side) {
        const std::uint32_t number = population_.number_of(frame, side);
        if (number >= population_.size()) return;
        std::uint32_t& seen = population_[number].seen[side];
        const std::uint32_t end = end_of(frame);
        if (static_cast<std::int32_t>(end - seen) > 0) seen = end;
    }
    void turn(std::uint32_t) {}
    void unpick(const Pick&) {}
    [[nodiscard]] bool done() const { return false; }
    [[nodiscard]] std::uint64_t completed() const { return 0; }
    [[nodiscard]] std::uint64_t sent_again() const { return 0; }

  private:
    Population& population_;
    Random random_;
    Sides sides_;
};

/// Conversations, segment by segment: the next one is sent once the one before has come out of the box. Six
/// segments are a whole connection, which then begins anew with other ends; three only open it.
///
/// A box may answer the client's SYN with a cookie. The client then acknowledges that, the server gets a SYN
/// of the box and answers it, and the client goes on once the box has told it the server's window. Segments
/// are as many; the server's numbers are others for the client from then on.
class Conversations {
  public:
    enum class Script : std::uint8_t { open_once = 3, whole_for_ever = 6 };

    /// Speaks for the blocks of `workers`; at most `under_way` conversations at a time for each.
    Conversations(Population& population, std::vector<unsigned> workers, Script script,
                  std::uint32_t under_way, std::uint64_t seed, Options syn_options = Options::scale);

    [[nodiscard]] static Share share_of(const std::uint8_t*, unsigned) { return measured; }
    [[nodiscard]] std::uint16_t server_port() const { return population_.server_port(); }

    unsigned pick(unsigned worker, Pick* out, unsigned wanted);
    Share write(const Pick& pick, unsigned worker, std::uint8_t* frame);
    void prefetch(const std::uint8_t* frame, unsigned side) {
        const std::uint32_t number = population_.number_of(frame, side);
        if (number < population_.size()) population_.prefetch(number);
    }
    void arrived(const std::uint8_t* frame, unsigned side);
    void unpick(const Pick& pick);
    /// Finds segments that were lost, some connections a call, and has them sent again; whole connections
    /// that lose too many are given up for others. Once a millisecond.
    void turn(std::uint32_t milliseconds);
    [[nodiscard]] bool done() const { return remaining_ == 0; }
    [[nodiscard]] std::uint64_t completed() const { return completed_; }
    [[nodiscard]] std::uint64_t sent_again() const { return sent_again_; }

  private:
    struct Block {
        unsigned worker;
        std::uint32_t begun = 0;           ///< connections of the block that have begun
        std::uint32_t talking = 0;         ///< begun and not finished
        std::uint32_t looked = 0;          ///< how far turn() has come
        std::vector<std::uint32_t> ready;  ///< whose turn it is to be sent
    };
    Block& block_of(unsigned worker);
    [[nodiscard]] Options options_of(const Connection& connection, std::uint8_t flags) const;
    [[nodiscard]] static unsigned stage_after(Connection& connection, const std::uint8_t* frame,
                                              unsigned side);
    static void agree(Connection& connection, const std::uint8_t* frame, unsigned side);
    void go_back(Connection& connection);

    Population& population_;
    std::vector<Block> blocks_;
    unsigned last_stage_;
    bool for_ever_;
    std::uint32_t under_way_;
    Options syn_options_;
    Random random_;
    std::uint32_t now_ = 0;
    std::uint64_t remaining_ = 0, completed_ = 0, sent_again_ = 0;
};

/// Segments of open connections, whole new connections beside them, and a flood on their server.
class Flooded {
  public:
    /// Parts of all packets. What the new connections do not need goes to the open ones.
    struct Mix {
        double flood = 0, newcomers = 0;
    };

    Flooded(Population& open, Conversations& newcomers, const Flood& flood, const Mix& mix,
            std::uint64_t seed)
        : established_(open, seed),
          newcomers_(newcomers),
          flood_(flood),
          random_(~seed),
          flood_below_(threshold(mix.flood)),
          newcomers_below_(threshold(mix.flood + mix.newcomers)) {}

    [[nodiscard]] Share share_of(const std::uint8_t* frame, unsigned side) const {
        if (Flood::is_of_one(frame, side)) return flood;
        return server_port_of(frame, side) == newcomers_.server_port() ? newcomers : measured;
    }
    unsigned pick(unsigned worker, Pick* out, unsigned wanted) {
        for (unsigned i = 0; i < wanted; ++i) {
            const auto drawn = static_cast<std::uint32_t>(random_.next());
            if (drawn < flood_below_) {
                out[i] = {.number = 0, .side = 0, .share = flood};
            } else if (drawn < newcomers_below_ && newcomers_.pick(worker, out + i, 1) == 1) {
                out[i].share = newcomers;
            } else {
                established_.pick(worker, out + i, 1);
            }
        }
        return wanted;
    }
    Share write(const Pick& pick, unsigned worker, std::uint8_t* frame) {
        if (pick.share == flood) {
            flood_.write(worker, frame);
        } else if (pick.share == newcomers) {
            newcomers_.write(pick, worker, frame);
        } else {
            established_.write(pick, worker, frame);
        }
        return pick.share;
    }
    void prefetch(const std::uint8_t* frame, unsigned side) {
        established_.prefetch(frame, side);
        newcomers_.prefetch(frame, side);
    }
    void arrived(const std::uint8_t* frame, unsigned side) {
        const Share share = share_of(frame, side);
        if (share == measured) established_.arrived(frame, side);
        if (share == newcomers) newcomers_.arrived(frame, side);
    }
    void turn(std::uint32_t milliseconds) { newcomers_.turn(milliseconds); }
    void unpick(const Pick& pick) {
        if (pick.share == newcomers) newcomers_.unpick(pick);
    }
    [[nodiscard]] bool done() const { return false; }
    [[nodiscard]] std::uint64_t completed() const { return newcomers_.completed(); }
    [[nodiscard]] std::uint64_t sent_again() const { return newcomers_.sent_again(); }

  private:
    static std::uint32_t threshold(double share) {
        return static_cast<std::uint32_t>(std::min(share, 1.0) * 4'294'967'295.0);
    }

    Established established_;
    Conversations& newcomers_;
    Flood flood_;
    Random random_;
    std::uint32_t flood_below_, newcomers_below_;
};

}  // namespace sluice::bench
