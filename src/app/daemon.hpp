// The daemon: configuration, ports, trackers and control socket put together. One thread (the control thread)
// owns all of it; the workers run on lcores of their own and share nothing with it but what their parts say.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "app/daemon_records.hpp"
#include "app/flow_copy.hpp"
#include "app/flow_keeper.hpp"
#include "app/reloader.hpp"
#include "app/service_manager.hpp"
#include "sluice/base/result.hpp"
#include "sluice/control/guard_watch.hpp"
#include "sluice/control/http_endpoint.hpp"
#include "sluice/control/server.hpp"
#include "sluice/control/web_state.hpp"
#include "sluice/control/workers.hpp"
#include "sluice/dpdk/mbuf_tracker.hpp"
#include "sluice/dpdk/runtime.hpp"

namespace sluice::app {

class Daemon {
  public:
    /// Starts everything up to forwarding. When it fails nothing stays behind, and the error says what to do.
    /// `eal_arguments` are the command line's, which follow the file's.
    [[nodiscard]] static Result<std::unique_ptr<Daemon>> start(Configuration configuration,
                                                               std::vector<std::string> eal_arguments);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    /// Serves the control socket and obeys signals until told to stop; then stops. True after a clean stop.
    [[nodiscard]] bool run();

    /// "ready, N workers, M flows, ports …"
    [[nodiscard]] std::string ready_line() const;

  private:
    using Tracker = dpdk::MbufTracker;

    Daemon(Configuration configuration, std::vector<std::string> eal_arguments);
    Status open_socket();
    Status compile_signatures();
    Status open_records();
    Status open_metrics();
    Status open_web();
    [[nodiscard]] Result<std::unique_ptr<control::HttpEndpoint>> open_site(const std::string& listen,
                                                                           control::HttpSite site);
    Status open_telemetry();
    Status start_ports();
    Status load_rules();
    Status start_workers();
    void show_workers_to_control();
    [[nodiscard]] control::SnapshotLayout snapshot_layout() const;
    void restore_flows();
    [[nodiscard]] bool keep_flows();
    void note_flows();
    void keep_copy(std::chrono::steady_clock::time_point now);
    void reload(control::ServerOptions::Reloaded done);
    /// What a reload brings, read and compiled.
    struct Reload {
        Configuration wanted;
        std::vector<std::string> changes;                        ///< keys
        std::shared_ptr<const pipeline::Inspection> inspection;  ///< null: nothing is inspected
        bool has_policy = false;                                 ///< another than before:
        std::shared_ptr<const pipeline::Policy> policy;          ///< null: none
        std::vector<std::string> warnings;                       ///< about them
    };
    [[nodiscard]] Result<Reload> prepare_reload(const std::stop_token& stop) const;
    void publish(Reload&& reload);
    void look_around();
    Status start_guard();
    void begin_records();
    void finish_records();
    void report_first_packets();
    void report_alert(const control::AlertNews& alert);
    void watch_for_floods(std::chrono::steady_clock::time_point now);
    [[nodiscard]] Result<std::shared_ptr<const pipeline::Policy>> compile_rules(
        const Configuration& configuration,
        const std::shared_ptr<const pipeline::Inspection>& inspection) const;
    [[nodiscard]] std::shared_ptr<const pipeline::Settings> settings_in_force();
    void hint_at_unfinished_checksums();

    Configuration configuration_;  ///< the file's alone: a reload compares it with the file. Changed by
                                   ///< publish() alone, for the reloader's thread reads it
    const std::vector<std::string> eal_arguments_;
    /// Outlives all that lies in its memory: trackers, and the compiled rules that settings and workers hold.
    std::unique_ptr<dpdk::Runtime> runtime_;
    FlowKeeper keeper_;
    std::shared_ptr<const pipeline::Settings> settings_;
    std::shared_ptr<const pipeline::Policy> policy_;          ///< null: no rules
    std::shared_ptr<const pipeline::Inspection> inspection_;  ///< null: no profile of it
    flow::Secret secret_;
    control::Workers workers_;
    std::unique_ptr<control::GuardWatch> guard_;  ///< outlives trackers, which read its board; null: none
    std::vector<std::unique_ptr<Tracker>> trackers_;
    std::unique_ptr<FlowRecords>
        records_;  ///< outlives the server, which feeds it, and reads tables of trackers
    std::unique_ptr<control::Server> server_;
    std::unique_ptr<control::HttpEndpoint> metrics_;  ///< null: nobody scrapes
    std::unique_ptr<control::WebState> web_state_;    ///< null: there is no page
    std::unique_ptr<control::HttpEndpoint> web_;      ///< the same
    std::chrono::steady_clock::time_point next_look_{}, next_note_{}, copy_began_{};
    bool note_failed_ = false;
    std::shared_ptr<FlowCopy> copy_;                ///< being made; null: none
    std::optional<std::string> last_copy_s_fault_;  ///< empty: it went well; nothing: there was none
    Watchdog watchdog_;
    Reloader<Reload> reloader_;
    bool hinted_ = false;
    unsigned alerts_reported_ = 0;  ///< since the last look around
    bool publishes_telemetry_ = false;
};

}  // namespace sluice::app
