#include "app/top_terminal.hpp"

#define NCURSES_NOMACROS  // erase, move and timeout are words of others, too
#include <curses.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::app {
namespace {

struct Look {
    short colour;  ///< of the text; -1: the terminal's own
    short background;
    attr_t attributes;
    attr_t without_colours;
};
/// By Style.
constexpr std::array<Look, static_cast<std::size_t>(Style::count_)> looks{{
    {-1, -1, A_NORMAL, A_NORMAL},
    {COLOR_CYAN, -1, A_NORMAL, A_NORMAL},
    {-1, -1, A_BOLD, A_BOLD},
    {COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
    {COLOR_YELLOW, -1, A_BOLD, A_BOLD},
    {COLOR_RED, -1, A_BOLD, A_BOLD},
    {COLOR_WHITE, COLOR_RED, A_BOLD, A_REVERSE | A_BOLD},
    {COLOR_BLACK, COLOR_GREEN, A_NORMAL, A_REVERSE},
    {COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE | A_UNDERLINE},
}};

constexpr std::array<std::pair<int, int>, 22> known_keys{{
    {KEY_UP, key_up},
    {KEY_DOWN, key_down},
    {KEY_PPAGE, key_page_up},
    {KEY_NPAGE, key_page_down},
    {KEY_HOME, key_home},
    {KEY_END, key_end},
    {KEY_LEFT, key_left},
    {KEY_RIGHT, key_right},
    {KEY_F(1), key_f1},
    {KEY_F(4), key_f4},
    {KEY_F(6), key_f6},
    {KEY_F(10), key_f10},
    {KEY_BACKSPACE, key_backspace},
    {0x7F, key_backspace},
    {'\b', key_backspace},
    {KEY_ENTER, key_enter},
    {'\n', key_enter},
    {'\r', key_enter},
    {'\t', key_tab},
    {0x1B, key_escape},
    {KEY_BTAB, key_left},
    {KEY_DC, key_backspace},
}};

bool is_set(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

/// COLOR_PAIR(), whose macro mixes signs.
attr_t colour(std::size_t pair) {
    return static_cast<attr_t>(
        COLOR_PAIR(static_cast<int>(pair)));  // NOLINT(clang-diagnostic-sign-conversion)
}

}  // namespace

bool TopTerminal::possible() {
    const char* kind = std::getenv("TERM");
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && kind != nullptr && *kind != '\0' &&
           std::string_view(kind) != "dumb";
}

Result<std::unique_ptr<TopTerminal>> TopTerminal::take() {
    (void)std::setlocale(LC_CTYPE, "");
    constexpr int escape_milliseconds = 50;  // after which an Esc is one, and not the beginning of a key
    // initscr() would end the program.
    if (newterm(nullptr, stdout, stdin) == nullptr)
        return Error{std::string("the terminal is of a kind that is not known here (TERM=") +
                     std::getenv("TERM") + "): use --batch"};
    std::unique_ptr<TopTerminal> out(new TopTerminal);
    cbreak();
    noecho();
    nonl();
    set_escdelay(escape_milliseconds);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    (void)curs_set(0);
    if (!is_set("NO_COLOR") && has_colors()) {  // https://no-color.org
        start_color();
        use_default_colors();
        for (std::size_t i = 0; i < looks.size(); ++i)
            init_pair(static_cast<short>(i + 1), looks[i].colour, looks[i].background);
        out->colours_ = true;
    }
    return out;
}

TopTerminal::~TopTerminal() {
    endwin();
}

std::size_t TopTerminal::width() const {
    return static_cast<std::size_t>(std::max(COLS, 1));
}
std::size_t TopTerminal::height() const {
    return static_cast<std::size_t>(std::max(LINES, 1));
}

void TopTerminal::draw(const Screen& screen) {
    erase();
    for (std::size_t y = 0; y < screen.height(); ++y)
        for (std::size_t x = 0; x < screen.width(); ++x) {
            const Screen::Cell& cell = screen.at(x, y);
            const auto style = static_cast<std::size_t>(cell.style);
            const attr_t look =
                colours_ ? looks[style].attributes | colour(style + 1) : looks[style].without_colours;
            (void)mvaddch(static_cast<int>(y), static_cast<int>(x), static_cast<chtype>(cell.text) | look);
        }
    refresh();
}

TopTerminal::Pressed TopTerminal::key(std::chrono::milliseconds patience) {
    // ncurses would not say that the terminal has gone, only that no key came.
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&input, 1, static_cast<int>(patience.count()));
    if (ready > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return {.gone = true};
    const int got = getch();
    if (got == KEY_RESIZE) return {.resized = true};
    for (const auto& [theirs, ours] : known_keys)
        if (theirs == got) return {.key = ours};
    return {.key = got >= ' ' && got <= '~' ? got : 0};
}

}  // namespace sluice::app
