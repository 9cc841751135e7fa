// A slow, plain interpreter of the rows of docs/tcp.md, written apart from the tables: it moves the two
// endpoints as RFC 9293 does, with ifs, and knows of no events. The tables are held against it in every cell.
#pragma once

#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/event.hpp"

namespace sluice::test {

struct Judgement {
    tcp::Pair next;
    Reason reason;  ///< none: accepted
    bool reopens = false;
    friend bool operator==(const Judgement&, const Judgement&) = default;
};

[[nodiscard]] Judgement judge_by_the_book(tcp::Pair pair, tcp::Direction from, tcp::FlagClass cls,
                                          unsigned predicates);

}  // namespace sluice::test
