// line_rate: arguments in, one run, a report out.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>

#include "line_rate/arguments.hpp"
#include "line_rate/profiles.hpp"

namespace {

using namespace sluice::bench;

constexpr int status_failed = 1;

bool write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    return file.good();
}

int obey(int argc, char** argv) {
    const auto parsed = parse_arguments(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    const auto& arguments = std::get<Arguments>(parsed);
    const auto reports = measure(arguments);
    if (!reports) {
        fmt::print(stderr, "line_rate: {}\n", reports.error());
        return status_failed;
    }
    fmt::print("{}", arguments.json ? as_json(*reports) : as_text(*reports));
    if (!arguments.html.empty() && !write_file(arguments.html, as_html(*reports))) {
        fmt::print(stderr, "line_rate: {} cannot be written\n", arguments.html);
        return status_failed;
    }
    const bool accepted =
        std::all_of(reports->begin(), reports->end(), [](const Report& r) { return r.accepted(); });
    return accepted ? 0 : status_failed;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return obey(argc, argv);
    } catch (const std::exception& fault) {  // out of memory: nothing else throws
        fmt::print(stderr, "line_rate: {}\n", fault.what());
        return status_failed;
    }
}
