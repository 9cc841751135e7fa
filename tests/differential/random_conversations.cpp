#include <algorithm>
#include <array>

#include "../support/honest_network.hpp"
#include "conversations.hpp"

namespace sluice::differential {
namespace {

using tcp::Flag;
using tcp::Segment;
using test::Random;

std::uint32_t below(Random& random, std::uint32_t n) {
    return static_cast<std::uint32_t>(random() % n);
}
bool one_in(Random& random, std::uint32_t n) {
    return below(random, n) == 0;
}
template <class T, std::size_t n>
T any_of(Random& random, const std::array<T, n>& values) {
    return values[below(random, n)];
}

/// Mostly the defaults.
tcp::Settings draw_settings(Random& random) {
    tcp::Settings out;
    out.loose = below(random, 3) != 0;
    if (one_in(random, 8)) out.be_liberal = true;
    if (one_in(random, 8)) out.ignore_invalid_rst = true;
    if (one_in(random, 8)) out.max_retrans = static_cast<std::uint8_t>(below(random, 8));
    return out;
}

Conversation begin(Source source, std::uint64_t seed, Random& random) {
    Conversation out;
    out.source = source;
    out.title = std::string(name_of(source)) + " " + std::to_string(seed);
    out.family = below(random, 2) == 0 ? packet::Family::ipv4 : packet::Family::ipv6;
    out.settings = draw_settings(random);
    return out;
}

Step step_of(End from, const Segment& segment) {
    return {.from = from, .tcp = bytes_of(segment)};
}

// ---------------------------------------------------------------------------------------------------------------
// Honest
// ---------------------------------------------------------------------------------------------------------------

struct Heard {
    End from;
    Segment segment;
    double now;
};

/// Short enough that openings and closings are a good part of it.
std::vector<Heard> converse(Random& random, std::size_t most) {
    test::ConversationPlan plan = test::draw_plan(random, one_in(random, 6));
    for (test::EndpointPlan* one : {&plan.a, &plan.b}) {
        one->bytes_to_send = one_in(random, 6) ? one->bytes_to_send : one->bytes_to_send % 8000;
        one->bytes_to_send = std::max(one->bytes_to_send, one->syn_data);
        // An acknowledgement may take so long that timeouts are reached, but not for ever.
        if (one->abort_after_segments > 0) one->abort_after_segments = 1 + one->abort_after_segments % 12;
        if (one->crash_after_segments > 0) one->crash_after_segments = 1 + one->crash_after_segments % 12;
    }
    std::vector<Heard> out;
    test::Coverage coverage;
    (void)test::converse(plan, random, coverage, [&](End from, const Segment& segment, double now) {
        out.push_back({from, segment, now / 1000});
        return out.size() < most;
    });
    return out;
}

std::vector<Step> played(const std::vector<Heard>& heard) {
    Tape tape;
    for (const Heard& one : heard) tape.add(one.now, step_of(one.from, one.segment));
    return std::move(tape.steps());
}

// ---------------------------------------------------------------------------------------------------------------
// Numbers beside the edges
// ---------------------------------------------------------------------------------------------------------------

/// How far off a number may be to be interesting.
std::uint32_t off_by(Random& random) {
    constexpr std::array<std::uint32_t, 12> distances{1,     2,     100,   1460,    16384,      65535,
                                                      65999, 66000, 66001, 1000000, 0x7FFFFFFF, 0x80000000};
    const std::uint32_t distance = one_in(random, 6)   ? static_cast<std::uint32_t>(random())
                                   : one_in(random, 3) ? below(random, 3000)
                                                       : any_of(random, distances);
    return one_in(random, 2) ? distance : 0U - distance;
}

std::uint8_t draw_flags(Random& random) {
    constexpr std::array<unsigned, 16> usual{Flag::syn,
                                             Flag::syn | Flag::ack,
                                             Flag::syn | Flag::ack,
                                             Flag::ack,
                                             Flag::ack,
                                             Flag::ack,
                                             Flag::ack,
                                             Flag::ack | Flag::psh,
                                             Flag::ack | Flag::psh,
                                             Flag::ack | Flag::fin,
                                             Flag::ack | Flag::fin,
                                             Flag::ack | Flag::fin,
                                             Flag::rst,
                                             Flag::rst,
                                             Flag::rst | Flag::ack,
                                             Flag::syn};
    unsigned flags = one_in(random, 12) ? below(random, 256) : any_of(random, usual);
    if (one_in(random, 12)) flags |= any_of(random, std::array<unsigned, 3>{Flag::urg, Flag::ece, Flag::cwr});
    return static_cast<std::uint8_t>(flags);
}

std::uint16_t draw_window(Random& random) {
    constexpr std::array<std::uint16_t, 8> usual{0, 1, 64, 512, 1024, 8192, 64240, 65535};
    return one_in(random, 3) ? static_cast<std::uint16_t>(random()) : any_of(random, usual);
}

void draw_syn_options(Random& random, Segment& segment) {
    if (one_in(random, 2)) {
        segment.has_window_scale = true;
        segment.window_scale = static_cast<std::uint8_t>(below(random, 16));
    }
    segment.sack_permitted = one_in(random, 2);
}

std::uint32_t draw_payload(Random& random) {
    constexpr std::array<std::uint32_t, 6> usual{1, 10, 536, 1460, 9000, 60000};
    return one_in(random, 3) ? below(random, 2000) : any_of(random, usual);
}

std::uint32_t draw_wait(Random& random) {
    constexpr std::array<std::uint32_t, 11> usual{3, 4, 7, 12, 25, 31, 55, 70, 115, 125, 305};
    return any_of(random, usual);
}

/// Breaks what the parser looks at.
void damage(Random& random, Step& step) {
    switch (below(random, 5)) {
        case 0:
            step.wrong_checksum = true;
            break;
        case 1:
            step.tcp.resize(std::min<std::size_t>(step.tcp.size(), below(random, 24)));
            break;
        case 2:
            step.tcp[12] = static_cast<std::uint8_t>(random());  // data offset and reserved bits
            break;
        case 3:  // options, if any
            for (std::size_t i = 20; i < std::min<std::size_t>(step.tcp.size(), 40); ++i)
                if (one_in(random, 3)) step.tcp[i] = static_cast<std::uint8_t>(random());
            break;
        default:
            step.tcp[18] = static_cast<std::uint8_t>(random());  // urgent pointer
            break;
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Wild
// ---------------------------------------------------------------------------------------------------------------

/// Roughly follows what the two ends have said, so that its numbers are near the edges that matter.
class Wild {
  public:
    explicit Wild(Random& random) : random_(random) {
        for (Talker& one : talker_) {
            one.isn = one_in(random, 3) ? 0U - below(random, 3000) : static_cast<std::uint32_t>(random());
            one.next = one.isn;
        }
    }

    void handshake(std::vector<Step>& out) {
        const unsigned segments = below(random_, 5);
        const Segment first = syn(0, Flag::syn);
        if (segments > 0) say(0, first, out);
        if (segments > 1) say(1, syn(1, Flag::syn | Flag::ack), out);
        if (segments > 2) say(0, plain(0, Flag::ack, 0), out);
        if (segments > 3) {
            say(0, plain(0, Flag::ack, below(random_, 500)), out);
            say(1, plain(1, Flag::ack, below(random_, 500)), out);
        }
    }

    void segment(std::vector<Step>& out) {
        const unsigned from = below(random_, 2);
        Segment segment;
        const auto flags = draw_flags(random_);
        if ((flags & Flag::syn) != 0) {
            segment = syn(from, flags);
            if (one_in(random_, 3)) segment.sequence = talker_[from].next;
        } else {
            segment = plain(from, flags, one_in(random_, 2) ? draw_payload(random_) : 0);
        }
        if (one_in(random_, 3))
            segment.sequence = number_of(from) + (one_in(random_, 2) ? off_by(random_) : 0);
        if (one_in(random_, 4))
            segment.acknowledgement = number_of(1 - from) + (one_in(random_, 2) ? off_by(random_) : 0);
        if ((flags & Flag::rst) != 0 && one_in(random_, 2)) segment.sequence = talker_[1 - from].acknowledged;
        if (one_in(random_, 10)) {
            segment.has_sack = true;
            segment.sack_highest = number_of(1 - from) + (one_in(random_, 2) ? off_by(random_) : 0);
        }
        say(from, segment, out);
        if (one_in(random_, 30)) damage(random_, out.back());
        if (one_in(random_, 12)) out.back().wait = draw_wait(random_);
        if (one_in(random_, 10))
            out.push_back(
                out[out.size() - 1 -
                    below(random_, std::min<std::uint32_t>(4, static_cast<std::uint32_t>(out.size())))]);
    }

  private:
    struct Talker {
        std::uint32_t isn = 0, next = 0, acknowledged = 0;
        std::uint32_t window = 0;
    };
    Random& random_;
    std::array<Talker, 2> talker_;

    /// A number of this side's sequence space that something hangs on.
    std::uint32_t number_of(unsigned side) {
        const Talker& one = talker_[side];
        const Talker& other = talker_[1 - side];
        switch (below(random_, 6)) {
            case 0:
                return one.isn;
            case 1:
                return one.isn + 1;
            case 2:
                return other.acknowledged;
            case 3:
                return other.acknowledged + other.window;
            case 4:
                return other.acknowledged + 2 * other.window;
            default:
                return one.next;
        }
    }

    Segment syn(unsigned from, unsigned flags) {
        Talker& one = talker_[from];
        if (one_in(random_, 6)) one.isn = one.next + off_by(random_);
        Segment out;
        out.flags = static_cast<std::uint8_t>(flags);
        out.sequence = one.isn;
        if ((flags & Flag::ack) != 0) out.acknowledgement = talker_[1 - from].next;
        out.window = draw_window(random_);
        if (one_in(random_, 15)) out.payload_length = draw_payload(random_);
        draw_syn_options(random_, out);
        return out;
    }
    Segment plain(unsigned from, unsigned flags, std::uint32_t payload) {
        Segment out;
        out.flags = static_cast<std::uint8_t>(flags);
        out.sequence = talker_[from].next;
        if ((flags & Flag::ack) != 0) out.acknowledgement = talker_[1 - from].next;
        out.payload_length = payload;
        out.window = draw_window(random_);
        return out;
    }
    void say(unsigned from, const Segment& segment, std::vector<Step>& out) {
        Talker& one = talker_[from];
        const std::uint32_t end = segment.sequence + segment.payload_length +
                                  ((segment.flags & (Flag::syn | Flag::fin)) != 0 ? 1U : 0U);
        const std::uint32_t ahead = end - one.next;
        if ((segment.flags & Flag::rst) == 0 && (ahead < 200000 || (segment.flags & Flag::syn) != 0))
            one.next = end;
        if ((segment.flags & Flag::ack) != 0) {
            one.acknowledged = segment.acknowledgement;
            one.window = segment.window;
        }
        out.push_back(step_of(from == 0 ? End::a : End::b, segment));
    }
};

// ---------------------------------------------------------------------------------------------------------------
// Mutated
// ---------------------------------------------------------------------------------------------------------------

void mutate(Random& random, Segment& segment) {
    switch (below(random, 7)) {
        case 0:
            segment.sequence += off_by(random);
            break;
        case 1:
            segment.acknowledgement += off_by(random);
            break;
        case 2:
            segment.flags = draw_flags(random);
            break;
        case 3:
            segment.window = draw_window(random);
            break;
        case 4:
            segment.payload_length = draw_payload(random);
            break;
        case 5:
            segment.has_sack = true;
            segment.sack_highest = segment.acknowledgement + off_by(random);
            break;
        default:
            draw_syn_options(random, segment);
            break;
    }
}

}  // namespace

Conversation honest_conversation(std::uint64_t seed) {
    Random random(seed);
    Conversation out = begin(Source::honest, seed, random);
    out.steps = played(converse(random, 150));
    return out;
}

Conversation mutated_conversation(std::uint64_t seed) {
    Random random(seed);
    Conversation out = begin(Source::mutated, seed, random);
    std::vector<Heard> heard;
    for (Heard one : converse(random, 80)) {
        if (one_in(random, 15)) continue;
        if (one_in(random, 8)) mutate(random, one.segment);
        heard.push_back(one);
        if (one_in(random, 12)) {  // something made up from what is there
            one.segment = heard[below(random, static_cast<std::uint32_t>(heard.size()))].segment;
            mutate(random, one.segment);
            heard.push_back(one);
        }
        if (one_in(random, 12) && heard.size() > 2) {
            std::swap(heard.back().segment, heard[heard.size() - 2].segment);
            std::swap(heard.back().from, heard[heard.size() - 2].from);
        }
    }
    out.steps = played(heard);
    for (Step& step : out.steps) {
        if (one_in(random, 60)) damage(random, step);
        if (one_in(random, 25)) step.wait = draw_wait(random);
    }
    return out;
}

Conversation wild_conversation(std::uint64_t seed) {
    Random random(seed);
    Conversation out = begin(Source::wild, seed, random);
    Wild wild(random);
    wild.handshake(out.steps);
    const std::size_t length = 8 + below(random, 24);
    while (out.steps.size() < length) wild.segment(out.steps);
    return out;
}

}  // namespace sluice::differential
