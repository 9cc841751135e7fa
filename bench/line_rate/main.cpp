// line_rate: arguments in, one run, a report out.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <fstream>

#include "line_rate/arguments.hpp"
#include "line_rate/profiles.hpp"

namespace {

using namespace sluice::bench;

constexpr int status_failed = 1;

sluice::Result<Report> run(const Arguments& arguments) {
    const auto limits = limits_of(arguments);
    const auto settings = settings_of(arguments);
    auto environment = Environment::start(arguments, memory_of(arguments, limits));
    if (!environment) return sluice::Error{environment.error()};
    auto stand = Stand::build(arguments, std::move(*environment), limits, settings);
    if (!stand) return sluice::Error{stand.error()};

    Report report;
    report.arguments = arguments;
    report.cores = (*stand)->environment().cores;
    report.huge_pages = (*stand)->environment().huge_pages;
    report.buffers = (*stand)->buffers();
    if (const Box* box = (*stand)->box(); box != nullptr) {
        report.table_records = limits.ipv4_flows;
        report.tracker_bytes = box->tracker_bytes();
    }
    if (const sluice::Status done = measure(**stand, report); !done) return sluice::Error{done.error()};
    return report;
}

int obey(int argc, char** argv) {
    const auto parsed = parse_arguments(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    const auto& arguments = std::get<Arguments>(parsed);
    const auto report = run(arguments);
    if (!report) {
        fmt::print(stderr, "line_rate: {}\n", report.error());
        return status_failed;
    }
    fmt::print("{}", arguments.json ? as_json(*report) : as_text(*report));
    return report->accepted() ? 0 : status_failed;
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
