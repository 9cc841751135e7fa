#include "app/cli_top.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "app/cli_commands.hpp"
#include "app/exit_status.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"
#include "app/top_screen.hpp"
#include "app/top_state.hpp"
#include "app/top_terminal.hpp"
#include "sluice/control/text.hpp"

namespace sluice::app {
namespace {

/// The daemon lets go of who asks for nothing for a minute.
constexpr double least_interval = 0.1, most_interval = 50;
constexpr std::chrono::milliseconds look{100};

constexpr const char* usage_text =
    "Shows what the daemon does: rates, tables, who has the flows, floods, drops, workers and ports.\n"
    "Usage: sluice top [-d SECONDS] [--once | -n COUNT] [-b] [-o FORMAT]\n"
    "  -d, --interval SECONDS  reads so often, 0.1 to 50 seconds (1)\n"
    "  --once             prints one reading and ends: its rates are those of one interval\n"
    "  -n, --count COUNT  ends after so many readings\n"
    "  -b, --batch        prints text, one reading below the other: as when the output is no terminal\n"
    "  -o, --output FORMAT  how a reading is printed, json being an object on a line: text or json\n"
    "  --json             the same as -o json\n"
    "  --socket PATH      the daemon's control socket (or SLUICE_SOCKET)\n"
    "On the screen F1 or h lists the keys; q ends it.\n";

using Clock = std::chrono::steady_clock;

double seconds_now() {
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}
std::uint64_t wall_now() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

Status take_option(TopOptions& out, int option, std::string_view value) {
    switch (option) {
        case 'd': {
            double seconds = 0;
            const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), seconds);
            if (fault != std::errc{} || end != value.data() + value.size() || !(seconds >= least_interval) ||
                seconds > most_interval)
                return Error{fmt::format("`{}' is no interval: seconds from {} to {} are", value,
                                         least_interval, most_interval)};
            out.interval = seconds;
            return success();
        }
        case 'n': {
            const auto count = control::parse_number(value, UINT32_MAX);
            if (!count || *count == 0)
                return Error{
                    fmt::format("`{}' is no count: a whole number from 1 to {} is", value, UINT32_MAX)};
            out.count = *count;
            return success();
        }
        case '1':
            out.count = 1;
            out.batch = true;
            return success();
        case 'b':
            out.batch = true;
            return success();
        case 'o':
            if (value != "json" && value != "text")
                return Error{fmt::format("`{}' is no format: text and json are", value)};
            out.json = value == "json";
            return success();
        case 'j':
            out.json = true;
            return success();
        default:
            out.socket = value;
            return value.empty() ? Status(Error{"`--socket' needs the path of a socket"}) : success();
    }
}

/// Asks the daemon again and again, and says when it cannot be asked.
class TopSource {
  public:
    explicit TopSource(const TopOptions& options) : socket_(options.socket) {}

    /// One more reading; when the connection is no good, over a new one. `go_on` as in read_top(). False: the
    /// state says why there is none.
    bool read(TopState& state, const std::function<bool()>& go_on) {
        state.wall_seconds = wall_now();
        for (bool again = client_ != nullptr;; again = false) {
            if (client_ == nullptr) {
                auto made = control::Client::connect(socket_);
                if (!made) return lose(state, made.error());
                client_ = std::move(*made);
            }
            auto reading = read_top(*client_, seconds_now(), go_on);
            if (reading) {
                state.take(std::move(*reading));
                state.lost.clear();
                return true;
            }
            client_.reset();
            if (!again) return lose(state, reading.error());
        }
    }

  private:
    static bool lose(TopState& state, const std::string& why) {
        state.lost = why;
        state.before.reset();  // what comes next is no rate over the time in between
        return false;
    }
    std::string socket_;
    std::unique_ptr<control::Client> client_;
};

/// Waits until then; false: it is to end.
bool wait_until(Clock::time_point then) {
    while (!was_interrupted()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(then - Clock::now());
        if (left.count() <= 0) return true;
        std::this_thread::sleep_for(std::min(left, look));
    }
    return false;
}

Clock::duration duration_of(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// One reading below the other. Before the first there is another, so that it has rates.
int run_batch(const TopOptions& options) {
    constexpr std::size_t width = 120;
    TopState state;
    TopSource source(options);
    TopView view;
    view.batch = true;
    const auto go_on = [] { return !was_interrupted(); };
    auto next = Clock::now();
    for (std::uint64_t readings = 0; options.count == 0 || readings <= options.count; ++readings) {
        if (!wait_until(next)) return exit_status::done;
        next = std::max(next + duration_of(options.interval), Clock::now());
        if (!source.read(state, go_on)) {
            complain(state.lost);
            return exit_status::failed;
        }
        if (was_interrupted()) return exit_status::done;
        if (readings == 0) continue;
        if (options.json)
            print(to_json(state).dump() + "\n");
        else
            print((readings == 1 ? "" : "\n") +
                  draw_top(state, view, width, full_height(state, view)).text());
        if (!output_written("sluice")) return exit_status::failed;
    }
    return exit_status::done;
}

/// The screen.
class TopWindow {
  public:
    TopWindow(const TopOptions& options, TopTerminal& terminal)
        : source_(options), terminal_(terminal), count_(options.count) {
        view_.interval = options.interval;
    }

    void run() {
        for (std::uint64_t readings = 0; goes_on(); ++readings) {
            const auto begun = Clock::now();
            if (!view_.paused)
                (void)source_.read(state_, [this] { return look_at_keys(std::chrono::milliseconds{0}); });
            if (!goes_on()) return;
            draw();
            if (count_ != 0 && readings + 1 > count_) return;
            // The first rates come soon.
            const double interval = readings == 0 ? std::min(view_.interval, 1.0) : view_.interval;
            const auto then = begun + duration_of(interval);
            for (const double asked = view_.interval; goes_on() && asked == view_.interval;) {
                const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(then - Clock::now());
                if (left.count() <= 0) break;
                (void)look_at_keys(std::min(left, look));
            }
        }
    }

  private:
    [[nodiscard]] bool goes_on() const { return !ended_ && !was_interrupted(); }
    void draw() { terminal_.draw(draw_top(state_, view_, terminal_.width(), terminal_.height())); }

    /// Obeys a key if one comes; false: it is to end.
    bool look_at_keys(std::chrono::milliseconds patience) {
        const TopTerminal::Pressed pressed = terminal_.key(patience);
        if (pressed.gone) ended_ = true;
        if (pressed.key != 0 && !press(view_, pressed.key, state_, terminal_.width(), terminal_.height()))
            ended_ = true;
        if (!goes_on()) return false;
        if (pressed.key != 0 || pressed.resized) draw();
        return true;
    }

    TopState state_;
    TopView view_;
    TopSource source_;
    TopTerminal& terminal_;
    std::uint64_t count_;
    bool ended_ = false;
};

int run_on_screen(const TopOptions& options) {
    auto terminal = TopTerminal::take();
    if (!terminal) {
        complain(terminal.error());
        return exit_status::failed;
    }
    TopWindow(options, **terminal).run();
    return exit_status::done;
}

}  // namespace

Result<TopOptions> parse_top_options(int argc, char** argv, const char* environment_socket) {
    const option longs[] = {{"interval", required_argument, nullptr, 'd'},
                            {"once", no_argument, nullptr, '1'},
                            {"count", required_argument, nullptr, 'n'},
                            {"batch", no_argument, nullptr, 'b'},
                            {"output", required_argument, nullptr, 'o'},
                            {"json", no_argument, nullptr, 'j'},
                            {"socket", required_argument, nullptr, 'k'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    TopOptions out;
    if (environment_socket != nullptr && *environment_socket != '\0') out.socket = environment_socket;
    const auto take = [&](int letter, const char* value) {
        return take_option(out, letter, value != nullptr ? value : "");
    };
    const auto asks_for_help = read_options(argc, argv, "hd:n:bo:", longs, take);
    if (!asks_for_help) return Error{asks_for_help.error()};
    out.help = *asks_for_help;
    if (out.help) return out;
    if (optind != argc) return Error{fmt::format("top takes no `{}'", argv[optind])};
    return out;
}

int top_command(int argc, char** argv) {
    const auto options = parse_top_options(argc, argv, std::getenv("SLUICE_SOCKET"));
    if (!options) {
        complain(options.error());
        return exit_status::wrong_usage;
    }
    if (options->help) {
        print(usage_text);
        return exit_status::done;
    }
    listen_for_interruption();
    if (options->batch || options->json || !TopTerminal::possible()) return run_batch(*options);
    try {
        return run_on_screen(*options);
    } catch (
        ...) {  // the terminal is as it was before by now, which nobody would see to if this were not here
        throw;
    }
}

}  // namespace sluice::app
