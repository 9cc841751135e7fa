// What tells a mutant from the engine. In a million segments drawn near everything the engine remembers, the
// two are given the same conversations; the first after which a verdict or anything kept differs is made as
// short as it gets and printed, ready to become a test. No such conversation: as good as equivalent. Without
// a mutant the program prints one number for what the engine does in all of them: a change of the source that
// keeps it has changed nothing that they show.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "../tcp/memory.hpp"
#include "sluice/mutation/mutant.hpp"
#include "sluice/tcp/step.hpp"

namespace {

using namespace sluice;
using tcp::Direction;
using Word = std::uint32_t;

struct Hash {
    std::uint64_t value = 14695981039346656037ULL;
    void add(std::uint64_t word) { value = (value ^ word) * 1099511628211ULL; }
};

tcp::Settings settings_from(std::mt19937_64& random) {
    tcp::Settings out;
    out.loose = random() % 4 != 0;
    out.asymmetric = random() % 6 == 0;
    out.strict = random() % 8 == 0;
    out.be_liberal = random() % 8 == 0;
    out.ignore_invalid_rst = random() % 8 == 0;
    out.max_retrans = static_cast<std::uint8_t>(random() % 8);
    return out;
}

/// What one engine knows of a conversation.
struct Memory {
    tcp::Connection connection{};
    tcp::PendingSyn pending{};

    tcp::Verdict step(Direction direction, const tcp::Segment& segment, const tcp::Settings& settings) {
        // As the tracker does: what the short way takes, the long one never sees.
        if (tcp::are_usual(segment.flags) && (segment.flags & tcp::Flag::fin) == 0 &&
            step_within_open(direction, segment, settings))
            return {.outcome = Outcome::accepted, .refresh = tcp::Refresh::set};
        const tcp::Verdict verdict = tcp::step(connection, pending, direction, segment, settings);
        if (verdict.reopens) pending = {};
        return verdict;
    }

    bool step_within_open(Direction direction, const tcp::Segment& segment, const tcp::Settings& settings) {
        std::uint32_t fields = tcp::small_fields(connection);
        if (tcp::is_plainly_open(fields) == 0) return false;
        tcp::Connection out = connection;
        const auto step = tcp::step_usual<tcp::Within::open_connection>(
            out.side[static_cast<std::size_t>(direction)], out.side[1 - static_cast<std::size_t>(direction)],
            fields, mask_of(direction == Direction::reply), tcp::detail::words_of(segment), settings);
        if (step.accepted == 0) return false;
        std::memcpy(reinterpret_cast<std::byte*>(&out) + tcp::small_fields_at, &fields, sizeof fields);
        out.lifetime = step.lifetime & 31U;
        connection = out;
        return true;
    }

    void hash(Hash& to) const {
        std::array<Word, 9> words;
        std::memcpy(words.data(), &connection, sizeof connection);
        for (const Word word : words) to.add(word);
        if (connection.pending_syn == 0) return;
        const auto syn = [&to](tcp::RememberedSyn known, tcp::PendingSyn::Kind kind) {
            if (kind.valid == 0) return to.add(1);
            to.add(known.sequence);
            to.add(known.payload);
            to.add(known.window);
            to.add(kind.scale);
            to.add(kind.scale_offered);
            to.add(kind.sack_permitted);
            to.add(kind.reply_side);
        };
        syn(pending.highest, pending.highest_kind);
        syn(pending.last, pending.last_kind);
        for (unsigned i = 0; i < 2; ++i)
            to.add((pending.end_valid >> i & 1U) != 0
                       ? pending.tolerated_end[i] * std::uint64_t{2} + (pending.end_is_fin >> i & 1U)
                       : 1);
        to.add(pending.acknowledgement_valid != 0 ? pending.tolerated_acknowledgement : 1);
    }
};

/// Draws the next segment of a conversation near what is remembered of it.
struct Draw {
    const tcp::Connection& connection;
    const tcp::PendingSyn& pending;
    std::mt19937_64& random;

    Word below(Word n) { return static_cast<Word>(random() % n); }

    /// A number near one of these.
    Word near(const std::vector<Word>& numbers) {
        constexpr std::array<Word, 6> aside{0, 0, 0, 1, ~Word{0}, 2};
        return numbers[below(static_cast<Word>(numbers.size()))] + aside[below(6)];
    }

    tcp::Segment segment(Direction direction) {
        const tcp::Side& own = connection.side[static_cast<std::size_t>(direction)];
        const tcp::Side& peer = connection.side[static_cast<std::size_t>(opposite(direction))];
        const bool old = connection.pending_syn != 0;
        std::vector<Word> sequences{own.end,
                                    own.end,
                                    peer.max_ack,
                                    own.max_end,
                                    own.max_end + peer.max_window,
                                    own.end - peer.max_window,
                                    own.end - 66000,
                                    own.end - 500,
                                    own.end + 500,
                                    peer.max_ack - 1};
        std::vector<Word> acknowledgements{
            peer.end,       peer.end,    own.max_ack, peer.end - 66000, peer.end - own.max_window,
            peer.end - 300, peer.max_end};
        if (old) {
            for (const Word known :
                 {pending.highest.sequence, pending.last.sequence, pending.tolerated_end[0],
                  pending.tolerated_end[1], pending.tolerated_acknowledgement}) {
                sequences.push_back(known);
                acknowledgements.push_back(known + 1);
                acknowledgements.push_back(known);
            }
        }
        if (below(6) == 0) sequences = {static_cast<Word>(random()), own.end + 100'000, own.end - 100'000, 0};
        tcp::Segment out;
        constexpr std::array<std::uint8_t, 8> usual{
            tcp::syn, tcp::syn | tcp::ack, tcp::ack, tcp::ack,
            tcp::ack, tcp::ack | tcp::fin, tcp::rst, tcp::rst | tcp::ack};
        out.flags = below(40) == 0 ? static_cast<std::uint8_t>(random()) : usual[below(8)];
        out.sequence = near(sequences);
        out.acknowledgement = near(acknowledgements);
        constexpr std::array<Word, 8> lengths{0, 0, 0, 0, 1, 2, 500, 1400};
        out.payload_length = lengths[below(8)];
        constexpr std::array<std::uint16_t, 6> windows{0, 1, 700, 5000, 5000, 65535};
        out.window = windows[below(6)];
        out.has_window_scale = below(2) == 0;
        out.window_scale = static_cast<std::uint8_t>(below(15));
        out.sack_permitted = below(2) == 0;
        out.has_sack = below(4) == 0;
        out.sack_highest = near({peer.end, peer.end - 200, out.acknowledgement + 100});
        return out;
    }
};

struct Step {
    Direction direction;
    tcp::Segment segment;
};
struct Conversation {
    tcp::Settings settings;
    std::vector<Step> steps;  ///< the first opens the flow
};

/// What a step has done, as a number and as a line.
std::uint64_t hash_of(const tcp::Verdict& verdict, const Memory& memory) {
    Hash out;
    out.add(static_cast<unsigned>(verdict.outcome) | static_cast<unsigned>(verdict.reason) << 8 |
            static_cast<unsigned>(verdict.refresh) << 16);
    if (verdict.refresh != tcp::Refresh::keep) out.add(static_cast<unsigned>(verdict.lifetime));
    memory.hash(out);
    return out.value;
}
std::string line_of(const tcp::Verdict& verdict, const Memory& memory) {
    std::string out = std::string(text_of(verdict.reason).name) + ": " + test::shown(memory.connection);
    if (memory.connection.pending_syn != 0) out += " {" + test::shown(memory.pending) + "}";
    return out + " | outcome " + std::to_string(static_cast<int>(verdict.outcome)) + ", refresh " +
           std::to_string(static_cast<int>(verdict.refresh)) + ", lifetime " +
           std::to_string(static_cast<int>(verdict.lifetime));
}

struct Played {
    tcp::Verdict verdict{};
    Memory memory;
};

/// The first `count` steps, by the engine as it is or as the mutant makes it.
std::vector<Played> play(const Conversation& talk, long mutant, std::size_t count) {
    mutant::active = mutant;
    std::vector<Played> out;
    Played now;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& [direction, segment] = talk.steps[i];
        if (i == 0) {
            now.verdict = tcp::open(now.memory.connection, segment, talk.settings);
            if (now.verdict.outcome != Outcome::accepted) now.memory = {};
        } else {
            now.verdict = now.memory.step(direction, segment, talk.settings);
        }
        out.push_back(now);
    }
    mutant::active = -1;
    return out;
}

/// The step after which the mutant first shows; none if it does not, or if the flow does not open.
std::optional<std::size_t> shows_at(const Conversation& talk, long mutant) {
    const auto right = play(talk, -1, talk.steps.size()), altered = play(talk, mutant, talk.steps.size());
    for (std::size_t i = 0; i < right.size(); ++i) {
        if (hash_of(right[i].verdict, right[i].memory) != hash_of(altered[i].verdict, altered[i].memory))
            return i;
        if (i == 0 && right[0].verdict.outcome != Outcome::accepted) return {};
    }
    return {};
}

/// Takes `change` over when the mutant still shows.
template <class Change>
void attempt(Conversation& talk, long mutant, Change change) {
    Conversation simpler = talk;
    change(simpler);
    if (const auto at = shows_at(simpler, mutant)) {
        simpler.steps.resize(*at + 1);
        talk = simpler;
    }
}

void shorten(Conversation& talk, long mutant) {
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = talk.steps.size(); i-- > 1;)
            attempt(talk, mutant, [i](Conversation& t) {
                if (i < t.steps.size()) t.steps.erase(t.steps.begin() + static_cast<std::ptrdiff_t>(i));
            });
        attempt(talk, mutant, [](Conversation& t) { t.settings = {}; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.asymmetric = false; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.strict = false; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.be_liberal = false; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.ignore_invalid_rst = false; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.max_retrans = 3; });
        attempt(talk, mutant, [](Conversation& t) { t.settings.loose = true; });
        // Each side's numbers counted from a round one.
        const Word first_a = talk.steps[0].segment.sequence - 100;
        Word first_b = talk.steps[0].segment.acknowledgement - 900;
        for (const Step& step : talk.steps)
            if (step.direction == Direction::reply && (step.segment.flags & tcp::syn) != 0) {
                first_b = step.segment.sequence - 900;
                break;
            }
        attempt(talk, mutant, [=](Conversation& t) {
            for (auto& [direction, segment] : t.steps) {
                (direction == Direction::original ? segment.sequence : segment.acknowledgement) -= first_a;
                (direction == Direction::original ? segment.acknowledgement : segment.sequence) -= first_b;
                segment.sack_highest -= direction == Direction::original ? first_b : first_a;
            }
        });
        for (std::size_t i = 0; i < talk.steps.size(); ++i) {
            const auto simpler = [&](auto change) {
                attempt(talk, mutant, [&](Conversation& t) {
                    if (i < t.steps.size()) change(t.steps[i].segment);
                });
            };
            simpler([](tcp::Segment& s) { s.has_window_scale = false; });
            simpler([](tcp::Segment& s) { s.sack_permitted = false; });
            simpler([](tcp::Segment& s) { s.has_sack = false; });
            simpler([](tcp::Segment& s) { s.payload_length = 0; });
            simpler([](tcp::Segment& s) { s.payload_length = std::min(s.payload_length, Word{1}); });
            simpler([](tcp::Segment& s) { s.flags &= 23; });
            simpler([](tcp::Segment& s) { s.window = 700; });
            simpler([](tcp::Segment& s) {
                s.acknowledgement = (s.flags & tcp::ack) != 0 ? s.acknowledgement : 0;
            });
        }
    }
}

void print(const Conversation& talk, long mutant) {
    const tcp::Settings& given = talk.settings;
    for (const auto& [on, name] : {std::pair{given.asymmetric, "asymmetric"},
                                   {given.strict, "strict"},
                                   {given.be_liberal, "be_liberal"},
                                   {given.ignore_invalid_rst, "ignore_invalid_rst"},
                                   {!given.loose, "not loose"}})
        if (on) std::printf("  with %s\n", name);
    if (given.max_retrans != 3) std::printf("  with max_retrans %u\n", given.max_retrans);
    const auto right = play(talk, -1, talk.steps.size()), altered = play(talk, mutant, talk.steps.size());
    for (std::size_t i = 0; i < talk.steps.size(); ++i) {
        const auto& [direction, s] = talk.steps[i];
        std::string flags;
        for (const auto& [bit, name] :
             {std::pair{tcp::syn, "syn"}, {tcp::fin, "fin"}, {tcp::rst, "rst"}, {tcp::ack, "ack"}})
            if ((s.flags & bit) != 0) flags += (flags.empty() ? "" : "_") + std::string(name);
        if (flags == "fin_ack") flags = "fin";
        std::string call = "(Says(" + flags + ", " + std::to_string(s.sequence);
        if ((s.flags & tcp::ack) != 0) call += ", " + std::to_string(s.acknowledgement);
        call += ").offers(" + std::to_string(s.window) + ")";
        if (s.payload_length != 0) call += ".bytes(" + std::to_string(s.payload_length) + ")";
        if (s.has_window_scale) call += ".scale(" + std::to_string(s.window_scale) + ")";
        if (s.sack_permitted) call += ".sack_allowed()";
        if (s.has_sack) call += ".sack_to(" + std::to_string(s.sack_highest) + ")";
        std::printf("  %s%s);\n      %s\n",
                    i == 0                             ? "opens"
                    : direction == Direction::original ? "a"
                                                       : "b",
                    call.c_str(), line_of(right[i].verdict, right[i].memory).c_str());
    }
    std::printf("  altered:\n      %s\n", line_of(altered.back().verdict, altered.back().memory).c_str());
}

}  // namespace

int main() {
    constexpr unsigned conversations = 40'000, segments = 25;
    const long mutant = mutant::active;
    mutant::active = -1;
    std::mt19937_64 random(20261121);
    Hash hash;
    for (unsigned i = 0; i < conversations; ++i) {
        Conversation talk{.settings = settings_from(random), .steps = {}};
        Played now;
        Draw draw{now.memory.connection, now.memory.pending, random};
        tcp::Segment first = draw.segment(Direction::original);
        first.sequence = static_cast<Word>(random());
        first.acknowledgement = static_cast<Word>(random());
        first.flags = i % 4 == 0 ? tcp::ack : tcp::syn;
        if (i % 16 == 0) first.flags = tcp::syn | tcp::ack;
        talk.steps.push_back({Direction::original, first});
        now = play(talk, -1, 1)[0];
        if (now.verdict.outcome == Outcome::accepted) {
            const auto says = [&](Direction direction, const tcp::Segment& segment) {
                talk.steps.push_back({direction, segment});
                now.verdict = now.memory.step(direction, segment, talk.settings);
                hash.add(hash_of(now.verdict, now.memory));
            };
            if (i % 3 == 0) {  // straight to an open connection
                tcp::Segment answer = draw.segment(Direction::reply);
                answer.flags = tcp::syn | tcp::ack;
                answer.acknowledgement = now.memory.connection.side[1].max_ack;
                says(Direction::reply, answer);
                tcp::Segment third = draw.segment(Direction::original);
                third.flags = tcp::ack;
                third.sequence = now.memory.connection.side[0].end;
                third.acknowledgement = now.memory.connection.side[1].end;
                says(Direction::original, third);
            }
            for (unsigned k = 0; k < segments; ++k) {
                const Direction direction = random() % 2 == 0 ? Direction::original : Direction::reply;
                says(direction, draw.segment(direction));
            }
        }
        if (mutant < 0 || !shows_at(talk, mutant)) continue;
        talk.steps.resize(*shows_at(talk, mutant) + 1);
        shorten(talk, mutant);
        print(talk, mutant);
        return 1;
    }
    if (mutant < 0) std::printf("%016llx\n", static_cast<unsigned long long>(hash.value));
}
