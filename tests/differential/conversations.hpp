// Where conversations come from. Whatever is random follows from a seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "step.hpp"

namespace sluice::differential {

enum class Source : std::uint8_t { honest, mutated, wild, script, capture, count_ };
inline constexpr std::size_t source_count = static_cast<std::size_t>(Source::count_);
[[nodiscard]] constexpr std::string_view name_of(Source source) {
    constexpr std::string_view names[] = {"honest", "mutated", "wild", "script", "capture"};
    return names[static_cast<int>(source)];
}

struct Conversation {
    Source source{};
    std::string title;  ///< how to find it again: a seed, a script, a flow of a capture
    packet::Family family = packet::Family::ipv4;
    tcp::Settings settings;
    std::vector<Step> steps;
    /// Of scripts that show a class of differences: its name, and what conntrack must say of each step
    /// ("established CLOSE 10"; empty: nothing in particular).
    std::string shows{};
    std::vector<std::string> kernel_says{};
};

/// Two correct endpoints over a network that loses, repeats, delays and reorders.
[[nodiscard]] Conversation honest_conversation(std::uint64_t seed);
/// The same, with some segments changed, lost, repeated, moved or made up on the way.
[[nodiscard]] Conversation mutated_conversation(std::uint64_t seed);
/// Segments that mostly make no sense, with numbers on and beside every edge.
[[nodiscard]] Conversation wild_conversation(std::uint64_t seed);

/// Every script of a file, once with every value of its `each`, at `variants` of the option sets, chosen by
/// `seed`. `blocks` names a file with blocks for it. `show`: its ids are names of classes. Throws
/// std::runtime_error on a mistake in a script, and when something in it does not hold for sluice.
[[nodiscard]] std::vector<Conversation> scripted_conversations(const std::string& path,
                                                               const std::string& blocks, std::uint64_t seed,
                                                               int variants, bool show);

/// The TCP flows of a capture, as far as their packets are whole: fragments, frames cut by the capture and
/// everything but TCP are left out and counted. VLAN tags tell flows apart; IP options and extension headers
/// are not played.
struct CapturedConversations {
    std::vector<Conversation> conversations;
    std::size_t left_out = 0;  ///< packets
};
[[nodiscard]] Result<CapturedConversations> captured_conversations(const std::string& path,
                                                                   const tcp::Settings& settings);

}  // namespace sluice::differential
