// What the daemon writes down of its flows: into a file, to a collector, or both.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/configuration.hpp"
#include "sluice/base/result.hpp"
#include "sluice/control/active_flows.hpp"
#include "sluice/control/event_writer.hpp"
#include "sluice/control/server.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {
class IpfixExporter;
}

namespace sluice::app {

/// Used by the control thread alone.
class FlowRecords {
  public:
    /// For the log.
    struct Line {
        bool warning;
        std::string text;
    };

    /// Opens the file and looks the collector up, as far as the configuration names them. `workers` outlives
    /// it. The error says what to do.
    [[nodiscard]] static Result<std::unique_ptr<FlowRecords>> open(const Configuration& configuration,
                                                                   const control::Workers& workers);

    /// Starts their threads and has the server feed them. Once tables and rings of the workers are there,
    /// with the flows of the daemon before in them, and before workers turn. `tables` outlive it.
    void begin(control::Server& server, control::FlowTables tables);
    /// The file may have been moved away.
    void reopen();
    /// "flow_log_records" and so on, since the start; none of what is not configured.
    void append_counters(std::vector<std::pair<std::string, std::uint64_t>>& out) const;
    /// What was lost or is in the way, if that is new and not too much of it was told lately.
    [[nodiscard]] std::vector<Line> news(std::chrono::steady_clock::time_point now);
    /// Writes what still waits, and tells all that is left to tell. After Server::finish_writing().
    [[nodiscard]] std::vector<Line> finish();

  private:
    struct Writer {
        std::string section;  ///< of the configuration
        std::string target;
        pipeline::EventKinds events = 0;
        std::unique_ptr<control::EventSink> sink;  ///< until it begins
        std::unique_ptr<control::EventWriter> writer;
        std::uint64_t told_lost = 0;
        int told_error = 0;
        std::chrono::steady_clock::time_point tell_again{};
    };
    explicit FlowRecords(const control::Workers& workers) : workers_(workers) {}
    void add(std::string_view section, const std::string& target, pipeline::EventKinds events,
             std::unique_ptr<control::EventSink> sink);
    [[nodiscard]] std::uint64_t lost(const Writer& writer) const;
    void tell(Writer& writer, std::vector<Line>& out) const;

    const control::Workers& workers_;
    std::vector<Writer> writers_;
    control::IpfixExporter* exporter_ = nullptr;  ///< among them
};

}  // namespace sluice::app
