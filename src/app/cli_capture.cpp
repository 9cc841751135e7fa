#include "app/cli_capture.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "app/cli_commands.hpp"
#include "app/cli_follow.hpp"
#include "app/exit_status.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "app/pcapng_writer.hpp"
#include "app/replay_format.hpp"
#include "sluice/control/client.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::app {
namespace {

using control::CaptureRow;

/// A line as `sluice replay` prints it.
class Lines {
  public:
    std::string line(const CaptureRow& row) {
        Frame frame;
        frame.number = ++number_;
        frame.nanoseconds = static_cast<std::int64_t>(row.nanoseconds);
        frame.length = row.length;
        packet::parse({row.bytes, row.length}, frame.headers);
        Judgement judgement;
        judgement.frame = &frame;
        judgement.worker = row.worker;
        judgement.decision = row.decision;
        judgement.flow = row.has_flow ? numbered(row.flow) : 0;
        judgement.tcp = row.pair.has_value();
        if (row.pair) judgement.pair = *row.pair;
        judgement.seen_reply = row.seen_reply;
        judgement.assured = row.assured;
        if (row.decision.reason != Reason::none) {
            judgement.why = text_of(row.decision.reason).sentence;
            if (row.rule) judgement.why += "; " + rule_words(row);
        }
        TextBuffer out;
        human_.append(out, judgement);
        return {out.data(), out.size()};
    }

  private:
    /// Flows have long numbers in the daemon's tables: here 1 and more, in the order in which they come.
    std::uint64_t numbered(std::uint64_t id) {
        constexpr std::size_t most = 65'536;  // remembered at a time
        if (flows_.size() >= most) flows_.clear();
        const auto [at, is_new] = flows_.try_emplace(id, last_flow_ + 1);
        if (is_new) ++last_flow_;
        return at->second;
    }

    std::unordered_map<std::uint64_t, std::uint64_t> flows_;  ///< by their long numbers
    std::uint64_t last_flow_ = 0;
    HumanLines human_{HumanLines::Style{}};
    std::uint64_t number_ = 0;
};

/// Where the packets go. What cannot be written is said once.
class Sink {
  public:
    explicit Sink(const CaptureOptions& options) : options_(options) {}

    Status open() {
        if (options_.file.empty()) return success();
        if (options_.file != "-") {
            file_.reset(std::fopen(options_.file.c_str(), "wbe"));
            if (file_ == nullptr)
                return Error{fmt::format("cannot write `{}': {}", options_.file, std::strerror(errno))};
        }
        write(PcapngWriter::beginning(fmt::format("sluice {}", control::program_version)));
        return success();
    }
    void take(std::string_view line) {
        if (options_.json) return write(line);
        const auto row = control::parse_capture(line);
        if (!row) return;
        if (options_.file.empty())
            write(lines_.line(*row));
        else
            write(pcapng_.packet(row->port, row->nanoseconds, row->length, row->bytes, comment_of(*row)));
    }
    /// Nothing waits for a later packet.
    bool flush() {
        if (file_ == nullptr) return output_written("sluice");
        if (std::fflush(file_.get()) == 0 && std::ferror(file_.get()) == 0) return true;
        if (!std::exchange(failed_, true))
            complain(fmt::format("cannot write `{}': {}", options_.file, std::strerror(errno)));
        return false;
    }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    void write(std::string_view bytes) {
        if (file_ == nullptr)
            print(bytes);
        else
            std::fwrite(bytes.data(), 1, bytes.size(), file_.get());
    }

    const CaptureOptions& options_;
    std::unique_ptr<std::FILE, Close> file_;
    bool failed_ = false;
    PcapngWriter pcapng_;
    Lines lines_;
};

}  // namespace

std::string_view fate_of(const pipeline::Decision& decision) {
    if (decision.action == pipeline::Action::answer) return "answered";
    if (decision.action == pipeline::Action::absorb) return "absorbed";
    return treatment_of(decision.action, decision.reason);
}

std::string rule_words(const CaptureRow& row) {
    if (!row.rule) return "";
    if (*row.rule == policy::no_rule) return "no rule matches";
    return fmt::format("rule {}{}", *row.rule, row.rule_name.empty() ? "" : " (" + row.rule_name + ")");
}

std::string comment_of(const CaptureRow& row) {
    const ReasonText& reason = text_of(row.decision.reason);
    std::string out(fate_of(row.decision));
    if (row.decision.reason != Reason::none) out += fmt::format(", {}: {}", reason.name, reason.sentence);
    out += fmt::format("; verdict {}", pipeline::name_of(row.decision.state));
    if (row.rule) out += ", " + rule_words(row);
    if (row.pair)
        out += fmt::format(", pair {},{}", tcp::name_of(tcp::text_of(*row.pair).originator),
                           tcp::name_of(tcp::text_of(*row.pair).responder));
    if (row.has_flow)
        out += fmt::format(", flow {} {}", row.flow,
                           row.decision.direction == tcp::Direction::original ? "original" : "reply");
    return out + fmt::format(", worker {}", row.worker);
}

int capture_command(int argc, char** argv) {
    auto options = parse_capture_options(argc, argv, std::getenv("SLUICE_SOCKET"));
    if (!options) {
        complain(options.error());
        print_error("Try `sluice capture --help' for more information.\n");
        return exit_status::wrong_usage;
    }
    if (options->help) return exit_status::done;
    auto client = control::Client::connect(options->socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    Sink sink(*options);
    if (const Status opened = sink.open(); !opened) {
        complain(opened.error());
        return exit_status::refused;
    }
    listen_for_interruption();
    std::uint64_t taken = 0;
    LostRows lost;
    const auto enough = [&] { return options->most != 0 && taken >= options->most; };
    const auto end = (*client)->follow(
        options->query,
        [&](std::string_view row) {
            if (lost.take(row)) {
                if (options->json) sink.take(row);
            } else if (!enough()) {
                sink.take(row);
                ++taken;
            }
        },
        [&] { return sink.flush(); }, [&] { return enough() || was_interrupted(); });
    if (!sink.flush()) return exit_status::refused;
    if (!end || !end->ok) {
        complain("Operation failed: " + (end ? end->error : end.error()));
        return exit_status::refused;
    }
    complain(fmt::format("{} packets have been captured.", taken));
    if (lost.all() != 0)
        complain(
            fmt::format("{} more have been lost: {} were read too slowly, {} came too fast for the daemon.",
                        lost.all(), lost.by_reader, lost.by_workers));
    return exit_status::done;
}

}  // namespace sluice::app
