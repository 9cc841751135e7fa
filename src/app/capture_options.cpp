// What is typed behind `sluice capture`.
#include <fmt/format.h>

#include <optional>
#include <sstream>
#include <vector>

#include "app/cli_arguments.hpp"
#include "app/cli_capture.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"
#include "sluice/control/text.hpp"

namespace sluice::app {
namespace {

constexpr const char* usage_text =
    "Shows packets and what was decided about them, as they come, until it is told to stop.\n"
    "Usage: sluice capture [--dropped | --all] [--reason REASON]... [--filter FILTER] [-c COUNT]\n"
    "                      [-s BYTES] [-w FILE | --json]\n"
    "  --dropped        those that do not go on, for whatever reason: the default\n"
    "  --all            every packet, those that pass and those of the box's own among them\n"
    "  --reason REASON  those with this reason (`sluice reasons' lists them), whatever became of them;\n"
    "                   may be repeated\n"
    "  --filter FILTER  those of flows that conntrack's options describe (\"-p tcp -s 192.0.2.1\"), or "
    "those\n"
    "                   that an expression of pcap-filter(7) matches (\"tcp port 80\")\n"
    "  -c COUNT         ends after so many\n"
    "  -s BYTES         keeps so much of each, 1 to 256 (256)\n"
    "  -w FILE          writes pcapng, with what was decided as each packet's comment; `-': to standard "
    "output\n"
    "  --json           a JSON object a line\n"
    "  --buffer BYTES   what may wait to be read, 65536 to 4194304 (1048576)\n"
    "  --socket PATH    the daemon's control socket (or SLUICE_SOCKET)\n";

/// One text: conntrack's options if it begins with one.
Status take_filter(const std::string& text, control::Query& query) {
    std::istringstream stream(text);
    std::vector<std::string> words{"sluice", "list"};
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.size() == 2) return Error{"`--filter' needs conntrack's options or a pcap filter"};
    if (words[2].front() != '-') {
        auto compiled = control::PacketFilter::compile(text);
        if (!compiled) return Error{compiled.error()};
        query.packets = std::move(*compiled);
        return success();
    }
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const auto understood = parse_arguments(static_cast<int>(words.size()), arguments.data(), nullptr);
    if (!understood) return Error{"`--filter': " + understood.error()};
    query.filter = understood->query.filter;
    return success();
}

Result<std::uint64_t> number_of(std::string_view option, std::string_view text, std::uint64_t least,
                                std::uint64_t most) {
    const auto value = control::parse_number(text, most);
    if (value && *value >= least) return *value;
    return Error{
        fmt::format("`{}' is no value for `{}': a whole number from {} to {} is", text, option, least, most)};
}

class Reader {
  public:
    explicit Reader(CaptureOptions& out) : out_(out) {}

    Status take(int option, const char* value) {
        switch (option) {
            case 'd':
                dropped_ = true;
                return success();
            case 'a':
                all_ = true;
                return success();
            case 'r': {
                const auto reason = reason_named(value);
                if (!reason)
                    return Error{fmt::format("`{}' is no reason: `sluice reasons' lists them", value)};
                reasons_ |= pipeline::only(*reason);
                return success();
            }
            case 'f':
                filter_ = value;
                return success();
            case 'c':
                return take_number("-c", value, 1, UINT32_MAX, out_.most);
            case 's':
                return take_number("-s", value, 1, pipeline::most_captured_bytes, out_.query.snap_bytes);
            case 'b':
                return take_number("--buffer", value, control::least_event_buffer, control::most_event_buffer,
                                   out_.query.buffer_bytes);
            case 'w':
                out_.file = value;
                return out_.file.empty() ? Status(Error{"`-w' needs a file, or `-'"}) : success();
            case 'j':
                out_.json = true;
                return success();
            default:
                out_.socket = value;
                return out_.socket.empty() ? Status(Error{"`--socket' needs the path of a socket"})
                                           : success();
        }
    }
    Status conclude() {
        if (dropped_ + all_ + (reasons_ != 0) > 1)
            return Error{"of `--dropped', `--all' and `--reason' one says which packets"};
        if (out_.json && !out_.file.empty()) return Error{"`-w' and `--json' are two formats: choose one"};
        if (all_) out_.query.captures = pipeline::every_packet;
        if (reasons_ != 0) out_.query.captures = reasons_ | pipeline::passing_too;
        // Not before: it reads words with getopt_long, too.
        return filter_ ? take_filter(*filter_, out_.query) : success();
    }

  private:
    template <class Number>
    static Status take_number(std::string_view option, const char* text, std::uint64_t least,
                              std::uint64_t most, Number& out) {
        const auto value = number_of(option, text, least, most);
        if (!value) return Error{value.error()};
        out = static_cast<Number>(*value);
        return success();
    }

    CaptureOptions& out_;
    bool dropped_ = false, all_ = false;
    pipeline::CaptureKinds reasons_ = 0;
    std::optional<std::string> filter_;
};

}  // namespace

Result<CaptureOptions> parse_capture_options(int argc, char** argv, const char* environment_socket) {
    const option longs[] = {{"dropped", no_argument, nullptr, 'd'},
                            {"all", no_argument, nullptr, 'a'},
                            {"reason", required_argument, nullptr, 'r'},
                            {"filter", required_argument, nullptr, 'f'},
                            {"buffer", required_argument, nullptr, 'b'},
                            {"json", no_argument, nullptr, 'j'},
                            {"socket", required_argument, nullptr, 'k'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    CaptureOptions out;
    out.query.kind = control::Query::Kind::capture;
    if (environment_socket != nullptr && *environment_socket != '\0') out.socket = environment_socket;
    Reader reader(out);
    const auto asks_for_help = read_options(argc, argv, "hc:s:w:", longs, [&](int letter, const char* value) {
        return reader.take(letter, value);
    });
    if (!asks_for_help) return Error{asks_for_help.error()};
    out.help = *asks_for_help;
    if (out.help) {
        print(usage_text);
        return out;
    }
    if (optind != argc) return Error{fmt::format("capture takes no `{}'", argv[optind])};
    if (const Status concluded = reader.conclude(); !concluded) return Error{concluded.error()};
    return out;
}

}  // namespace sluice::app
