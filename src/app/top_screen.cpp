#include "app/top_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "app/top_tables.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, page_count> page_names{"Overview", "Sources", "Services", "Drops",
                                                              "Floods",   "Workers", "Ports"};
/// Below this height only the first lines of the head are there.
constexpr std::size_t low_screen = 16;
constexpr std::size_t most_load_bars = 16;

std::string uptime_text(std::uint64_t seconds) {
    constexpr std::uint64_t minute = 60, hour = 3600, day = 86400;
    const std::string clock =
        fmt::format("{:02}:{:02}:{:02}", seconds % day / hour, seconds % hour / minute, seconds % minute);
    return seconds < day ? clock : fmt::format("{} {}", counted(seconds / day, "day"), clock);
}

std::optional<double> sum_of(std::initializer_list<std::optional<double>> parts) {
    double out = 0;
    for (const auto& part : parts) {
        if (!part) return std::nullopt;
        out += *part;
    }
    return out;
}

/// `Table [||||||        41.2% of 1,000]`, as wide as told.
void put_bar(Screen& screen, std::size_t x, std::size_t y, std::size_t width, std::string_view label,
             std::optional<double> part, const std::string& of) {
    x = screen.put(x, y, label, Style::plain);
    if (width < label.size() + 12) return;
    const std::size_t inner = width - label.size() - 2;
    const std::string words = (part ? fmt::format("{:.1f}%", 100 * *part) : "-") + of;
    const double full = std::clamp(part.value_or(0), 0.0, 1.0);
    // Something, however little, is a stroke.
    auto strokes = static_cast<std::size_t>(std::ceil(full * static_cast<double>(inner)));
    strokes = std::min(strokes, inner);
    const Style style = full > 0.9 ? Style::bad : full > 0.7 ? Style::warning : Style::good;
    screen.put(x, y, "[", Style::bold);
    screen.put(x + 1, y, std::string(strokes, '|'), style);
    if (words.size() < inner) screen.put(x + 1 + inner - words.size(), y, words, Style::bold);
    screen.put(x + 1 + inner, y, "]", Style::bold);
}

/// Pairs of a label and a number on a line, as many as there is room for.
class Line {
  public:
    Line(Screen& screen, std::size_t y, std::string_view label) : screen_(screen), y_(y) {
        x_ = screen.put(0, y, fmt::format("{:<10}", label), Style::plain);
    }
    Line& add(std::string_view label, const std::string& number, Style style = Style::bold) {
        if (x_ + label.size() + number.size() + 1 > screen_.width()) {
            x_ = screen_.width();  // what comes behind would be out of its order
            return *this;
        }
        x_ = screen_.put(x_, y_, number, style);
        x_ = screen_.put(x_ + 1, y_, label, Style::dim) + 2;
        return *this;
    }

  private:
    Screen& screen_;
    std::size_t y_, x_;
};

// ---- The head

void put_title(Screen& screen, const TopState& state, const TopView& view) {
    screen.paint(0, Style::heading);
    std::string left = "sluice";
    if (state.now) {
        const TopReading& now = *state.now;
        const std::uint64_t start = number_at(now.version, "start");
        left += " " + text_at(now.version, "version");
        if (start != 0 && start <= state.wall_seconds)
            left += "  up " + uptime_text(state.wall_seconds - start);
        left += "  " + counted(now.workers.size(), "worker");
    }
    screen.put(1, 0, left, Style::heading);
    if (!state.lost.empty()) {
        screen.paint(0, Style::alarm);
        const std::string words = "connection lost, retrying: " + state.lost;
        screen.put(1, 0, std::string(screen.width(), ' '), Style::alarm);
        screen.put(1, 0, words, Style::alarm);
    } else if (view.paused) {
        constexpr std::string_view words = " PAUSED (space goes on) ";
        if (screen.width() > left.size() + words.size() + 2)
            screen.put(screen.width() - words.size(), 0, words, Style::chosen);
    } else if (!view.batch) {
        const std::string words = fmt::format("every {:g} s ", view.interval);
        if (screen.width() > left.size() + words.size() + 2)
            screen.put(screen.width() - words.size(), 0, words, Style::heading);
    }
}

void put_traffic(Screen& screen, std::size_t y, const TopState& state) {
    auto bits = state.rate("bytes");
    if (bits) *bits *= 8;
    const auto dropped = state.rate("dropped");
    Line(screen, y, "Traffic")
        .add("packets/s", short_number(state.rate("packets")))
        .add("bits/s", short_number(bits))
        .add("passed/s", short_number(state.rate("passed")))
        .add("dropped/s", short_number(dropped), dropped.value_or(0) > 0 ? Style::bad : Style::bold);
}

void put_flows(Screen& screen, std::size_t y, const TopState& state) {
    const TopReading& now = *state.now;
    const auto evicted = state.rate("early_drop"), failed = state.rate("insert_failed");
    Line(screen, y, "Flows")
        .add("now", grouped(now.sum("flows.ipv4") + now.sum("flows.ipv6")))
        .add("new/s", short_number(state.rate("insert")))
        .add("gone/s", short_number(sum_of({state.rate("expired"), state.rate("deleted")})))
        .add("evicted/s", short_number(evicted), evicted.value_or(0) > 0 ? Style::warning : Style::bold)
        .add("no room/s", short_number(failed), failed.value_or(0) > 0 ? Style::bad : Style::bold);
}

void put_states(Screen& screen, std::size_t y, const TopState& state) {
    const ordered_json& census = state.now->census;
    // Most first, so that what there is no room for is least.
    const auto parts = [&](const char* key) {
        std::vector<std::pair<std::string, std::uint64_t>> out;
        const auto found = census.is_object() ? census.find(key) : census.end();
        if (found == census.end() || !found->is_object()) return out;
        for (const auto& [name, number] : found->items())
            if (number.is_number_unsigned() && number.get<std::uint64_t>() != 0)
                out.emplace_back(name, number.get<std::uint64_t>());
        std::stable_sort(out.begin(), out.end(),
                         [](const auto& a, const auto& b) { return a.second > b.second; });
        return out;
    };
    Line protocols(screen, y, "Protocols");
    for (const auto& [name, number] : parts("protocols")) protocols.add(name, short_number(number));
    Line states(screen, y + 1, "TCP");
    for (const auto& [name, number] : parts("states")) states.add(name, short_number(number));
}

/// The one thing that must not be overlooked.
void put_floods(Screen& screen, std::size_t y, const TopState& state) {
    const ordered_json* worst = nullptr;
    std::size_t running = 0;
    for (const ordered_json& flood : state.now->floods) {
        if (flood.contains("end") && flood["end"].is_number()) continue;
        ++running;
        if (worst == nullptr || number_at(flood, "peak_rate") > number_at(*worst, "peak_rate"))
            worst = &flood;
    }
    if (worst == nullptr) {
        screen.put(0, y, fmt::format("{:<10}{}", "Floods", "none"), Style::plain);
        return;
    }
    screen.paint(y, Style::alarm);
    screen.put(0, y,
               fmt::format("{:<10}{} under way: {} {}, level {}, peak {} SYN/s", "FLOODS", running,
                           text_at(*worst, "service"), text_at(*worst, "kind"), text_at(*worst, "level"),
                           short_number(static_cast<double>(number_at(*worst, "peak_rate")))),
               Style::alarm);
}

std::size_t load_bars(const TopState& state) {
    return std::min(state.now->workers.size(), most_load_bars);
}
std::size_t load_columns(std::size_t width) {
    return std::clamp<std::size_t>(width / 38, 1, 4);
}

std::size_t put_loads(Screen& screen, std::size_t y, const TopState& state) {
    const std::size_t bars = load_bars(state), columns = load_columns(screen.width());
    const std::size_t width = screen.width() / columns;
    for (std::size_t i = 0; i < bars; ++i)
        put_bar(screen, i % columns * width, y + i / columns, width - (columns > 1 ? 1 : 0),
                fmt::format("{:<10}", fmt::format("Load {}", i)), state.load(i), "");
    return y + (bars + columns - 1) / columns;
}

/// Returns the first line below.
std::size_t put_head(Screen& screen, const TopState& state, const TopView& view) {
    put_title(screen, state, view);
    if (!state.now) return 1;
    const TopReading& now = *state.now;
    const std::uint64_t flows = now.sum("flows.ipv4") + now.sum("flows.ipv6");
    const std::uint64_t room = now.sum("flows.ipv4_limit") + now.sum("flows.ipv6_limit");
    const std::uint64_t half_open = now.sum("half_open"), budget = now.sum("half_open_limit");
    const auto part = [](std::uint64_t some, std::uint64_t all) {
        return all == 0 ? std::optional<double>() : static_cast<double>(some) / static_cast<double>(all);
    };
    const bool low = screen.height() < low_screen;
    std::size_t y = 1;
    put_traffic(screen, y++, state);
    if (!low) put_flows(screen, y++, state);
    put_bar(screen, 0, y++, screen.width(), "Table     ", part(flows, room), " of " + grouped(room));
    put_bar(screen, 0, y++, screen.width(), "Half-open ", part(half_open, budget), " of " + grouped(budget));
    if (!low) {
        y = put_loads(screen, y, state);
        put_states(screen, y, state);
        y += 2;
    }
    put_floods(screen, y++, state);
    return y;
}

// ---- Tables

/// The widths of the columns that there is room for, in their order; 0: none for this one.
std::vector<std::size_t> widths_of(const TopTable& table, std::size_t width) {
    std::vector<std::size_t> out(table.columns.size(), 0);
    std::size_t used = 0;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        const TopColumn& column = table.columns[i];
        // Where not even the first has its room, it gets what there is; a sentence at the end, too.
        std::size_t wanted = column.width;
        const std::size_t gap = i == 0 ? 0 : 1, left = width - std::min(width, used + gap);
        if (wanted > left && (i == 0 || column.takes_rest)) wanted = left;
        if (wanted == 0 || wanted > left) break;
        out[i] = wanted;
        used += wanted + gap;
    }
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        if (table.columns[i].takes_rest && out[i] != 0) out[i] += width - used;
    return out;
}

std::string fitted(std::string_view text, std::size_t width, bool right) {
    if (text.size() > width) return std::string(text.substr(0, width));
    const std::string spaces(width - text.size(), ' ');
    return right ? spaces + std::string(text) : std::string(text) + spaces;
}

/// Its heading and at most so many of its rows from `first` on. Returns the line below.
std::size_t put_table(Screen& screen, std::size_t y, const TopTable& table, std::size_t first,
                      std::size_t rows) {
    const std::vector<std::size_t> widths = widths_of(table, screen.width());
    if (y >= screen.height()) return y;
    screen.paint(y, Style::heading);
    const auto each_column = [&](auto&& put) {
        std::size_t x = 0;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            if (widths[i] == 0) continue;
            put(i, x);
            x += widths[i] + 1;
        }
    };
    each_column([&](std::size_t i, std::size_t x) {
        const bool sorted = table.sorted_by == i;
        screen.put(x, y, fitted(table.columns[i].title, widths[i], table.columns[i].number),
                   sorted ? Style::chosen : Style::heading);
    });
    ++y;
    if (table.rows.empty() && rows != 0 && y < screen.height()) {
        screen.put(0, y, table.empty, Style::dim);
        return y + 1;
    }
    for (std::size_t row = first; row < table.rows.size() && row < first + rows && y < screen.height();
         ++row, ++y)
        each_column([&](std::size_t i, std::size_t x) {
            screen.put(x, y, fitted(table.rows[row].cells[i], widths[i], table.columns[i].number),
                       table.rows[row].style);
        });
    return y;
}

/// Lines of a table without its heading: one where it is empty.
std::size_t lines_of(const TopTable& table) {
    return std::max<std::size_t>(table.rows.size(), 1);
}

/// All tables below one another: each a few rows at least, the more important first, then all of them more.
void put_overview(Screen& screen, std::size_t y, std::size_t end, const TopState& state,
                  const TopView& view) {
    constexpr std::array order{Page::sources,  Page::drops, Page::workers,
                               Page::services, Page::ports, Page::floods};
    constexpr std::size_t least = 2;
    std::array<TopTable, order.size()> tables;
    std::array<std::size_t, order.size()> rows{};
    std::size_t left = end - std::min(y, end);
    for (std::size_t i = 0; i < order.size(); ++i) {
        tables[i] = table_of(order[i], state, view);
        const std::size_t wanted = std::min(least, lines_of(tables[i]));
        if (left < wanted + 1 && i != 0) break;
        rows[i] = std::min(wanted, left - std::min<std::size_t>(left, 1));
        left -= std::min(left, rows[i] + 1);
    }
    for (bool grew = true; grew && left != 0;) {
        grew = false;
        for (std::size_t i = 0; i < order.size() && left != 0; ++i) {
            if (rows[i] == 0 || rows[i] >= lines_of(tables[i])) continue;
            ++rows[i];
            --left;
            grew = true;
        }
    }
    for (std::size_t i = 0; i < order.size(); ++i)
        if (rows[i] != 0) y = put_table(screen, y, tables[i], 0, rows[i]);
}

void put_foot(Screen& screen, const TopView& view) {
    const std::size_t y = screen.height() - 1;
    if (view.typing) {
        screen.put(0, y, std::string(screen.width(), ' '), Style::chosen);
        screen.put(0, y, "Filter: " + view.filter + "_   (Enter keeps it, Esc takes it away)", Style::chosen);
        return;
    }
    std::size_t x = 0;
    const auto key = [&](std::string_view name, std::string_view what) {
        if (x + name.size() + what.size() + 1 > screen.width()) {
            x = screen.width();
            return;
        }
        x = screen.put(x, y, name, Style::plain);
        x = screen.put(x, y, what, Style::chosen) + 1;
    };
    key("F1", "Help");
    key("F10", "Quit");
    key("F4", view.filter.empty() ? std::string("Filter") : "Filter: " + view.filter);
    key("F6", "Sort");
    for (std::size_t page = 0; page < page_count; ++page)
        if (static_cast<Page>(page) == view.page)
            key(std::to_string(page + 1), fmt::format("[{}]", page_names[page]));
        else
            key(std::to_string(page + 1), page_names[page]);
}

void put_help(Screen& screen) {
    constexpr std::string_view lines[] = {
        "  F1 h ?      this help, and away with it",
        "  q F10 ^C    end",
        "  1 to 7 Tab  a page, the next page",
        "  arrows PgUp PgDn Home End   rows of a page",
        "  N P M       talkers by flows, packets, bits",
        "  < > F6      by the column before, the next; I turns it round",
        "  F4 / \\      rows that have a text in them; Esc: all",
        "  + -         read less often, more often (0.1 to 50 s)",
        "  space       stands still, goes on",
        "",
        "  Rates are those since the reading before. CYCLES/P: the",
        "  worker's cycles for a packet. Flows begin at sources and",
        "  lead to services. Of a table with more flows than a",
        "  reading looks at (262,144) they are of the last round",
        "  through it; their rates need tracker.acct.",
    };
    std::size_t y = 1;
    for (const auto line : lines)
        if (y + 1 < screen.height()) screen.put(0, y++, line, Style::plain);
}

}  // namespace

// ---- The screen

std::size_t Screen::put(std::size_t x, std::size_t y, std::string_view text, Style style) {
    for (const char c : text) {
        if (x >= width_ || y >= height()) break;
        cells_[y * width_ + x++] = {c >= ' ' && c <= '~' ? c : '?', style};
    }
    return x;
}

void Screen::paint(std::size_t y, Style style) {
    for (std::size_t x = 0; x < width_ && y < height(); ++x) cells_[y * width_ + x].style = style;
}

std::string Screen::line(std::size_t y) const {
    std::string out;
    for (std::size_t x = 0; x < width_; ++x) out += at(x, y).text;
    return out.erase(out.find_last_not_of(' ') + 1);
}

std::string Screen::text() const {
    std::string out;
    for (std::size_t y = 0; y < height(); ++y) out += line(y) + '\n';
    const std::size_t end = out.find_last_not_of('\n');
    return out.erase(end == std::string::npos ? 0 : std::min(end + 2, out.size()));
}

std::string short_number(std::optional<double> value) {
    if (!value || !std::isfinite(*value)) return "-";
    double number = std::max(*value, 0.0);
    constexpr std::string_view powers = " kMGTPE";
    std::size_t power = 0;
    // From 999.5 on it would be rounded to four digits.
    for (; number >= 999.5 && power + 1 < powers.size(); number /= 1000) ++power;
    if (power == 0) {
        const bool whole = number >= 99.95 || std::abs(number - std::round(number)) < 0.05;
        return whole ? fmt::format("{:.0f}", number) : fmt::format("{:.1f}", number);
    }
    return fmt::format("{:.{}f}{}", number, number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2, powers[power]);
}

Screen draw_top(const TopState& state, const TopView& view, std::size_t width, std::size_t height) {
    Screen screen(std::max<std::size_t>(width, 1), std::max<std::size_t>(height, 1));
    const std::size_t end = screen.height() - (view.batch || screen.height() < 4 ? 0 : 1);
    if (view.help) {
        put_title(screen, state, view);
        put_help(screen);
    } else {
        const std::size_t y = put_head(screen, state, view);
        if (!state.now) {
            if (screen.height() > 2)
                screen.put(0, 2, state.lost.empty() ? "waiting for the daemon" : "", Style::dim);
        } else if (view.page == Page::overview) {
            put_overview(screen, y, end, state, view);
        } else if (y < end) {
            const TopTable table = table_of(view.page, state, view);
            const std::size_t rows = end - y - 1;
            const std::size_t last = table.rows.size() - std::min(rows, table.rows.size());
            put_table(screen, y, table, std::min(view.scroll, last), rows);
        }
    }
    if (end < screen.height()) {
        screen.put(0, end, std::string(screen.width(), ' '));
        screen.paint(end, Style::plain);
        put_foot(screen, view);
    }
    return screen;
}

std::size_t full_height(const TopState& state, const TopView& view) {
    constexpr std::size_t head = 9;
    if (!state.now) return low_screen;
    std::size_t out = head + load_bars(state);
    for (std::size_t page = 1; page < page_count; ++page)
        out += 1 + lines_of(table_of(static_cast<Page>(page), state, view));
    return std::max(out, low_screen);
}

// ---- Keys

namespace {

void type(TopView& view, int key) {
    constexpr std::size_t longest = 64;
    if (key == key_enter || key == key_f4)
        view.typing = false;
    else if (key == key_escape)
        view.typing = false, view.filter.clear();
    else if (key == key_backspace && !view.filter.empty())
        view.filter.pop_back();
    else if (key >= ' ' && key <= '~' && view.filter.size() < longest)
        view.filter += static_cast<char>(key);
    view.scroll = 0;
}

void choose_page(TopView& view, std::size_t page) {
    view.page = static_cast<Page>(page);
    view.scroll = 0;
    view.help = false;
}

std::size_t& sorting_of(TopView& view, Page page) {
    return view.sort[static_cast<std::size_t>(page == Page::overview ? Page::sources : page)];
}

void sort_by(TopView& view, std::size_t column) {
    for (const Page page : {Page::sources, Page::services}) sorting_of(view, page) = column;
    view.reversed = false;
    view.scroll = 0;
}

void sort_further(TopView& view, const TopState& state, bool back) {
    if (!state.now) return;
    const std::size_t columns = table_of(view.page, state, view).columns.size();
    std::size_t& column = sorting_of(view, view.page);
    column = (std::min(column, columns - 1) + (back ? columns - 1 : 1)) % columns;
    if (view.page == Page::overview) sorting_of(view, Page::services) = column;
    view.scroll = 0;
}

void change_interval(TopView& view, bool longer) {
    constexpr std::array steps{0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0};
    if (longer) {
        const auto* const next = std::upper_bound(steps.begin(), steps.end(), view.interval + 1e-9);
        if (next != steps.end()) view.interval = *next;
    } else {
        const auto* const next = std::lower_bound(steps.begin(), steps.end(), view.interval - 1e-9);
        if (next != steps.begin()) view.interval = *(next - 1);
    }
}

void scroll(TopView& view, int key, const TopState& state, std::size_t width, std::size_t height) {
    if (!state.now || view.page == Page::overview) return;
    const std::size_t rows = table_of(view.page, state, view).rows.size();
    Screen head(width, height);
    const std::size_t used = put_head(head, state, view) + 2;  // and the heading, and the line of keys
    const std::size_t page = height > used ? height - used : 1;
    const std::size_t last = rows - std::min(page, rows);
    const auto back = [&](std::size_t some) { view.scroll -= std::min(view.scroll, some); };
    const auto on = [&](std::size_t some) { view.scroll = std::min(view.scroll + some, last); };
    switch (key) {
        case key_up:
            return back(1);
        case key_down:
            return on(1);
        case key_page_up:
            return back(page);
        case key_page_down:
            return on(page);
        case key_home:
            return back(view.scroll);
        default:
            return on(rows);
    }
}

}  // namespace

bool press(TopView& view, int key, const TopState& state, std::size_t width, std::size_t height) {
    if (view.typing) {
        if (key == key_f10) return false;
        type(view, key);
        return true;
    }
    if (key >= '1' && key < '1' + static_cast<int>(page_count)) {
        choose_page(view, static_cast<std::size_t>(key - '1'));
        return true;
    }
    switch (key) {
        case 'q':
        case 'Q':
        case key_f10:
            return false;
        case 'h':
        case '?':
        case key_f1:
            view.help = !view.help;
            break;
        case key_escape:
            if (view.help)
                view.help = false;
            else
                view.filter.clear();
            break;
        case '/':
        case '\\':
        case key_f4:
            view.typing = true;
            view.help = false;
            break;
        case ' ':
            view.paused = !view.paused;
            break;
        case key_tab:
        case key_right:
            choose_page(view, (static_cast<std::size_t>(view.page) + 1) % page_count);
            break;
        case key_left:
            choose_page(view, (static_cast<std::size_t>(view.page) + page_count - 1) % page_count);
            break;
        case 'N':
            sort_by(view, 1);
            break;
        case 'P':
            sort_by(view, 3);
            break;
        case 'M':
        case 'B':
            sort_by(view, 4);
            break;
        case 'I':
        case 'R':
            view.reversed = !view.reversed;
            break;
        case '>':
        case '.':
        case key_f6:
            sort_further(view, state, false);
            break;
        case '<':
        case ',':
            sort_further(view, state, true);
            break;
        case '+':
        case '=':
            change_interval(view, true);
            break;
        case '-':
            change_interval(view, false);
            break;
        case key_up:
        case key_down:
        case key_page_up:
        case key_page_down:
        case key_home:
        case key_end:
            scroll(view, key, state, std::max<std::size_t>(width, 1), std::max<std::size_t>(height, 1));
            break;
        default:
            break;
    }
    return true;
}

}  // namespace sluice::app
