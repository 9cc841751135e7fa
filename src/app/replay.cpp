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

#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/replay_input.hpp"
#include "app/replay_options.hpp"
#include "app/replay_printer.hpp"
#include "sluice/control/format.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {
namespace {

void say(const std::string& sentence) {
    print_error(fmt::format("sluice replay: {}\n", sentence));
}

bool same_file(const std::string& a, const std::string& b) {
    struct stat one {
    }, other{};
    return stat(a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
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
    auto configuration = load_replay_configuration(options.config, options.overrides);
    if (!configuration) return Error{configuration.error()};
    if (const Status divided = divide_among(options.workers, *configuration); !divided)
        return Error{divided.error()};
    auto captures = open_captures(options.captures);
    if (!captures) return Error{captures.error()};
    for (const Capture& capture : *captures)
        if (!options.write.empty() && same_file(capture.path, options.write))
            return Error{
                fmt::format("--write {} would overwrite a capture that is to be read", options.write)};
    auto writer = open_writer(options, *captures);
    if (!writer) return Error{writer.error()};
    return Prepared{std::move(*configuration), std::move(*captures), std::move(*writer)};
}

int run(const ReplayOptions& options) {
    auto prepared = prepare(options);
    if (!prepared) {
        say(prepared.error());
        return exit_status::failed;
    }
    auto& [configuration, captures, writer] = *prepared;
    const HumanLines::Style style = style_of_output();
    DescriptorSink output(STDOUT_FILENO, isatty(STDOUT_FILENO) != 0);
    ReplayPrinter printer(output, options.json ? nullptr : &style, writer ? &*writer : nullptr);
    auto made = ReplayEngine::create(configuration.limits, configuration.settings, options.workers, printer);
    if (!made) {
        say(made.error());
        return exit_status::failed;
    }
    ReplayEngine& engine = **made;

    std::vector<std::string> faults;
    const auto check = [&faults](const Status& status) {
        if (!status) faults.push_back(status.error());
    };
    for (Capture& capture : captures)
        check(replay_capture(capture, engine, [&output] { return output.failed(); }));

    engine.finish();
    const auto flows = options.flows ? engine.flows() : std::vector<pipeline::FlowView>{};
    write_flows(flows, engine.now(), configuration, output);

    check(printer.status());
    if (writer) check(writer->close());
    check(output.flush());
    for (const std::string& fault : faults) say(fault);
    if (output.reader_left()) return exit_status::failed;
    if (options.flows && !output.failed())
        print_error(fmt::format("sluice v{}: {} flow entries have been shown.\n", control::program_version,
                                flows.size()));
    print_error(summary_of(printer.totals(), engine.flows_created()));
    return faults.empty() ? exit_status::done : exit_status::failed;
}

}  // namespace

int replay_main(int argc, char** argv) {
    const auto options = parse_replay_options(argc, argv);
    if (!options) {
        say(options.error());
        print_error("try 'sluice replay --help'\n");
        return exit_status::wrong_usage;
    }
    if (options->help) {
        print(replay_usage);
        return exit_status::done;
    }
    return run(*options);
}

}  // namespace sluice::app
