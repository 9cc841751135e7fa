// A slow, plain interpreter of the rows of docs/tcp.md, written apart from the tables: it moves the two
// endpoints as RFC 9293 does, with ifs, and knows of no events. The tables are held against it in every cell.
#pragma once

#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/event.hpp"
#include "sluice/tcp/verdict.hpp"

namespace sluice::test {

/// What the tracker keeps of a segment.
enum class Kept {
    nothing,
    numbers,    ///< sequence, acknowledgement, window
    beginning,  ///< its side's first numbers, or more about them
    new_start,  ///< its side's first numbers, and the other side's from the SYN that was remembered
    beside,     ///< the SYN, beside the connection
    offer,      ///< its window alone
    new_flow,   ///< everything: the flow gives way to the one it begins
};

struct Judgement {
    tcp::Pair next;
    Reason reason;  ///< none: accepted
    tcp::Refresh refresh = tcp::Refresh::keep;
    bool assures = false;
    Kept kept = Kept::nothing;
    friend bool operator==(const Judgement&, const Judgement&) = default;
};

[[nodiscard]] Judgement judge_by_the_book(tcp::Pair pair, tcp::Direction from, tcp::FlagClass cls,
                                          unsigned predicates);

}  // namespace sluice::test
