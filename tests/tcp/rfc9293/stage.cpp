#include "stage.hpp"

#include <array>
#include <cstdlib>

namespace sluice::test {

using rfc9293::Act;
using rfc9293::Allowance;
using rfc9293::World;

World stage(std::uint16_t buffer, std::uint8_t scale_a, std::uint8_t scale_b) {
    World w;
    // The numbers wrap in every conversation; B's are the larger ones, as a pair of old and new connections
    // may have it.
    w.next_iss = {0xfffffffe, 0xfffffff0};
    for (rfc9293::Endpoint& e : w.endpoint) {
        e.buffer = buffer;
        e.heeds_old_acks = 1;
    }
    w.endpoint[0].offered = scale_a;
    w.endpoint[1].offered = scale_b;
    w.network = {0, 0, 1, 2};
    return w;
}

Joint established(World w) {
    const auto user = w.user;
    const auto network = w.network;
    w.user = {};
    w.user[0].open = w.user[1].listen = 1;
    Joint joint{w, {}};
    const auto go = [&](rfc9293::Move move) {
        std::optional<rfc9293::Segment> passed;
        if (!apply(joint.world, move, passed)) std::abort();
        if (passed) (void)judge(joint.tracked, move.who, *passed);
    };
    go({Act::listen, 1});
    go({Act::open, 0});
    for (const std::uint8_t who : std::array<std::uint8_t, 3>{0, 1, 0}) {
        go({Act::pass, who});
        go({Act::deliver, who});
    }
    joint.world.user = user;
    joint.world.network = network;
    if (joint.tracked.pair() != tcp::Pair::established__established) std::abort();
    return joint;
}

Allowance user(std::uint8_t octets, std::uint8_t close, std::uint8_t retransmit) {
    Allowance out;
    out.octets = octets;
    out.close = close;
    out.retransmit = retransmit;
    return out;
}

}  // namespace sluice::test
