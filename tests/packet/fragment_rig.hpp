// A fragment table with its memory, fed by pieces written as numbers; handles count from 1 in the order
// given.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "sluice/packet/fragments.hpp"

namespace sluice::test {

using Kind = packet::FragmentDecision<int>::Kind;
using Drops = std::vector<std::pair<int, Reason>>;

struct Piece {
    std::uint16_t offset = 0;
    std::uint16_t length = 8;
    bool more = true;
    std::uint32_t identification = 1;
    packet::Family family = packet::Family::ipv4;
    std::uint8_t protocol = 17;
    std::uint8_t source = 1, destination = 2;
    std::uint32_t vlans = 0;
    std::uint16_t zone = 0;
    std::uint32_t frame_bytes = 64;
    std::uint32_t headers_inside = 0;  ///< bytes of extension headers in the fragmentable part
};

class FragmentRig {
  public:
    using Table = packet::FragmentTable<int>;

    explicit FragmentRig(const packet::FragmentLimits& limits = {})
        : arena_(new (std::align_val_t{64}) std::byte[Table::bytes_needed(limits)]),
          table(make(limits, {arena_.get(), Table::bytes_needed(limits)})) {}

    auto drop() {
        return [this](int handle, Reason reason) { dropped.emplace_back(handle, reason); };
    }
    packet::FragmentDecision<int> add(const Piece& piece) {
        packet::Headers headers;
        headers.family = piece.family;
        headers.protocol = piece.protocol;
        headers.source[0] = piece.source;
        headers.destination[0] = piece.destination;
        headers.transport_length = piece.length - piece.headers_inside;
        headers.fragment = {piece.identification, piece.offset, piece.length, piece.more, true};
        const int handle = ++handles;
        const auto decision =
            table.add({headers, piece.vlans, piece.zone, piece.frame_bytes, handle}, now, drop());
        if (decision.kind == Kind::complete) {
            completed.assign(decision.packets.begin(), decision.packets.end());
            first = decision.first;
            transport_length = decision.transport_length;
        }
        return decision;
    }
    std::uint32_t expire(std::uint32_t budget) { return table.expire(now, budget, drop()); }

  private:
    struct Free {
        void operator()(std::byte* bytes) const { operator delete[](bytes, std::align_val_t{64}); }
    };
    static Table make(const packet::FragmentLimits& limits, std::span<std::byte> arena) {
        // The arena need not be zeroed.
        std::memset(arena.data(), 0xA5, arena.size());
        auto table = Table::create(limits, arena);
        EXPECT_TRUE(table.ok()) << (table.ok() ? "" : table.error());
        return std::move(*table);
    }
    std::unique_ptr<std::byte[], Free> arena_;

  public:
    Table table;
    Tick now = 1000;
    int handles = 0;
    Drops dropped;
    std::vector<int> completed;
    std::uint32_t first = 0, transport_length = 0;
};

}  // namespace sluice::test
