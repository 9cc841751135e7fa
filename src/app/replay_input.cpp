#include "app/replay_input.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "app/configuration_rules.hpp"
#include "app/inspection.hpp"
#include "app/progress.hpp"

namespace sluice::app {

bool is_regular_file(const std::string& path) {
    struct stat status {};
    return path != "-" && stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

Result<std::vector<Capture>> open_captures(const std::vector<std::string>& paths) {
    std::vector<Capture> captures;
    std::string faults;
    for (const std::string& path : paths) {
        auto reader = CaptureReader::open(path);
        if (!reader) {
            faults += (faults.empty() ? "" : "\n") + reader.error();
            continue;
        }
        Capture capture{path, reader->link(), reader->data_link(), reader->microseconds(), std::nullopt};
        if (!is_regular_file(path)) capture.open.emplace(std::move(*reader));
        captures.push_back(std::move(capture));
    }
    if (!faults.empty()) return Error{faults};
    return captures;
}

Status replay_capture(Capture& capture, ReplayEngine& engine, const std::function<bool()>& stop) {
    if (!capture.open) {
        auto again = CaptureReader::open(capture.path);
        if (!again) return Error{again.error()};
        capture.open.emplace(std::move(*again));
    }
    CaptureReader& reader = *capture.open;
    engine.set_link_layer(reader.link());
    const std::uint64_t bytes = reader.bytes();
    Progress progress(name_of_capture(capture.path), bytes != 0 ? "bytes" : "packets", bytes,
                      Progress::Output::rows);
    const bool shows_bytes = bytes != 0 && progress.possible();
    CapturedPacket packet;
    auto next = CaptureReader::Next::end;
    while (!stop() && (next = reader.next(packet)) == CaptureReader::Next::packet) {
        engine.feed(packet);
        progress.at(shows_bytes ? reader.bytes_read() : reader.packets_read());
    }
    const std::string fault = next == CaptureReader::Next::failed ? reader.error() : std::string{};
    capture.open.reset();
    if (!fault.empty()) return Error{fault};
    return success();
}

Result<Configuration> load_replay_configuration(const std::string& path,
                                                const std::vector<std::string>& overrides) {
    if (path.empty()) return load_text("", "", overrides, Use::replay);
    return load(path, overrides, Use::replay);
}

Status divide_among(unsigned workers, Configuration& configuration) {
    const auto share = [&](std::uint32_t& of_one) {
        const std::uint64_t total = std::uint64_t{of_one} * configuration.dpdk.workers;
        of_one = static_cast<std::uint32_t>((total + workers - 1) / workers);
    };
    share(configuration.limits.ipv4_flows);
    share(configuration.limits.ipv6_flows);
    share(configuration.settings.half_open_limit);
    auto inspection = build_inspection(configuration, workers, compiling_shown());
    if (!inspection) return Error{inspection.error()};
    obey_rules(configuration, workers, std::move(*inspection));
    return success();
}

}  // namespace sluice::app
