// One number for the behaviour of the engine in a million segments drawn near everything it remembers:
// verdicts, and all that is kept after each. A mutant with the number of the unaltered engine has shown no
// difference anywhere; one with another number is told apart by conversations that the tests do not have.
#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "sluice/tcp/step.hpp"

namespace {

using namespace sluice;
using tcp::Direction;
using Word = std::uint32_t;

struct Hash {
    std::uint64_t value = 14695981039346656037ULL;
    void add(std::uint64_t word) { value = (value ^ word) * 1099511628211ULL; }
};

struct Talk {
    tcp::Connection connection{};
    tcp::PendingSyn pending{};
    tcp::Settings settings{};
    std::mt19937_64& random;

    explicit Talk(std::mt19937_64& source) : random(source) {
        settings.loose = below(4) != 0;
        settings.asymmetric = below(6) == 0;
        settings.strict = below(8) == 0;
        settings.be_liberal = below(8) == 0;
        settings.ignore_invalid_rst = below(8) == 0;
        settings.max_retrans = static_cast<std::uint8_t>(below(8));
    }
    Word below(Word n) { return static_cast<Word>(random() % n); }

    /// A number near one of these.
    Word near(const std::vector<Word>& numbers) {
        constexpr std::array<Word, 6> aside{0, 0, 0, 1, ~Word{0}, 2};
        return numbers[below(static_cast<Word>(numbers.size()))] + aside[below(6)];
    }

    tcp::Segment draw(Direction direction) {
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

}  // namespace

int main() {
    constexpr unsigned conversations = 40'000, segments = 25;
    std::mt19937_64 random(20261121);
    Hash hash;
    for (unsigned i = 0; i < conversations; ++i) {
        Talk talk(random);
        tcp::Segment first = talk.draw(Direction::original);
        first.sequence = static_cast<Word>(random());
        first.acknowledgement = static_cast<Word>(random());
        first.flags = i % 4 == 0 ? tcp::ack : tcp::syn;
        if (i % 16 == 0) first.flags = tcp::syn | tcp::ack;
        if (tcp::open(talk.connection, first, talk.settings).outcome != Outcome::accepted) continue;
        if (i % 3 == 0) {  // straight to an open connection
            tcp::Segment answer = talk.draw(Direction::reply);
            answer.flags = tcp::syn | tcp::ack;
            answer.acknowledgement = talk.connection.side[1].max_ack;
            (void)tcp::step(talk.connection, talk.pending, Direction::reply, answer, talk.settings);
            tcp::Segment third = talk.draw(Direction::original);
            third.flags = tcp::ack;
            third.sequence = talk.connection.side[0].end;
            third.acknowledgement = talk.connection.side[1].end;
            (void)tcp::step(talk.connection, talk.pending, Direction::original, third, talk.settings);
        }
        for (unsigned k = 0; k < segments; ++k) {
            const Direction direction = random() % 2 == 0 ? Direction::original : Direction::reply;
            const tcp::Segment segment = talk.draw(direction);
            const tcp::Verdict verdict =
                tcp::step(talk.connection, talk.pending, direction, segment, talk.settings);
            hash.add(static_cast<unsigned>(verdict.outcome) | static_cast<unsigned>(verdict.reason) << 8 |
                     static_cast<unsigned>(verdict.refresh) << 16 |
                     static_cast<unsigned>(verdict.reopens) << 20);
            if (verdict.refresh != tcp::Refresh::keep) hash.add(static_cast<unsigned>(verdict.lifetime));
            if (verdict.reopens) {
                hash.add(static_cast<unsigned>(tcp::open(talk.connection, segment, talk.settings).outcome));
                talk.pending = {};
            }
            talk.hash(hash);
        }
    }
    std::printf("%016llx\n", static_cast<unsigned long long>(hash.value));
}
