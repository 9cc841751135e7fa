// What one generator counted. Plain numbers; the difference of two tallies is what happened in between.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::bench {

/// Which part of the traffic: what is measured, the flood beside it, or connections that are opened
/// meanwhile.
enum Share : std::uint8_t { measured, flood, newcomers };
inline constexpr std::size_t shares = 3;

struct Tally {
    using ByShare = std::array<std::uint64_t, shares>;
    ByShare offered{};                          ///< packets made
    ByShare missed{};                           ///< of them, found no room in the queue to the box
    ByShare received{};                         ///< came out of the box, on the other side
    ByShare answers{};                          ///< came back as the box's answer
    std::uint64_t spoken = 0;                   ///< packets received that the box made itself
    std::uint64_t bytes_in = 0, bytes_out = 0;  ///< frames that the box took and gave, without FCS
    std::uint64_t foreign = 0;                  ///< received, but nothing that was sent
    std::uint64_t forfeited = 0;              ///< packets that should have been made but came too late for it
    std::uint64_t attempts = 0, refused = 0;  ///< bursts sent, and how many of them found too little room
    std::uint64_t completed = 0;              ///< whole conversations
    std::uint64_t sent_again = 0;             ///< segments of them that had been lost
    std::uint64_t polls = 0;                  ///< of the workers it feeds
    std::array<std::uint64_t, 2> taken{};     ///< by port: packets that those workers took
    std::uint64_t settled = 0;  ///< packets that they answered, or took for a handshake of their own
    std::uint64_t emitted = 0;  ///< packets that they made themselves

    [[nodiscard]] std::uint64_t all_offered() const { return sum(offered); }
    [[nodiscard]] std::uint64_t all_missed() const { return sum(missed); }
    [[nodiscard]] std::uint64_t all_received() const { return sum(received); }
    [[nodiscard]] std::uint64_t all_accepted() const { return all_offered() - all_missed(); }

    /// Calls `with` for each number of both.
    template <class With>
    static void each(Tally& a, const Tally& b, With&& with) {
        for (const auto member : {&Tally::offered, &Tally::missed, &Tally::received, &Tally::answers}) {
            for (std::size_t i = 0; i < shares; ++i) with((a.*member)[i], (b.*member)[i]);
        }
        for (const unsigned port : {0U, 1U}) with(a.taken[port], b.taken[port]);
        for (const auto member : {&Tally::bytes_in, &Tally::bytes_out, &Tally::foreign, &Tally::forfeited,
                                  &Tally::attempts, &Tally::refused, &Tally::completed, &Tally::sent_again,
                                  &Tally::polls, &Tally::spoken, &Tally::settled, &Tally::emitted}) {
            with(a.*member, b.*member);
        }
    }
    Tally& operator+=(const Tally& other) {
        each(*this, other, [](std::uint64_t& a, std::uint64_t b) { a += b; });
        return *this;
    }
    Tally& operator-=(const Tally& other) {
        each(*this, other, [](std::uint64_t& a, std::uint64_t b) { a -= b; });
        return *this;
    }
    friend Tally operator-(Tally a, const Tally& b) { return a -= b; }

  private:
    static std::uint64_t sum(const ByShare& of) { return of[measured] + of[flood] + of[newcomers]; }
};

}  // namespace sluice::bench
