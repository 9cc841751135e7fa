#include "app/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

constexpr std::chrono::milliseconds before_it_is_shown{1000}, between_two_looks{100};
constexpr std::size_t bar_width = 30;

std::size_t terminal_width() {
    winsize size{};
    constexpr std::size_t usual = 80;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

}  // namespace

StatusLine::StatusLine() : possible_(isatty(STDERR_FILENO) == 1) {}

void StatusLine::show(std::string_view text) {
    if (!possible_) return;
    // The last column is left alone: some terminals go to the next line there.
    fmt::print(stderr, "\r\033[K{}", text.substr(0, terminal_width() - 1));
    std::fflush(stderr);
    shown_ = true;
}

void StatusLine::clear() {
    if (!shown_) return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    shown_ = false;
}

std::string progress_text(std::string_view what, std::string_view unit, std::uint64_t done,
                          std::uint64_t total, double seconds, std::size_t width) {
    std::string out(what);
    if (total == 0) {
        out += fmt::format("  {} {}, {:.0f} s", grouped(done), unit, seconds);
    } else {
        const double part = std::min(static_cast<double>(done) / static_cast<double>(total), 1.0);
        const auto full = static_cast<std::size_t>(part * bar_width);
        std::string bar = std::string(full, '=') + (full < bar_width ? ">" : "");
        bar.resize(bar_width, ' ');
        out += fmt::format("  [{}] {:3.0f} %, {} of {} {}", bar, 100 * part, grouped(done), grouped(total),
                           unit);
        if (part > 0.01) out += fmt::format(", {:.0f} s left", seconds / part - seconds);
    }
    return out.substr(0, width);
}

Progress::Progress(std::string what, std::string unit, std::uint64_t total, Output output)
    : possible_(line_.possible() && (output == Output::elsewhere || isatty(STDOUT_FILENO) == 0)),
      what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      began_(Clock::now()),
      shown_(began_ + before_it_is_shown - between_two_looks) {}

void Progress::look(std::uint64_t done) {
    const auto now = Clock::now();
    if (now - shown_ < between_two_looks) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    line_.show(progress_text(what_, unit_, done, total_, seconds, terminal_width()));
}

}  // namespace sluice::app
