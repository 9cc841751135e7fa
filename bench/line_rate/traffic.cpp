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
/// So often segments of one connection are sent again.
constexpr unsigned most_repetitions = 6;

// Each side's clock stands still during a connection.
constexpr std::uint32_t clock_of(std::uint32_t number, unsigned side) {
    return (side == 0 ? 0x1000'0000U : 0x7000'0000U) + number;
}

}  // namespace

Conversations::Conversations(Population& population, std::vector<unsigned> workers, Script what,
                             std::uint32_t under_way, std::uint64_t seed, Options syn_options)
    : population_(population),
      last_stage_(static_cast<unsigned>(what)),
      for_ever_(what == Script::whole_for_ever),
      under_way_(std::min(under_way, population.size_of_block())),
      syn_options_(syn_options),
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

Options Conversations::options_of(const Connection& connection, std::uint8_t flags) const {
    if (flags == packet::syn) return syn_options_;
    if (connection.timestamps) return Options::as_linux;
    return connection.scales ? Options::scale : Options::none;
}

Share Conversations::write(const Pick& pick, unsigned, std::uint8_t* frame) {
    Connection& connection = population_[pick.number];
    const Line& line = script[connection.stage];
    const bool acknowledges = (line.flags & packet::ack) != 0;
    write_segment(frame, population_.ends_of(pick.number), line.side,
                  {.sequence = connection.next[line.side],
                   .acknowledgement = acknowledges ? connection.seen[1 - line.side] : 0,
                   .flags = line.flags,
                   .options = options_of(connection, line.flags),
                   .timestamp = clock_of(pick.number, line.side),
                   .echo = !acknowledges    ? 0
                           : line.side == 0 ? connection.echo
                                            : clock_of(pick.number, 0)});
    if (takes_a_number(line.flags)) ++connection.next[line.side];
    if (line.side == 1 && (line.flags & packet::syn) != 0) connection.server_spoke = true;
    connection.under_way = true;
    connection.sent_at = now_;
    return measured;
}

/// What the connection is to say next, now that a frame of `side` has come out: where it stood, if the frame
/// is the late original of a segment that was sent again, or otherwise tells nothing.
unsigned Conversations::stage_after(Connection& connection, const std::uint8_t* frame, unsigned side) {
    const unsigned stage = connection.stage;
    const Line& line = script[stage];
    const std::uint8_t flags = frame[offset::flags];
    const bool acknowledges_all = load<be32>(frame + offset::acknowledgement).host() == connection.next[0];
    const bool right_numbers =
        side == 1 && connection.answered ? acknowledges_all : end_of(frame) == connection.next[side];
    if (line.side == side && line.flags == flags && right_numbers) return stage + 1;

    constexpr unsigned syn = 0, syn_ack = 1, ack = 2, fin = 3;
    if (side == 0) {  // the box asks the server, and may ask again
        if (stage != ack || flags != packet::syn || end_of(frame) != connection.next[0]) return stage;
        if (connection.server_spoke) --connection.next[1];
        connection.server_spoke = false;
        return syn_ack;
    }
    if (!acknowledges_all) return stage;
    if (stage == syn && flags == (packet::syn | packet::ack)) {  // it answers for the server
        connection.answered = true;
        return ack;
    }
    // It tells the client the server's window.
    return stage == syn_ack && connection.answered && flags == packet::ack ? fin : stage;
}

/// Who answers offers no more than was offered.
void Conversations::agree(Connection& connection, const std::uint8_t* frame, unsigned side) {
    const Told told = bench::options_of(frame);
    connection.timestamps = told.timestamps;
    connection.scales = told.scales;
    if (side == 1) connection.echo = told.timestamp;
}

void Conversations::arrived(const std::uint8_t* frame, unsigned side) {
    const std::uint32_t number = population_.number_of(frame, side);
    if (number >= population_.size()) return;
    Connection& connection = population_[number];
    if (!connection.under_way) return;
    Block& block = block_of(population_.worker_of(number));
    const unsigned stage = stage_after(connection, frame, side);
    if (stage == connection.stage) {
        if ((frame[offset::flags] & packet::rst) == 0 || !for_ever_) return;
        population_.renew(number, random_);
        block.ready.push_back(number);
        return;
    }
    if (is_syn(frame)) agree(connection, frame, side);
    connection.under_way = false;
    connection.seen[side] = end_of(frame);
    connection.stage = static_cast<std::uint8_t>(stage);
    if (stage != last_stage_) {
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

/// To the segment that is to be sent again.
void Conversations::go_back(Connection& connection) {
    const Line& line = script[connection.stage];
    if (connection.answered && line.side == 1 && (line.flags & packet::syn) != 0) {
        ++connection.stage;  // the client cannot tell what was lost: it acknowledges the answer again
    } else if (takes_a_number(line.flags)) {
        --connection.next[line.side];
    }
    connection.under_way = false;
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
            if (for_ever_ && connection.again == most_repetitions) {
                population_.renew(number, random_);
            } else {
                go_back(connection);
                if (connection.again < most_repetitions) ++connection.again;
                ++sent_again_;
            }
            block.ready.push_back(number);
        }
    }
}

}  // namespace sluice::bench
