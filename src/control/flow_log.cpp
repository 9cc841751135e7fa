#include "sluice/control/flow_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

namespace sluice::control {
namespace {

constexpr mode_t mode_of_new_files = 0640;
/// Lines that wait for a write. Beyond them events stay in the writer's queue.
constexpr std::size_t most_waiting = 64U << 10U;
constexpr auto retry_wait = std::chrono::seconds(1);
/// Stands for a file that is there and is none to write lines to.
constexpr int not_regular = EINVAL;

std::uint64_t lines_in(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

FlowLog::FlowLog(const FlowLogOptions& options, const Format& format, Clock clock)
    : options_(options), format_(format), clock_(std::move(clock)) {}

FlowLog::~FlowLog() {
    close_file();
}

Result<std::unique_ptr<FlowLog>> FlowLog::open(const FlowLogOptions& options, bool accounting,
                                               bool timestamps, Clock clock) {
    if (!clock)
        clock = [] {
            return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                                  std::chrono::system_clock::now().time_since_epoch())
                                                  .count());
        };
    Format format;
    format.style = options.json ? Format::Style::json : Format::Style::listing;
    format.time = true;
    format.accounting = accounting;
    format.timestamps = timestamps;
    std::unique_ptr<FlowLog> out(new FlowLog(options, format, std::move(clock)));
    if (const int error = out->open_file(); error != 0)
        return Error{options.path + " cannot be opened: " + describe(error) +
                     (error == ENOENT ? "; make the folder it lies in first" : "")};
    return out;
}

std::string FlowLog::describe(int error) {
    if (error == not_regular) return "it is no regular file";
    if (error == ELOOP) return "it is a symbolic link, and those are not followed";
    return std::strerror(error);
}

/// 0, or errno.
int FlowLog::open_file() {
    constexpr int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    const char* const path = options_.path.c_str();
    int file = ::open(path, flags | O_CREAT | O_EXCL, mode_of_new_files);
    const bool made = file >= 0;
    if (!made && errno == EEXIST) file = ::open(path, flags);
    if (file < 0) return errno;
    struct stat status {};
    int error = 0;
    if (fstat(file, &status) != 0 || (made && fchmod(file, mode_of_new_files) != 0))  // whatever the umask
        error = errno;
    else if (!S_ISREG(status.st_mode))
        error = not_regular;
    if (error != 0) {
        ::close(file);
        return error;
    }
    file_ = file;
    return 0;
}

void FlowLog::close_file() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    if (!std::exchange(begun_, false)) return;
    waiting_.erase(0, waiting_.find('\n') + 1);  // no file begins with the rest of a line
    lost_.add();
}

bool FlowLog::take(const ToldEvent& event) {
    if (waiting_.size() >= most_waiting) return false;
    append_event(waiting_, event.flow, event.happening, format_);
    return true;
}

void FlowLog::turn(bool last) {
    if (reopen_.exchange(false, std::memory_order_relaxed)) close_file();
    const auto now = std::chrono::steady_clock::now();
    if (last || now >= try_again_) {
        const int error = write_waiting();
        set_error(error);
        if (error != 0) try_again_ = now + retry_wait;
    }
    if (!last) return;
    lost_.add(lines_in(waiting_));
    waiting_.clear();
}

/// 0, or errno of what was in the way.
int FlowLog::write_waiting() {
    if (file_ < 0)
        if (const int error = open_file(); error != 0) return error;
    if (waiting_.empty()) return 0;
    struct stat status {};
    if (fstat(file_, &status) != 0) return errno;
    if (due(static_cast<std::uint64_t>(status.st_size), static_cast<std::uint64_t>(status.st_mtime)))
        if (const int error = rotate(); error != 0) return error;
    return write_down();
}

/// By age: a file is due when it was last written in an earlier period. Periods begin at multiples of their
/// length since 1970, so that a restart changes nothing.
bool FlowLog::due(std::uint64_t bytes, std::uint64_t changed_seconds) const {
    if (bytes == 0 || begun_) return false;
    const std::uint64_t most = std::uint64_t{options_.rotate_megabytes} << 20U;
    if (most != 0 && bytes + waiting_.size() > most) return true;
    const std::uint64_t period = options_.rotate_seconds;
    return period != 0 && changed_seconds / period != clock_() / period;
}

/// PATH becomes PATH.1, that PATH.2 and so on; the last one goes.
int FlowLog::rotate() {
    const auto numbered = [&](std::uint32_t number) {
        return number == 0 ? options_.path : options_.path + '.' + std::to_string(number);
    };
    for (std::uint32_t number = options_.keep; number-- != 0;)
        if (std::rename(numbered(number).c_str(), numbered(number + 1).c_str()) != 0 && errno != ENOENT)
            return errno;
    close_file();
    return open_file();
}

int FlowLog::write_down() {
    while (!waiting_.empty()) {
        const ssize_t taken = ::write(file_, waiting_.data(), waiting_.size());
        if (taken < 0 && errno == EINTR) continue;
        if (taken <= 0) return taken < 0 ? errno : EIO;
        auto whole = static_cast<std::size_t>(taken);
        const bool was_begun = std::exchange(begun_, waiting_[whole - 1] != '\n');
        if (begun_) {
            // The disk is full in the midst of a line: it is taken back, to come when there is room.
            const std::size_t before = waiting_.rfind('\n', whole - 1) + 1;  // 0 where there is none
            struct stat status {};
            if (fstat(file_, &status) == 0 &&
                ftruncate(file_, status.st_size - static_cast<off_t>(whole - before)) == 0) {
                whole = before;
                begun_ = was_begun && before == 0;
            }
        }
        written_.add(lines_in(std::string_view(waiting_).substr(0, whole)));
        waiting_.erase(0, whole);
        if (whole == 0) return ENOSPC;  // nothing but part of a line went in
    }
    return 0;
}

}  // namespace sluice::control
