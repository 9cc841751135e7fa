// The screen of `sluice top`, drawn without a terminal: what is known and what is wanted to be seen, made
// into so many lines of so many characters.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/top_state.hpp"

namespace sluice::app {

enum class Style : std::uint8_t { plain, dim, bold, good, warning, bad, alarm, heading, chosen, count_ };

/// Printable ASCII, whatever was put there.
class Screen {
  public:
    struct Cell {
        char text = ' ';
        Style style = Style::plain;
    };

    /// 1 or more each.
    Screen(std::size_t width, std::size_t height) : width_(width), cells_(width * height) {}
    [[nodiscard]] std::size_t width() const { return width_; }
    [[nodiscard]] std::size_t height() const { return cells_.size() / width_; }
    [[nodiscard]] const Cell& at(std::size_t x, std::size_t y) const { return cells_[y * width_ + x]; }

    /// Writes as much as there is room for; what is no printable ASCII becomes `?`. Returns where it ended.
    std::size_t put(std::size_t x, std::size_t y, std::string_view text, Style style = Style::plain);
    /// Gives a whole line this style.
    void paint(std::size_t y, Style style);
    /// A line without the spaces at its end.
    [[nodiscard]] std::string line(std::size_t y) const;
    /// All lines down to the last that is not empty.
    [[nodiscard]] std::string text() const;

  private:
    std::size_t width_;
    std::vector<Cell> cells_;
};

enum class Page : std::uint8_t { overview, sources, services, drops, floods, workers, ports, count_ };
inline constexpr std::size_t page_count = static_cast<std::size_t>(Page::count_);

/// What is to be seen, and how.
struct TopView {
    /// A column that a page is sorted by: its place, from 0.
    using Sorting = std::array<std::size_t, page_count>;

    Page page = Page::overview;
    Sorting sort{0, 1, 1, 3, 0, 0, 0};
    bool reversed = false;
    std::string filter;   ///< rows that have it in some text; empty: all
    bool typing = false;  ///< the filter is being typed
    bool help = false, paused = false;
    std::size_t scroll = 0;  ///< rows passed over, on a page of one table
    double interval = 1;     ///< seconds between two readings
    bool batch = false;      ///< for a file or a pipe: no line of keys
};

/// Keys that are no characters.
enum TopKey : int {
    key_up = 0x1000,
    key_down,
    key_page_up,
    key_page_down,
    key_home,
    key_end,
    key_f1,
    key_f4,
    key_f6,
    key_f10,
    key_backspace,
    key_enter,
    key_escape,
    key_left,
    key_right,
    key_tab
};

/// What a key does, on a screen of this size; characters are themselves. False: it is to end.
[[nodiscard]] bool press(TopView& view, int key, const TopState& state, std::size_t width,
                         std::size_t height);

[[nodiscard]] Screen draw_top(const TopState& state, const TopView& view, std::size_t width,
                              std::size_t height);
/// Lines that draw_top() has a use for: all rows of all tables.
[[nodiscard]] std::size_t full_height(const TopState& state, const TopView& view);

/// "999", "12.3k", "1.23M": three digits and a power of a thousand, at most six characters; "-" when it is
/// not known.
[[nodiscard]] std::string short_number(std::optional<double> value);

}  // namespace sluice::app
