#include "app/replay.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/capture_reader.hpp"
#include "app/configuration.hpp"
#include "app/replay_engine.hpp"
#include "app/replay_options.hpp"
#include "app/replay_printer.hpp"
#include "sluice/control/format.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {
namespace {

constexpr int done = 0, failed = 1, wrong_usage = 2;

void say(const std::string& sentence) {
    fmt::print(stderr, "sluice replay: {}\n", sentence);
}

/// A capture that was opened once, to see that it can be. Regular files are opened again when their turn
/// comes, so that any number of them may be named; a pipe cannot be and stays open.
struct Capture {
    std::string path;
    packet::LinkLayer link;
    int data_link;
    bool microseconds;
    std::optional<CaptureReader> open;
};

bool is_regular(const std::string& path) {
    struct stat status {};
    return path != "-" && stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool same_file(const std::string& a, const std::string& b) {
    struct stat one {
    }, other{};
    return stat(a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/// Every capture is looked at before the first packet is judged: a misspelt name stops the replay with
/// nothing done.
Result<std::vector<Capture>> open_captures(const ReplayOptions& options) {
    std::vector<Capture> captures;
    std::string faults;
    for (const std::string& path : options.captures) {
        auto reader = CaptureReader::open(path);
        if (!reader) {
            faults += (faults.empty() ? "" : "\n") + reader.error();
            continue;
        }
        if (!options.write.empty() && same_file(path, options.write))
            return Error{
                fmt::format("--write {} would overwrite a capture that is to be read", options.write)};
        Capture capture{path, reader->link(), reader->data_link(), reader->microseconds(), std::nullopt};
        if (!is_regular(path)) capture.open.emplace(std::move(*reader));
        captures.push_back(std::move(capture));
    }
    if (!faults.empty()) return Error{faults};
    return captures;
}

/// A capture file has one link type.
Result<std::optional<CaptureWriter>> open_writer(const ReplayOptions& options,
                                                 const std::vector<Capture>& captures) {
    if (options.write.empty()) return std::optional<CaptureWriter>{};
    bool microseconds = true;
    for (const Capture& capture : captures) {
        microseconds = microseconds && capture.microseconds;
        if (capture.data_link != captures.front().data_link)
            return Error{
                fmt::format("--write: {} and {} have different link types, and a capture has only one: "
                            "replay them one by one",
                            name_of_capture(captures.front().path), name_of_capture(capture.path))};
    }
    auto writer = CaptureWriter::create(options.write, captures.front().data_link, microseconds);
    if (!writer) return Error{writer.error()};
    return std::optional<CaptureWriter>(std::move(*writer));
}

HumanLines::Style style_of_output() {
    HumanLines::Style style;
    if (isatty(STDOUT_FILENO) == 0) return style;
    const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org
    style.colour = no_colour == nullptr || *no_colour == '\0';
    winsize size{};
    style.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 120;
    return style;
}

/// Feeds one capture to its end. The error says where it is damaged; what was read before has been judged.
Status replay_capture(Capture& capture, ReplayEngine& engine, const DescriptorSink& output) {
    if (!capture.open) {
        auto again = CaptureReader::open(capture.path);
        if (!again) return Error{again.error()};
        capture.open.emplace(std::move(*again));
    }
    CaptureReader& reader = *capture.open;
    engine.set_link_layer(reader.link());
    CapturedPacket packet;
    auto next = CaptureReader::Next::end;
    while (!output.failed() && (next = reader.next(packet)) == CaptureReader::Next::packet)
        engine.feed(packet);
    const std::string fault = next == CaptureReader::Next::failed ? reader.error() : std::string{};
    capture.open.reset();
    if (!fault.empty()) return Error{fault};
    return success();
}

Result<Configuration> load_configuration(const ReplayOptions& options) {
    if (options.config.empty()) return load_text("", "", options.overrides, Use::replay);
    return load(options.config, options.overrides, Use::replay);
}

/// Tables and budgets are configured for the daemon's workers together; here they are divided among other
/// workers.
void divide_among(unsigned workers, Configuration& configuration) {
    const auto share = [&](std::uint32_t& of_one) {
        const std::uint64_t total = std::uint64_t{of_one} * configuration.dpdk.workers;
        of_one = static_cast<std::uint32_t>((total + workers - 1) / workers);
    };
    share(configuration.limits.ipv4_flows);
    share(configuration.limits.ipv6_flows);
    share(configuration.settings.half_open_limit);
}

void write_flows(const std::vector<pipeline::FlowView>& flows, pipeline::Now now,
                 const Configuration& configuration, LineSink& output) {
    control::Format format;
    format.accounting = configuration.limits.accounting;
    format.timestamps = configuration.limits.timestamps;
    format.wall_nanoseconds = now.wall_nanoseconds;
    std::string line;
    for (const pipeline::FlowView& flow : flows) {
        line.clear();
        control::append_flow(line, flow, format);
        output.write(line);
    }
}

/// Everything that may go wrong before the first packet.
struct Prepared {
    Configuration configuration;
    std::vector<Capture> captures;
    std::optional<CaptureWriter> writer;
};

Result<Prepared> prepare(const ReplayOptions& options) {
    auto configuration = load_configuration(options);
    if (!configuration) return Error{configuration.error()};
    divide_among(options.workers, *configuration);
    auto captures = open_captures(options);
    if (!captures) return Error{captures.error()};
    auto writer = open_writer(options, *captures);
    if (!writer) return Error{writer.error()};
    return Prepared{std::move(*configuration), std::move(*captures), std::move(*writer)};
}

int run(const ReplayOptions& options) {
    auto prepared = prepare(options);
    if (!prepared) {
        say(prepared.error());
        return failed;
    }
    auto& [configuration, captures, writer] = *prepared;
    const HumanLines::Style style = style_of_output();
    DescriptorSink output(STDOUT_FILENO, isatty(STDOUT_FILENO) != 0);
    ReplayPrinter printer(output, options.json ? nullptr : &style, writer ? &*writer : nullptr);
    auto made = ReplayEngine::create(configuration.limits, configuration.settings, options.workers, printer);
    if (!made) {
        say(made.error());
        return failed;
    }
    ReplayEngine& engine = **made;

    std::vector<std::string> faults;
    const auto check = [&faults](const Status& status) {
        if (!status) faults.push_back(status.error());
    };
    for (Capture& capture : captures) check(replay_capture(capture, engine, output));

    engine.finish();
    const auto flows = options.flows ? engine.flows() : std::vector<pipeline::FlowView>{};
    write_flows(flows, engine.now(), configuration, output);

    check(printer.status());
    if (writer) check(writer->close());
    check(output.flush());
    for (const std::string& fault : faults) say(fault);
    if (options.flows)
        fmt::print(stderr, "sluice v{}: {} flow entries have been shown.\n", control::program_version,
                   flows.size());
    fmt::print(stderr, "{}", summary_of(printer.totals(), engine.flows_created()));
    return faults.empty() ? done : failed;
}

}  // namespace

int replay_main(int argc, char** argv) {
    const auto options = parse_replay_options(argc, argv);
    if (!options) {
        say(options.error());
        fmt::print(stderr, "try 'sluice replay --help'\n");
        return wrong_usage;
    }
    if (options->help) {
        fmt::print("{}", replay_usage);
        return done;
    }
    return run(*options);
}

}  // namespace sluice::app
