// What one generator counted. Plain numbers; the difference of two tallies is what happened in between.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::bench {

/// Which part of the traffic: what is measured, or the flood beside it.
enum Share : std::uint8_t { measured, flood };

struct Tally {
    std::array<std::uint64_t, 2> offered{};     ///< by Share: packets made
    std::array<std::uint64_t, 2> missed{};      ///< of them, found no room in the queue to the box
    std::array<std::uint64_t, 2> received{};    ///< came out of the box
    std::uint64_t bytes_in = 0, bytes_out = 0;  ///< frames that the box took and gave, without FCS
    std::uint64_t foreign = 0;                  ///< received, but nothing that was sent
    std::uint64_t forfeited = 0;              ///< packets that should have been made but came too late for it
    std::uint64_t attempts = 0, refused = 0;  ///< bursts sent, and how many of them found too little room
    std::uint64_t completed = 0;              ///< whole conversations
    std::uint64_t sent_again = 0;             ///< segments of them that had been lost
    std::uint64_t polls = 0;                  ///< of the workers it feeds
    std::array<std::uint64_t, 2> taken{};     ///< by port: packets that those workers took

    [[nodiscard]] std::uint64_t all_offered() const { return offered[0] + offered[1]; }
    [[nodiscard]] std::uint64_t all_missed() const { return missed[0] + missed[1]; }
    [[nodiscard]] std::uint64_t all_received() const { return received[0] + received[1]; }
    [[nodiscard]] std::uint64_t all_accepted() const { return all_offered() - all_missed(); }

    /// Calls `with` for each number of both.
    template <class With>
    static void each(Tally& a, const Tally& b, With&& with) {
        for (const unsigned i : {0U, 1U}) {
            with(a.offered[i], b.offered[i]);
            with(a.missed[i], b.missed[i]);
            with(a.received[i], b.received[i]);
            with(a.taken[i], b.taken[i]);
        }
        for (const auto member :
             {&Tally::bytes_in, &Tally::bytes_out, &Tally::foreign, &Tally::forfeited, &Tally::attempts,
              &Tally::refused, &Tally::completed, &Tally::sent_again, &Tally::polls}) {
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
};

}  // namespace sluice::bench
