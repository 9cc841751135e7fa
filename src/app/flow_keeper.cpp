#include "app/flow_keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "app/regular_file.hpp"

namespace sluice::app {
namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;
constexpr std::size_t most_note_bytes = 64;

bool exists(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0;
}

void make_folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash != 0 && slash != std::string::npos) (void)mkdir(path.substr(0, slash).c_str(), 0700);
}

struct Note {
    std::uint64_t flows = 0, seconds = 0;
};
/// "FLOWS SECONDS\n"
std::optional<Note> parse_note(const std::string& text) {
    Note note;
    const char* const end = text.data() + text.size();
    const auto flows = std::from_chars(text.data(), end, note.flows);
    if (flows.ec != std::errc() || flows.ptr == end || *flows.ptr != ' ') return std::nullopt;
    const auto seconds = std::from_chars(flows.ptr + 1, end, note.seconds);
    if (seconds.ec != std::errc()) return std::nullopt;
    return note;
}

}  // namespace

/// ", N of them when it last counted, S seconds ago", or nothing.
std::string FlowKeeper::last_words(std::uint64_t now) const {
    const auto read = read_regular_file(note_path(), "a note", most_note_bytes);
    const auto note = read ? parse_note(*read) : std::nullopt;
    if (!note) return "";
    const std::uint64_t seconds = now / nanoseconds_per_second;
    return fmt::format(", {} of them when it last counted, {} seconds ago", note->flows,
                       seconds > note->seconds ? seconds - note->seconds : 0);
}

std::optional<FlowKeeper::Found> FlowKeeper::find(const Room& room, std::uint64_t now,
                                                  std::vector<Line>& lines) {
    if (!keeps()) return std::nullopt;
    // A file beside the note was left by a stop before the last start, which failed before it was used.
    if (exists(options_.path)) return take(options_.path, room, now, lines);
    if (!exists(note_path())) return std::nullopt;
    std::string text =
        "the daemon before this one did not stop in good order: its flows are lost" + last_words(now);
    if (exists(copy_path())) {
        if (auto found = take(copy_path(), room, now, lines)) {
            lines.push_back(
                {true, fmt::format("{}, but for those of the copy that it made {} ms ago; connections that "
                                   "it let through since must be opened anew",
                                   text, found->since.passed)});
            found->since.went_on = true;
            return found;
        }
    }
    lines.push_back({true, text + "; connections that it had let through must be opened anew"});
    return std::nullopt;
}

/// What does not fit is put aside.
std::optional<FlowKeeper::Found> FlowKeeper::take(const std::string& path, const Room& room,
                                                  std::uint64_t now, std::vector<Line>& lines) const {
    auto found = fitting(path, room, now);
    if (found) return std::move(*found);
    const std::string aside = options_.path + ".refused";
    const bool moved = std::rename(path.c_str(), aside.c_str()) == 0;
    lines.push_back({true, found.error() + "; no flow of it was taken up" +
                               (moved ? ", and it is " + aside + " now" : "")});
    return std::nullopt;
}

Result<FlowKeeper::Found> FlowKeeper::fitting(const std::string& path, const Room& room,
                                              std::uint64_t now) const {
    const std::uint64_t most_bytes = control::max_snapshot_head + control::Snapshot::trailer_bytes +
                                     (room.ipv4_flows + room.ipv6_flows) * control::max_snapshot_record;
    auto snapshot = control::read_snapshot(path, most_bytes);
    if (!snapshot) return Error{snapshot.error()};
    const control::SnapshotHead& head = snapshot->head();
    const std::uint64_t apart =
        now > head.saved_nanoseconds ? now - head.saved_nanoseconds : head.saved_nanoseconds - now;
    if (apart > options_.max_age_seconds * nanoseconds_per_second)
        return Error{fmt::format(
            "{}: was written {} seconds {}, and state.max_age is {}", path, apart / nanoseconds_per_second,
            now > head.saved_nanoseconds ? "ago" : "from now on, says the clock", options_.max_age_seconds)};
    auto fit = control::SnapshotFit::find(head.layout, room.layout);
    if (!fit) return Error{path + ": " + fit.error()};
    const auto too_many = [&](std::uint64_t flows, std::uint64_t most, const char* family) {
        return Error{
            fmt::format("{}: holds {} {} flows, and there is room for {}", path, flows, family, most)};
    };
    if (snapshot->ipv4_flows() > room.ipv4_flows)
        return too_many(snapshot->ipv4_flows(), room.ipv4_flows, "IPv4");
    if (snapshot->ipv6_flows() > room.ipv6_flows)
        return too_many(snapshot->ipv6_flows(), room.ipv6_flows, "IPv6");
    const Tick passed = control::ticks_between(head.saved_nanoseconds, now);
    return Found{std::move(*snapshot), std::move(*fit), {passed}};
}

void FlowKeeper::used() {
    if (!keeps()) return;
    (void)unlink(options_.path.c_str());
    if (options_.interval_seconds == 0) (void)unlink(copy_path().c_str());
}

Status FlowKeeper::note(std::uint64_t flows, std::uint64_t now) {
    if (!keeps()) return success();
    make_folder_of(options_.path);
    const std::string text = fmt::format("{} {}\n", flows, now / nanoseconds_per_second);
    const std::string working_name = note_path() + ".new";
    const int file =
        open(working_name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    const bool written =
        file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    int error = written ? 0 : errno;
    if (file >= 0) close(file);
    if (error == 0 && std::rename(working_name.c_str(), note_path().c_str()) != 0) error = errno;
    if (error == 0) return success();
    return Error{note_path() + ": cannot be written: " + std::strerror(error) +
                 "; flows will not outlive a restart"};
}

Result<std::unique_ptr<control::SnapshotFile>> FlowKeeper::begin(const control::SnapshotLayout& layout,
                                                                 std::uint64_t now) const {
    make_folder_of(options_.path);
    return control::SnapshotFile::create(options_.path, {layout, now});
}

Result<std::unique_ptr<control::SnapshotFile>> FlowKeeper::begin_copy(const control::SnapshotLayout& layout,
                                                                      std::uint64_t now) const {
    return control::SnapshotFile::create(copy_path(), {layout, now});
}

void FlowKeeper::stop() {
    if (!keeps()) return;
    (void)unlink(note_path().c_str());
    (void)unlink(copy_path().c_str());
}

}  // namespace sluice::app
