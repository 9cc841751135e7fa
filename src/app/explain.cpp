#include "app/explain.hpp"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>

#include <fmt/format.h>
#include <langinfo.h>
#include <unistd.h>

#include "app/exit_status.hpp"
#include "app/explain_options.hpp"
#include "app/explain_render.hpp"
#include "app/explain_svg.hpp"
#include "app/explain_words.hpp"
#include "app/output.hpp"
#include "app/replay_input.hpp"
#include "app/replay_printer.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

void say(const std::string& sentence) {
    print_error(fmt::format("sluice explain: {}\n", sentence));
}

bool locale_is_utf8() {
    return std::setlocale(LC_CTYPE, "") != nullptr && std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/// Which flow a packet belongs to; a packet without a flow keeps its line.
class PacketFinder : public JudgementSink {
  public:
    explicit PacketFinder(std::uint64_t number) : number_(number) {}

    void judged(const Judgement& judgement) override {
        ++packets_;
        // The columns of a replay's line are laid out from its first packet on.
        TextBuffer line;
        if (judgement.frame->number != number_) return;
        found_ = true;
        flow_ = judgement.flow;
        lines_.append(line, judgement);
        line_ = fmt::to_string(line);
    }
    void held(const Frame&) override {}

    [[nodiscard]] bool found() const { return found_; }
    [[nodiscard]] std::uint64_t flow() const { return flow_; }  ///< 0: none
    [[nodiscard]] const std::string& line() const { return line_; }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }

  private:
    std::uint64_t number_, packets_ = 0, flow_ = 0;
    bool found_ = false;
    HumanLines lines_{HumanLines::Style{}};
    std::string line_;
};

/// One pass over the captures.
Status replay_into(JudgementSink& sink, const ExplainOptions& options, const Configuration& configuration,
                   std::vector<std::string>& faults) {
    auto captures = open_captures(options.captures);
    if (!captures) return Error{captures.error()};
    auto engine = ReplayEngine::create(configuration.limits, configuration.settings, 1, sink);
    if (!engine) return Error{engine.error()};
    for (Capture& capture : *captures)
        if (const Status status = replay_capture(capture, **engine, [] { return false; }); !status)
            faults.push_back(status.error());
    (*engine)->finish();
    return success();
}

/// --packet: the flow has to be known before its beginning is told, so everything is read twice.
Result<std::uint64_t> flow_of_packet(const ExplainOptions& options, const Configuration& configuration) {
    for (const std::string& path : options.captures)
        if (path == "-" || (access(path.c_str(), F_OK) == 0 && !is_regular_file(path)))
            return Error{fmt::format("--packet reads the captures twice, and {} can be read only once",
                                     name_of_capture(path))};
    PacketFinder finder(*options.packet);
    std::vector<std::string> faults;  // the second pass says them again
    if (const Status status = replay_into(finder, options, configuration, faults); !status)
        return Error{status.error()};
    if (!finder.found())
        return Error{fmt::format("there is no packet {}: {} were read", *options.packet, finder.packets())};
    if (finder.flow() == 0) {
        print(finder.line());
        return Error{fmt::format("packet {} belongs to no flow", *options.packet)};
    }
    return finder.flow();
}

Status write_svg(const std::string& path, const StoryCollector& collector) {
    std::vector<const Story*> stories;
    for (const auto& [number, story] : collector.stories()) stories.push_back(&story);
    std::ofstream file(path, std::ios::binary);
    file << svg_of(stories);
    file.close();
    if (!file) return Error{fmt::format("cannot write the picture '{}': {}", path, std::strerror(errno))};
    return success();
}

void tell(const StoryCollector& collector, const ExplainOptions& options, LineSink& output) {
    const TextStyle style{.unicode = !options.ascii && locale_is_utf8()};
    std::string text;
    for (const auto& [number, story] : collector.stories()) {
        text.clear();
        if (options.json) {
            append_story_json(text, story);
        } else {
            append_table(text, story, style);
            append_ladder(text, story, style);
            text += '\n';
        }
        output.write(text);
    }
}

void summarise(const StoryCollector& collector) {
    const auto& flowless = collector.flowless();
    const auto without = std::accumulate(flowless.begin(), flowless.end(), std::uint64_t{0});
    std::string out = fmt::format("{} told of {}", counted(collector.stories().size(), "flow"),
                                  counted(collector.packets(), "packet"));
    if (collector.left_out() > 0)
        out += fmt::format("; {} more left out: choose with a filter, or --limit",
                           grouped(collector.left_out()));
    if (without > 0) {
        out += fmt::format("; {} without a flow", counted(without, "packet"));
        const char* separator = ": ";
        for (std::size_t i = 1; i < reason_count; ++i)
            if (flowless[i] > 0) {
                out += fmt::format("{}{} {}", separator, grouped(flowless[i]), reason_texts[i].name);
                separator = ", ";
            }
    }
    print_error(out + "\n");
}

int run(ExplainOptions& options) {
    auto configuration = load_replay_configuration(options.config, options.overrides);
    if (!configuration) {
        say(configuration.error());
        return exit_status::failed;
    }
    if (const Status divided = divide_among(1, *configuration); !divided) {
        say(divided.error());
        return exit_status::failed;
    }
    if (options.packet) {
        const auto flow = flow_of_packet(options, *configuration);
        if (!flow) {
            say(flow.error());
            return exit_status::failed;
        }
        options.choice.flow = *flow;
    }
    StoryCollector collector(options.choice);
    std::vector<std::string> faults;
    if (const Status status = replay_into(collector, options, *configuration, faults); !status) {
        say(status.error());
        return exit_status::failed;
    }
    DescriptorSink output(STDOUT_FILENO, false);
    tell(collector, options, output);
    const auto check = [&faults](const Status& status) {
        if (!status) faults.push_back(status.error());
    };
    check(output.flush());
    if (!options.svg.empty()) check(write_svg(options.svg, collector));
    if (collector.stories().empty()) faults.emplace_back("no flow matches");
    for (const std::string& fault : faults) say(fault);
    if (output.reader_left()) return exit_status::failed;
    summarise(collector);
    return faults.empty() ? exit_status::done : exit_status::failed;
}

}  // namespace

int explain_main(int argc, char** argv) {
    auto options = parse_explain_options(argc, argv);
    if (!options) {
        say(options.error());
        print_error("try 'sluice explain --help'\n");
        return exit_status::wrong_usage;
    }
    if (options->help) {
        print(explain_usage());
        return exit_status::done;
    }
    return run(*options);
}

}  // namespace sluice::app
