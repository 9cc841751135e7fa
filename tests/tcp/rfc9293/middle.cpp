#include "middle.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_set>

namespace sluice::rfc9293 {
namespace {

struct Bytes {
    std::size_t operator()(const World& world) const {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&world), sizeof world});
    }
};
using Worlds = std::unordered_set<World, Bytes>;

}  // namespace

std::vector<World> Middle::after(int sender, const Segment& segment) const {
    Worlds seen(worlds_.begin(), worlds_.end());
    std::vector<World> open = worlds_;
    Worlds out;
    while (!open.empty()) {
        const World world = open.back();
        open.pop_back();
        for_each_move(world, [&](const Move& move, const World& next, const std::optional<Segment>& passed) {
            if (!passed) {
                if (seen.insert(next).second) open.push_back(next);
            } else if (move.who == sender && *passed == segment) {
                out.insert(next);
            }
        });
    }
    return {out.begin(), out.end()};
}

bool Middle::possible(int sender, const Segment& segment) const {
    return !after(sender, segment).empty();
}

bool Middle::pass(int sender, const Segment& segment) {
    std::vector<World> next = after(sender, segment);
    if (next.empty()) return false;
    worlds_ = std::move(next);
    return true;
}

std::set<Standing> Middle::standings() const {
    // Said but not seen, lost, or gone without a word: each is one more thing to believe without evidence.
    const auto in_vain = [](const World& w) {
        unsigned out = 256u + w.before[0].count + w.before[1].count - w.network.loss - w.network.duplicate;
        for (const Endpoint& e : w.endpoint)
            if (e.ending == Ending::vanished || e.ending == Ending::expired) ++out;
        return out;
    };
    unsigned least = ~0u;
    for (const World& w : worlds_) least = std::min(least, in_vain(w));
    std::set<Standing> out;
    for (const World& w : worlds_)
        if (in_vain(w) == least) out.insert(w.standing());
    return out;
}

}  // namespace sluice::rfc9293
