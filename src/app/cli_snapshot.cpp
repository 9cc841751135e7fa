#include "app/cli_snapshot.hpp"

#include <fmt/format.h>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/cli_commands.hpp"
#include "app/cli_rows.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"
#include "sluice/control/base64.hpp"
#include "sluice/control/client.hpp"
#include "sluice/control/flow_transfer.hpp"
#include "sluice/control/snapshot_file.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;

/// A file is read into memory whole: that many bytes are those of some hundred million flows.
constexpr std::uint64_t most_file_bytes = std::uint64_t{16} << 30U;

constexpr const char* save_usage =
    "Writes the flows of a running sluiced to a file, for another one to restore.\n"
    "Usage: sluice save [--socket PATH] FILE\n"
    "  --socket PATH  where the daemon listens\n";
constexpr const char* restore_usage =
    "Gives the flows of a file that `sluice save' or a daemon wrote to a running sluiced.\n"
    "Usage: sluice restore [--socket PATH] FILE\n"
    "  --socket PATH  where the daemon listens\n"
    "Flows that the daemon has already stay as they are; those that have expired since are left out.\n";

struct SnapshotOptions {
    std::string socket{control::default_socket_path};
    std::string file;
};

/// An exit status where there is nothing more to do.
std::optional<int> parse(int argc, char** argv, const char* usage, SnapshotOptions& out) {
    const option longs[] = {{"socket", required_argument, nullptr, 's'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    if (const char* const set = std::getenv("SLUICE_SOCKET"); set != nullptr && *set != '\0')
        out.socket = set;
    const auto ended = read_options(argc, argv, "h", longs, usage, [&](int /*letter*/, const char* value) {
        out.socket = value;
        return success();
    });
    if (ended) return ended;
    if (argc - optind != 1) {
        complain(fmt::format("{} takes the name of one file", argv[0]));
        return exit_status::wrong_usage;
    }
    out.file = argv[optind];
    return std::nullopt;
}

int fail(const std::string& sentence) {
    complain("Operation failed: " + sentence);
    return exit_status::refused;
}

/// The file that the rows of an answer to `save` make.
class Receiver {
  public:
    explicit Receiver(std::string path) : path_(std::move(path)) {}

    void take(std::string_view line) {
        const json row = json::parse(line, nullptr, false);
        if (!error.empty() || !row.is_object()) return;
        const auto head = control::from_base64(text(row, "snapshot"));
        const auto records = control::from_base64(text(row, "records"));
        if (row.contains("snapshot") && head && file_ == nullptr) {
            std::string_view bytes = *head;
            const auto parsed = control::take_head(bytes);
            if (!parsed) {
                error = "the daemon speaks of snapshots that this program does not know";
                return;
            }
            auto made = control::SnapshotFile::create(path_, *parsed);
            if (made)
                file_ = std::move(*made);
            else
                error = made.error();
        } else if (row.contains("records") && records && file_ != nullptr) {
            file_->add(*records, number(row, "flows"));
        } else if (row.contains("left_out")) {
            left_out = number(row, "left_out");
        }
    }
    [[nodiscard]] Result<std::uint64_t> commit() {
        if (!error.empty()) return Error{error};
        if (file_ == nullptr) return Error{"the daemon's answer holds no snapshot"};
        return file_->commit();
    }

    std::uint64_t left_out = 0;
    std::string error;

  private:
    std::string path_;
    std::unique_ptr<control::SnapshotFile> file_;
};

}  // namespace

int save_command(int argc, char** argv) {
    SnapshotOptions options;
    if (const auto status = parse(argc, argv, save_usage, options)) return *status;
    auto client = control::Client::connect(options.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    control::Query query;
    query.kind = control::Query::Kind::save;
    Receiver receiver(options.file);
    const auto end = (*client)->ask(query, [&](std::string_view row) { receiver.take(row); });
    if (!end || !end->ok) return fail(end ? end->error : end.error());
    const auto flows = receiver.commit();
    if (!flows) return fail(flows.error());
    complain(fmt::format(
        "{} flow entries have been saved{}.", *flows,
        receiver.left_out == 0
            ? ""
            : fmt::format("; {} handshakes with servers under way are not among them", receiver.left_out)));
    return exit_status::done;
}

int restore_command(int argc, char** argv) {
    SnapshotOptions options;
    if (const auto status = parse(argc, argv, restore_usage, options)) return *status;
    const auto snapshot = control::read_snapshot(options.file, most_file_bytes);
    if (!snapshot) return fail(snapshot.error());
    auto client = control::Client::connect(options.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    control::Query query;
    query.kind = control::Query::Kind::restore;
    control::append_head(query.snapshot_head, snapshot->head());
    control::RestoreTally tally;
    std::string_view rest = snapshot->records();
    // Once at least, so that a daemon that it does not fit says so of an empty one as well.
    do {
        const std::string_view from = rest;
        pipeline::SavedFlow flow;
        while (!rest.empty() &&
               static_cast<std::size_t>(rest.data() - from.data()) + control::max_snapshot_record <=
                   control::max_restore_bytes)
            if (!control::take_flow(rest, flow)) return fail("the file changed while it was read");
        query.records = from.substr(0, from.size() - rest.size());
        const auto end = (*client)->ask(query, [&](std::string_view row) {
            if (const auto part = control::parse_tally(row)) tally.add(*part);
        });
        if (!end || !end->ok) return fail(end ? end->error : end.error());
    } while (!rest.empty());
    complain(control::describe(tally) + ".");
    return exit_status::done;
}

}  // namespace sluice::app
