// sluice beside this machine's nf_conntrack: shows both the same segments and puts every difference into a
// documented class (docs/divergences.md). Status 0: all were; 1: one was not, or something honest was refused
// by sluice alone; 2: it could not be done; 77: this machine cannot (not root, no TUN, no conntrack …).
//
//   differential [--packets N] [--seed N] [--tests FOLDER] [CAPTURE]...
//
//   --packets N      random conversations of about that many segments together; 5000 unless told
//   --seed N         they begin at this seed; 1 unless told
//   --tests FOLDER   the project's tests/: its scripts are played, too, and every class must be shown by one
//   CAPTURE          its TCP flows are played, with pick-up and without
//
// Captures in the folder named by SLUICE_CAPTURES are played when --tests is given.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <string>

#include "comparison.hpp"

namespace sluice::differential {
namespace {

constexpr int skipped = 77;  // to meson: neither passed nor failed

struct Arguments {
    std::size_t packets = 5000;
    std::uint64_t seed = 1;
    std::string tests;
    std::vector<std::string> captures;
};

std::vector<std::string> files_in(const std::string& folder, std::string_view extension) {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == extension) out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

Arguments read(const std::vector<std::string>& words) {
    Arguments out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto value = [&words, &i] {
            if (i + 1 == words.size()) throw std::runtime_error(words[i] + " wants a value");
            return words[++i];
        };
        if (words[i] == "--packets")
            out.packets = std::stoull(value());
        else if (words[i] == "--seed")
            out.seed = std::stoull(value());
        else if (words[i] == "--tests")
            out.tests = value();
        else
            out.captures.push_back(words[i]);
    }
    if (const char* folder = std::getenv("SLUICE_CAPTURES"); folder != nullptr && !out.tests.empty())
        for (const std::string& path : files_in(folder, ".pcap")) out.captures.push_back(path);
    return out;
}

void play_random(Comparison& comparison, const Arguments& arguments) {
    constexpr std::uint64_t wild_ones = 3;  // they are shorter
    for (std::uint64_t seed = arguments.seed; comparison.summary().segments < arguments.packets; ++seed) {
        comparison.compare(honest_conversation(seed));
        comparison.compare(mutated_conversation(seed));
        for (std::uint64_t i = 0; i < wild_ones; ++i)
            comparison.compare(wild_conversation(wild_ones * seed + i));
    }
}

void play_scripts(Comparison& comparison, const Arguments& arguments, const std::string& folder, bool show) {
    const std::string blocks = arguments.tests + "/scenario/common.scn";
    const int variants = show ? 4 : 1;
    for (const std::string& path : files_in(arguments.tests + folder, ".scn"))
        if (path != blocks)
            for (const Conversation& one :
                 scripted_conversations(path, blocks, arguments.seed, variants, show))
                comparison.compare(one);
}

void play_capture(Comparison& comparison, const std::string& path) {
    for (const bool loose : {true, false}) {
        tcp::Settings settings;
        settings.loose = loose;
        auto read = captured_conversations(path, settings);
        if (!read) throw std::runtime_error(read.error());
        for (const Conversation& one : read->conversations) comparison.compare(one);
        if (loose && read->left_out != 0)
            std::cout << path << ": " << read->left_out << " packets are no whole TCP segments, left out\n";
    }
}

void report(const Summary& summary) {
    constexpr int width = 37;
    std::cout << summary.conversations << " conversations of " << summary.segments << " segments ("
              << summary.replayed << " played again to resynchronise); the two agree and let pass "
              << summary.both_pass << "\n\n";
    const auto row = [](std::string_view name, const auto& numbers) {
        std::cout << std::left << std::setw(width) << name << std::right;
        for (const auto& number : numbers) std::cout << std::setw(9) << number;
    };
    constexpr std::array sources{name_of(Source::honest), name_of(Source::mutated), name_of(Source::wild),
                                 name_of(Source::script), name_of(Source::capture)};
    row("whole conversations", sources);
    std::cout << "\n";
    row("  segments", summary.by_source);
    std::cout << "\n";
    row("  only sluice refuses", summary.only_sluice_refuses);
    std::cout << "\n";
    row("    of these, without a flow", summary.without_flow);
    std::cout << "\n";
    row("  only nf_conntrack refuses", summary.only_kernel_refuses);
    std::cout << "\n\n";
    row("class of difference", sources);
    std::cout << std::setw(10) << "stricter" << std::setw(14) << "consequences"
              << "\n";
    for (const auto& [name, count] : summary.classes) {
        row(name, count.differences);
        std::cout << std::setw(10) << count.stricter << std::setw(14) << count.consequences << "\n";
    }
    for (const std::string& failure : summary.failures) std::cout << "\n" << failure;
    for (const auto& [name, number] : summary.unclassified)
        std::cout << number << " times in no class: " << name << "\n";
    std::cout << "\n" << summary.failures.size() << " failures\n";
}

int run(const Arguments& arguments) {
    auto kernel = KernelJudge::make();
    if (!kernel) {
        std::cout << "skipped: " << kernel.error() << "\n";
        return skipped;
    }
    Comparison comparison(**kernel);
    std::cout << "seed " << arguments.seed << "\n";
    play_random(comparison, arguments);
    if (!arguments.tests.empty()) {
        play_scripts(comparison, arguments, "/differential/classes", true);
        play_scripts(comparison, arguments, "/scenario", false);
    }
    for (const std::string& path : arguments.captures) play_capture(comparison, path);
    report(comparison.summary());
    return comparison.summary().failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace sluice::differential

int main(int argc, char** argv) {
    try {
        return sluice::differential::run(sluice::differential::read({argv + 1, argv + argc}));
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
}
