// The terminal that `sluice top` draws on: ncurses, and nothing else of it anywhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include "app/top_screen.hpp"
#include "sluice/base/result.hpp"

namespace sluice::app {

/// One at a time. Signals that end the program are to be caught before there is one.
class TopTerminal {
  public:
    /// Whether standard input and output are a terminal that can be drawn on: not one that TERM calls dumb.
    [[nodiscard]] static bool possible();
    /// Takes the terminal; it is as it was before when this goes. Colours unless NO_COLOR is set.
    [[nodiscard]] static Result<std::unique_ptr<TopTerminal>> take();
    ~TopTerminal();
    TopTerminal(const TopTerminal&) = delete;
    TopTerminal& operator=(const TopTerminal&) = delete;

    [[nodiscard]] std::size_t width() const;
    [[nodiscard]] std::size_t height() const;
    void draw(const Screen& screen);

    struct Pressed {
        int key = 0;           ///< a TopKey or a character; 0: none came
        bool resized = false;  ///< it has another size now
        bool gone = false;     ///< the terminal is
    };
    /// Waits for a key, at most so long, or for a signal.
    [[nodiscard]] Pressed key(std::chrono::milliseconds patience);

  private:
    TopTerminal() = default;
    bool colours_ = false;
};

}  // namespace sluice::app
