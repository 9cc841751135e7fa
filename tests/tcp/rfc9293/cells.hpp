// Which cells of the transition table a search has reached, and which row of the specification each belongs
// to.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "observed_step.hpp"
#include "sluice/tcp/rows.hpp"
#include "sluice/tcp/tables.hpp"

namespace sluice::test {

class Cells {
  public:
    static constexpr std::size_t total = tcp::pair_count * 2 * tcp::event_count;

    void note(const Observed& observed) {
        if (observed.event == tcp::Event::count_) return;
        ++times_[index(observed.pair, observed.direction, observed.event)];
    }
    [[nodiscard]] std::uint64_t times(tcp::Pair pair, tcp::Direction direction, tcp::Event event) const {
        return times_[index(pair, direction, event)];
    }
    [[nodiscard]] std::size_t reached() const;
    void add(const Cells& other);

  private:
    static constexpr std::size_t index(tcp::Pair pair, tcp::Direction direction, tcp::Event event) {
        return (static_cast<std::size_t>(pair) * 2 + static_cast<std::size_t>(direction)) * tcp::event_count +
               static_cast<std::size_t>(event);
    }
    std::array<std::uint64_t, total> times_{};
};

/// The id of the row that decides this cell; "-" for cells that the specification says do not occur.
[[nodiscard]] std::string row_of(tcp::Pair pair, tcp::Direction direction, tcp::Event event);

/// "FIN_WAIT_1/CLOSE_WAIT A fin_part"
[[nodiscard]] std::string name_of_cell(tcp::Pair pair, tcp::Direction direction, tcp::Event event);

}  // namespace sluice::test
