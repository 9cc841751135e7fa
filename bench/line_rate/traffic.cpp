#include "line_rate/traffic.hpp"

#include <algorithm>

namespace sluice::bench {
namespace {

/// Who says what, in a connection that the client closes.
struct Line {
    std::uint16_t side;
    std::uint8_t flags;
};
constexpr std::array<Line, 6> script{{{0, packet::syn},
                                      {1, packet::syn | packet::ack},
                                      {0, packet::ack},
                                      {0, packet::fin | packet::ack},
                                      {1, packet::fin | packet::ack},
                                      {0, packet::ack}}};

constexpr bool takes_a_number(std::uint8_t flags) {
    return (flags & (packet::syn | packet::fin)) != 0;
}

/// Long for a box that is not overloaded, short beside the box's own timeouts.
constexpr std::uint32_t lost_after_milliseconds = 500;
/// A millisecond's share of the search for them; more when there is nothing else to do.
constexpr std::uint32_t looked_at = 512, looked_at_when_idle = 65'536;

}  // namespace

Conversations::Conversations(Population& population, std::vector<unsigned> workers, Script what,
                             std::uint32_t under_way, std::uint64_t seed)
    : population_(population),
      last_stage_(static_cast<unsigned>(what)),
      for_ever_(what == Script::whole_for_ever),
      under_way_(std::min(under_way, population.size_of_block())),
      random_(seed) {
    for (const unsigned worker : workers) {
        blocks_.push_back({.worker = worker, .ready = {}});
        blocks_.back().ready.reserve(under_way_);
        remaining_ += population.size_of_block();
    }
}

Conversations::Block& Conversations::block_of(unsigned worker) {
    return *std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.worker == worker; });
}

unsigned Conversations::pick(unsigned worker, Pick* out, unsigned wanted) {
    Block& block = block_of(worker);
    const std::uint32_t size = population_.size_of_block();
    unsigned picked = 0;
    while (picked < wanted) {
        std::uint32_t number = 0;
        if (!block.ready.empty()) {
            std::uint32_t& some = block.ready[random_.below(static_cast<std::uint32_t>(block.ready.size()))];
            number = some;
            some = block.ready.back();
            block.ready.pop_back();
        } else if (block.talking < under_way_ && block.begun < size) {
            number = worker * size + block.begun++;
            ++block.talking;
        } else {
            break;
        }
        out[picked++] = {.number = number, .side = script[population_[number].stage].side};
        population_.prefetch(number);
    }
    return picked;
}

Share Conversations::write(const Pick& pick, unsigned, std::uint8_t* frame) {
    Connection& connection = population_[pick.number];
    const Line& line = script[connection.stage];
    const bool acknowledges = (line.flags & packet::ack) != 0;
    write_segment(frame, population_.ends_of(pick.number), line.side,
                  {.sequence = connection.next[line.side],
                   .acknowledgement = acknowledges ? connection.seen[1 - line.side] : 0,
                   .flags = line.flags});
    if (takes_a_number(line.flags)) ++connection.next[line.side];
    connection.under_way = true;
    connection.sent_at = now_;
    return measured;
}

void Conversations::arrived(const std::uint8_t* frame, unsigned side) {
    const std::uint32_t number = Population::number_of(frame, side);
    if (number >= population_.size()) return;
    Connection& connection = population_[number];
    // Anything else is the late original of a segment that was sent again.
    if (!connection.under_way || script[connection.stage].side != side ||
        end_of(frame) != connection.next[side] || script[connection.stage].flags != frame[offset::flags])
        return;
    connection.under_way = false;
    connection.seen[side] = connection.next[side];
    Block& block = block_of(population_.worker_of(number));
    if (++connection.stage != last_stage_) {
        block.ready.push_back(number);
        return;
    }
    ++completed_;
    if (for_ever_) {
        population_.renew(number, random_);
        block.ready.push_back(number);
    } else {
        --block.talking;
        --remaining_;
    }
}

void Conversations::unpick(const Pick& pick) {
    block_of(population_.worker_of(pick.number)).ready.push_back(pick.number);
}

void Conversations::turn(std::uint32_t milliseconds) {
    now_ = milliseconds;
    const std::uint32_t size = population_.size_of_block();
    for (Block& block : blocks_) {
        const bool idle = block.ready.empty() && block.begun == size;
        for (std::uint32_t i = 0; i < std::min(idle ? looked_at_when_idle : looked_at, block.begun); ++i) {
            block.looked = (block.looked + 1) % block.begun;
            const std::uint32_t number = block.worker * size + block.looked;
            Connection& connection = population_[number];
            if (!connection.under_way || milliseconds - connection.sent_at < lost_after_milliseconds)
                continue;
            const Line& line = script[connection.stage];
            if (takes_a_number(line.flags)) --connection.next[line.side];
            connection.under_way = false;
            block.ready.push_back(number);
            ++sent_again_;
        }
    }
}

}  // namespace sluice::bench
