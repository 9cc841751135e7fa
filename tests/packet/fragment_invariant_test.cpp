// Random pieces against a plain model: every handle that enters leaves exactly once, limits hold, and what
// completes is a datagram without holes or overlaps.
#include <algorithm>
#include <map>
#include <random>

#include "fragment_rig.hpp"

namespace sluice::test {
namespace {

// What the table must do with a piece, worked out over bytes.
class Model {
  public:
    struct Entry {
        std::vector<std::pair<int, Piece>> held;
        Reason discarded = Reason::none;
    };

    Reason judge(const Entry& entry, const Piece& piece) const {
        if (entry.discarded != Reason::none) return entry.discarded;
        const unsigned end = piece.offset + piece.length;
        bool contradicts = false;
        for (const auto& [handle, other] : entry.held) {
            const unsigned other_end = other.offset + other.length;
            if (other.offset == piece.offset && other_end == end) {
                return other.more == piece.more ? Reason::fragment_duplicate : Reason::fragment_too_long;
            }
            if (piece.offset < other_end && other.offset < end) return Reason::fragment_overlap;
            contradicts |= !other.more && end >= other_end;
            contradicts |= !piece.more && (!other.more || other_end > end);
        }
        if (contradicts) return Reason::fragment_too_long;
        return entry.held.size() == packet::max_fragments ? Reason::fragment_too_many : Reason::none;
    }
    static bool whole(const Entry& entry) {
        unsigned total = 0, received = 0;
        for (const auto& [handle, piece] : entry.held) {
            received += piece.length;
            if (!piece.more) total = piece.offset + piece.length;
        }
        return total != 0 && received == total;
    }
    std::map<std::uint32_t, Entry> entries;
};

// Below `limit`.
std::uint32_t draw(std::mt19937& random, std::uint32_t limit) {
    return static_cast<std::uint32_t>(random() % limit);
}

Piece random_piece(std::mt19937& random, std::uint32_t identifications) {
    Piece piece;
    piece.identification = draw(random, identifications);
    piece.family = piece.identification % 2 != 0 ? packet::Family::ipv6 : packet::Family::ipv4;
    piece.offset = static_cast<std::uint16_t>(random() % 6 * 8);
    piece.length = static_cast<std::uint16_t>(random() % 64 != 0 ? 8 : 16);
    piece.more = piece.offset != 40 || random() % 64 == 0;
    piece.frame_bytes = 60 + draw(random, 1400);
    return piece;
}

TEST(FragmentInvariant, TableDoesWhatTheModelSays) {
    std::mt19937 random(23);
    FragmentRig rig;  // large enough: nothing is given up, and time stands still
    Model model;
    std::map<Reason, int> seen;
    int completed = 0;
    for (int round = 0; round < 200000; ++round) {
        const Piece piece = random_piece(random, 200);
        Model::Entry& entry = model.entries[piece.identification];
        const Reason reason = model.judge(entry, piece);
        rig.dropped.clear();
        const auto decision = rig.add(piece);
        ++seen[reason];
        Drops expected;
        if (reason != Reason::none && reason != Reason::fragment_duplicate) {
            for (const auto& [handle, other] : entry.held) expected.emplace_back(handle, reason);
            entry.held.clear();
            entry.discarded = reason;
        }
        if (reason != Reason::none) expected.emplace_back(rig.handles, reason);
        ASSERT_EQ(rig.dropped, expected);
        ASSERT_EQ(decision.reason, reason);
        if (reason != Reason::none) {
            // Identifications come free again now and then, as after a timeout.
            if (entry.discarded != Reason::none && random() % 16 == 0) {
                rig.now += 120 * ticks_per_second;
                while (rig.table.datagrams() != 0) rig.expire(1000);
                model.entries.clear();
            }
            continue;
        }
        entry.held.emplace_back(rig.handles, piece);
        ASSERT_EQ(decision.kind == Kind::complete, Model::whole(entry));
        if (decision.kind != Kind::complete) continue;
        ++completed;
        std::vector<int> handles;
        for (const auto& [handle, other] : entry.held) handles.push_back(handle);
        ASSERT_EQ(rig.completed, handles);
        ASSERT_EQ(entry.held[rig.first].second.offset, 0);
        model.entries.erase(piece.identification);
    }
    EXPECT_GT(completed, 500);
    EXPECT_GT(seen[Reason::fragment_overlap], 1000);
    EXPECT_GT(seen[Reason::fragment_too_long], 100);
    EXPECT_GT(seen[Reason::fragment_duplicate], 1000);
}

TEST(FragmentInvariant, EveryHandleLeavesExactlyOnce) {
    std::mt19937 random(5722);
    const packet::FragmentLimits limits{.datagrams = 24, .packets = 80, .bytes = 70000};
    FragmentRig rig(limits);
    std::vector<int> left(1, 1);  // per handle: how often it left; there is no handle 0
    std::map<Reason, int> reasons;
    const auto note_drops = [&] {
        for (const auto& [handle, reason] : rig.dropped) {
            ++left[static_cast<std::size_t>(handle)];
            ++reasons[reason];
        }
        rig.dropped.clear();
    };
    for (int round = 0; round < 300000; ++round) {
        left.push_back(0);
        const Piece piece = random_piece(random, 60);
        if (rig.add(piece).kind == Kind::complete) {
            for (const int handle : rig.completed) ++left[static_cast<std::size_t>(handle)];
        }
        ASSERT_LE(rig.dropped.size(), FragmentRig::Table::max_drops_per_add);
        note_drops();
        ASSERT_LE(rig.table.datagrams(), limits.datagrams);
        ASSERT_LE(rig.table.packets(), limits.packets);
        ASSERT_LE(rig.table.bytes(), limits.bytes);
        if (random() % 8 == 0) rig.now += draw(random, 20000);
        if (random() % 32 == 0) {
            ASSERT_LE(rig.expire(64), 64U);
            note_drops();
        }
    }
    const auto inside = std::count(left.begin(), left.end(), 0);
    EXPECT_EQ(inside, static_cast<std::ptrdiff_t>(rig.table.packets()));
    rig.now += 120 * ticks_per_second;
    while (rig.table.datagrams() != 0) rig.expire(64);
    note_drops();
    EXPECT_EQ(std::count(left.begin(), left.end(), 1), static_cast<std::ptrdiff_t>(left.size()));
    EXPECT_EQ(rig.table.bytes(), 0U);
    for (const Reason reason :
         {Reason::fragment_overlap, Reason::fragment_timeout, Reason::fragment_table_full}) {
        EXPECT_GT(reasons[reason], 100) << text_of(reason).name;
    }
}

}  // namespace
}  // namespace sluice::test
