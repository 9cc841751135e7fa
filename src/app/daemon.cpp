#include "app/daemon.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <span>
#include <utility>

#include "app/configuration_rules.hpp"
#include "app/daemon_inspection.hpp"
#include "app/daemon_telemetry.hpp"
#include "app/signals.hpp"
#include "sluice/control/flow_transfer.hpp"
#include "sluice/control/metrics.hpp"
#include "sluice/control/web_page.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::app {
namespace {

/// How often links, counters and floods are looked at.
constexpr auto look_interval = std::chrono::milliseconds(100);
/// How often, while one is under way, whether a reload is ready.
constexpr auto reload_wait = std::chrono::milliseconds(2);
/// Lines for the log in a look_interval: a disk is not to be filled by whoever sends packets.
constexpr unsigned most_lines = 20;
/// How often it is noted how many flows there are, for the case that the process is killed.
constexpr auto note_interval = std::chrono::seconds(2);

std::uint64_t wall_nanoseconds() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

control::WebState::Moment moment() {
    const auto monotonic = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    return {static_cast<std::uint64_t>(monotonic.count()), wall_nanoseconds() / 1'000'000};
}

std::string host_name() {
    char name[HOST_NAME_MAX + 1] = {};
    return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::int64_t milliseconds_since(std::chrono::steady_clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - then)
        .count();
}

bool draw_bytes(std::span<std::byte> out) {
    return getrandom(out.data(), out.size(), 0) == static_cast<ssize_t>(out.size());
}

Result<flow::Secret> draw_secret() {
    flow::Secret secret;
    if (!draw_bytes(std::as_writable_bytes(std::span(secret.words)))) {
        return Error{
            "the kernel gives no random bytes for the secret of the flow hash: check seccomp filters"};
    }
    return secret;
}

}  // namespace

Daemon::Daemon(Configuration configuration, std::vector<std::string> eal_arguments)
    : configuration_(std::move(configuration)),
      eal_arguments_(std::move(eal_arguments)),
      keeper_(configuration_.state),
      settings_(std::make_shared<pipeline::Settings>(configuration_.settings)),
      watchdog_(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID"), getpid()),
      reloader_([this](const std::stop_token& stop) { return prepare_reload(stop); },
                [this](Reload&& reload) { publish(std::move(reload)); }) {}

Result<std::unique_ptr<Daemon>> Daemon::start(Configuration configuration,
                                              std::vector<std::string> eal_arguments) {
    std::unique_ptr<Daemon> daemon(new Daemon(std::move(configuration), std::move(eal_arguments)));
    // The socket first: another daemon at the same path is found out before any port is touched.
    for (const auto step :
         {&Daemon::open_socket, &Daemon::open_records, &Daemon::start_guard, &Daemon::compile_signatures,
          &Daemon::start_ports, &Daemon::load_rules, &Daemon::start_workers, &Daemon::open_metrics,
          &Daemon::open_web, &Daemon::open_telemetry}) {
        if (const Status done = (daemon.get()->*step)(); !done) return Error{done.error()};
    }
    return daemon;
}

Daemon::~Daemon() {
    // Workers first; then trackers, whose tables lie in the runtime's memory.
    if (runtime_ != nullptr) runtime_->stop();
    metrics_.reset();
    web_.reset();
    if (publishes_telemetry_) dpdk::publish_telemetry(nullptr);
    server_.reset();
    records_.reset();
    trackers_.clear();
}

Status Daemon::open_socket() {
    workers_.all.resize(configuration_.dpdk.workers);
    workers_.now = [] { return Tick{0}; };
    control::ServerOptions options;
    options.path = configuration_.control.path;
    options.mode = configuration_.control.mode;
    options.group = configuration_.control.group;
    options.reload = [this](control::ServerOptions::Reloaded done) { reload(std::move(done)); };
    options.alerted = [this](const control::AlertNews& alert) { report_alert(alert); };
    server_ = std::make_unique<control::Server>(workers_, std::move(options));
    return server_->open();
}

Status Daemon::open_records() {
    auto records = FlowRecords::open(configuration_, workers_);
    if (!records) return Error{records.error()};
    records_ = std::move(*records);
    return success();
}

/// Null where `listen` is empty: the configuration lets nothing else through that is no address.
Result<std::unique_ptr<control::HttpEndpoint>> Daemon::open_site(const std::string& listen,
                                                                 control::HttpSite site) {
    const auto address = control::parse_listen_address(listen);
    if (!address) return std::unique_ptr<control::HttpEndpoint>();
    auto endpoint = control::HttpEndpoint::open(*address, listen, std::move(site));
    if (endpoint) server_->wake_on((*endpoint)->descriptor());
    return endpoint;
}

/// Late, when all that is shown is there.
Status Daemon::open_metrics() {
    auto endpoint = open_site(
        configuration_.metrics.listen,
        {.readers = "scrapers",
         .elsewhere = "the metrics are at /metrics",
         .pages = {{"/metrics", "text/plain; version=0.0.4; charset=utf-8", [this](std::string_view) {
                        return control::metrics_page(workers_, workers_.start_seconds);
                    }}}});
    if (!endpoint) return Error{endpoint.error()};
    metrics_ = std::move(*endpoint);
    return success();
}

/// The same.
Status Daemon::open_web() {
    if (configuration_.web.listen.empty()) return success();
    web_state_ = std::make_unique<control::WebState>(
        workers_, [this] { return server_->statistics(); }, host_name(), moment());
    auto endpoint =
        open_site(configuration_.web.listen,
                  control::web_site([this](std::string_view since) { return web_state_->json(since); }));
    if (!endpoint) return Error{endpoint.error()};
    web_ = std::move(*endpoint);
    spdlog::info("the web page is at http://{}/", configuration_.web.listen);
    return success();
}

Status Daemon::open_telemetry() {
    std::vector<std::string> arguments = configuration_.dpdk.eal_arguments;
    arguments.insert(arguments.end(), eal_arguments_.begin(), eal_arguments_.end());
    publishes_telemetry_ = dpdk::asks_for_telemetry(arguments);
    if (!publishes_telemetry_) return success();
    dpdk::publish_telemetry(telemetry_answers(workers_));
    return dpdk::register_telemetry();
}

Status Daemon::start_guard() {
    if (configuration_.limits.guarded_services == 0) return success();
    auto guard = control::GuardWatch::create(configuration_.guard, configuration_.dpdk.workers, draw_bytes);
    if (!guard) return Error{guard.error()};
    guard_ = std::move(*guard);
    settings_ = settings_in_force();
    return success();
}

/// What the file says and what the guard has decided.
std::shared_ptr<const pipeline::Settings> Daemon::settings_in_force() {
    auto settings = std::make_shared<pipeline::Settings>(configuration_.settings);
    settings->policy = policy_;
    if (guard_ != nullptr) {
        settings->protection = guard_->protection();
        (void)guard_->take_change();
    }
    return settings;
}

Status Daemon::compile_signatures() {
    auto inspection = compile_for_daemon(configuration_, configuration_.dpdk.workers, nullptr, {});
    if (!inspection) return Error{inspection.error()};
    inspection_ = std::move(*inspection);
    return success();
}

Status Daemon::start_ports() {
    auto secret = draw_secret();
    if (!secret) return Error{secret.error()};
    secret_ = *secret;
    dpdk::TrackerNeeds needs;
    needs.arena_bytes = Tracker::bytes_needed(configuration_.limits);
    needs.held_packets =
        pipeline::fragment_limits(configuration_.limits, *settings_, secret_).packets +
        (configuration_.limits.inspection.flows == 0 ? 0 : configuration_.limits.inspection.held_packets);
    dpdk::Options options = configuration_.dpdk;
    options.eal_arguments.insert(options.eal_arguments.end(), eal_arguments_.begin(), eal_arguments_.end());
    auto runtime = dpdk::Runtime::start(options, needs);
    if (!runtime) return Error{runtime.error()};
    runtime_ = std::move(*runtime);
    return success();
}

/// Null where there are no rules.
Result<std::shared_ptr<const pipeline::Policy>> Daemon::compile_rules(
    const Configuration& configuration, const std::shared_ptr<const pipeline::Inspection>& inspection) const {
    if (configuration.rules == nullptr) return std::shared_ptr<const pipeline::Policy>();
    auto matcher = runtime_->compile(*configuration.rules);
    if (!matcher) return Error{matcher.error()};
    auto policy = std::make_shared<pipeline::Policy>(configuration.rules, std::move(*matcher),
                                                     runtime_->workers(), inspection);
    const std::vector<std::uint16_t> ports = runtime_->port_numbers();
    for (std::size_t i = 0; i < ports.size(); ++i)
        if (ports[i] < pipeline::Policy::most_ports)
            policy->interface_of_port[ports[i]] = static_cast<std::uint8_t>(i);
    return std::shared_ptr<const pipeline::Policy>(std::move(policy));
}

Status Daemon::load_rules() {
    auto policy = compile_rules(configuration_, inspection_);
    if (!policy) return Error{policy.error()};
    policy_ = workers_.policy = std::move(*policy);
    settings_ = settings_in_force();
    for (const std::string& warning : warnings_of(configuration_)) spdlog::warn("{}", warning);
    return success();
}

Status Daemon::start_workers() {
    for (unsigned worker = 0; worker < runtime_->workers(); ++worker) {
        auto tracker = Tracker::create(configuration_.limits, *settings_, secret_, runtime_->steering(worker),
                                       runtime_->arena(worker));
        if (!tracker) return Error{tracker.error()};
        trackers_.push_back(std::move(*tracker));
    }
    show_workers_to_control();
    restore_flows();
    begin_records();
    for (unsigned worker = 0; worker < runtime_->workers(); ++worker) {
        if (Status launched = runtime_->launch(worker, *trackers_[worker]); !launched) return launched;
    }
    // Not before: a start that fails leaves everything to the next one.
    if (keeper_.keeps()) {
        keeper_.used();
        note_flows();
    }
    return success();
}

void Daemon::show_workers_to_control() {
    for (std::size_t i = 0; i < trackers_.size(); ++i) {
        Tracker& tracker = *trackers_[i];
        workers_.all[i] = {.table4 = &tracker.table4(),
                           .table6 = &tracker.table6(),
                           .mailbox = &tracker.mailbox(),
                           .counters = &tracker.counters(),
                           .events = &tracker.events(),
                           .alerts = tracker.alerts(),
                           .inspection = tracker.inspection(),
                           .loop = &runtime_->counters(static_cast<unsigned>(i)),
                           .captures = &tracker.captures()};
    }
    workers_.now = [this] { return runtime_->clock().now().tick; };
    workers_.layout = snapshot_layout();
    workers_.accounting = configuration_.limits.accounting;
    workers_.timestamps = configuration_.limits.timestamps;
    workers_.owner4 = [this](const flow::Key4& key) {
        return runtime_->steering(0).owner(key, flow::hash(key, secret_));
    };
    workers_.owner6 = [this](const flow::Key6& key) {
        return runtime_->steering(0).owner(key, flow::hash(key, secret_));
    };
    if (guard_ != nullptr) {
        std::vector<control::GuardWatch::Worker> watched;
        for (const auto& tracker : trackers_)
            watched.push_back({&tracker->guard()->accounts(), &tracker->guard()->candidates()});
        guard_->watch(std::move(watched));
        workers_.guard = guard_.get();
    }
    workers_.half_open_limit = settings_->half_open_limit;
    workers_.tcp = settings_->tcp;
    workers_.port_names = runtime_->port_names();
    workers_.start_seconds = wall_nanoseconds() / 1'000'000'000;
    workers_.extra_counters = [this] {
        auto counters = runtime_->counters();
        records_->append_counters(counters);
        return counters;
    };
    // The server kept the settings that the trackers started with alive through settings_ until now.
    server_->replace_settings(settings_);
}

control::SnapshotLayout Daemon::snapshot_layout() const {
    control::SnapshotLayout out;
    out.vlan_in_key = configuration_.settings.vlan_in_key;
    out.pairs.reserve(configuration_.dpdk.pairs.size());
    for (std::size_t pair = 0; pair < configuration_.dpdk.pairs.size(); ++pair)
        out.pairs.push_back({configuration_.dpdk.pairs[pair].name, configuration_.settings.zone[pair]});
    return out;
}

/// Takes up what the daemon before this one left, before any packet is taken.
void Daemon::restore_flows() {
    if (!keeper_.keeps()) return;
    const std::uint64_t workers = runtime_->workers();
    const auto began = std::chrono::steady_clock::now();
    std::vector<FlowKeeper::Line> lines;
    const auto found = keeper_.find({.layout = workers_.layout,
                                     .ipv4_flows = workers * configuration_.limits.ipv4_flows,
                                     .ipv6_flows = workers * configuration_.limits.ipv6_flows},
                                    wall_nanoseconds(), lines);
    for (const FlowKeeper::Line& line : lines)
        spdlog::log(line.warning ? spdlog::level::warn : spdlog::level::info, "{}", line.text);
    if (!found) return;
    control::RestoreTally tally;
    control::restore_all(found->snapshot.records(), found->fit, found->since, workers_, trackers_,
                         runtime_->clock().now(), tally);
    spdlog::info("{}; saved {} ms ago, read in {} ms", describe(tally), found->since.passed,
                 milliseconds_since(began));
}

/// The workers have stopped: writes down what they knew. False, and said, when that cannot be done.
bool Daemon::keep_flows() {
    if (!keeper_.keeps()) return true;
    if (copy_ != nullptr) copy_->wait();  // nobody goes on with it
    const auto began = std::chrono::steady_clock::now();
    const pipeline::Now now = runtime_->clock().now();
    auto file = keeper_.begin(workers_.layout, wall_nanoseconds());
    Result<std::uint64_t> kept = file ? Result<std::uint64_t>(0) : Error{file.error()};
    std::uint64_t left_out = 0;
    if (file) {
        for (const auto& tracker : trackers_)
            left_out += control::save_all(*tracker, now,
                                          [&](const pipeline::SavedFlow& flow) { (*file)->add(flow); });
        kept = (*file)->commit();
    }
    if (!kept) {
        spdlog::error("{}; all flows are lost", kept.error());
        return false;
    }
    spdlog::info("{} flows kept for the next start{}; written in {} ms", *kept,
                 left_out == 0 ? "" : fmt::format(", {} handshakes under way are not", left_out),
                 milliseconds_since(began));
    keeper_.stop();
    return true;
}

void Daemon::note_flows() {
    std::uint64_t flows = 0;
    for (const auto& tracker : trackers_) flows += tracker->table4().size() + tracker->table6().size();
    const Status noted = keeper_.note(flows, wall_nanoseconds());
    if (!noted && !note_failed_) spdlog::warn("{}", noted.error());
    note_failed_ = !noted;
}

/// Begins a copy of the flows whenever it is time, and says what became of one when it is not what became of
/// the one before.
void Daemon::keep_copy(std::chrono::steady_clock::time_point now) {
    const std::chrono::seconds interval(configuration_.state.interval_seconds);
    std::optional<Result<std::uint64_t>> outcome;
    if (copy_ != nullptr) {
        outcome = copy_->outcome();
        if (!outcome) return;
        copy_.reset();
    } else if (interval.count() != 0 && (!last_copy_s_fault_ || now - copy_began_ >= interval)) {
        copy_began_ = now;
        auto file = keeper_.begin_copy(workers_.layout, wall_nanoseconds());
        if (file) {
            copy_ = std::make_shared<FlowCopy>(std::move(*file));
            server_->copy_flows(copy_);
            return;
        }
        outcome = Error{file.error()};
    } else {
        return;
    }
    const std::string fault = *outcome ? "" : outcome->error();
    if (last_copy_s_fault_ == fault) return;
    last_copy_s_fault_ = fault;
    if (*outcome)
        spdlog::info("{} flows copied in {} ms, and again every {} seconds", **outcome,
                     milliseconds_since(copy_began_), interval.count());
    else
        spdlog::warn("{}; should this daemon be killed, flows that began since the last copy are lost",
                     fault);
}

std::string Daemon::ready_line() const {
    const pipeline::Limits& limits = configuration_.limits;
    const std::uint64_t flows = (std::uint64_t{limits.ipv4_flows} + limits.ipv6_flows) * runtime_->workers();
    return fmt::format("ready, {} workers, {} flows, ports {}", runtime_->workers(), flows,
                       fmt::join(runtime_->port_names(), " "));
}

bool Daemon::run() {
    for (const std::string& line : runtime_->description()) spdlog::info("{}", line);
    for (const std::string& line : runtime_->warnings()) spdlog::warn("{}", line);
    {
        const SignalsOpen open;
        while (!asked_to_stop()) {
            server_->turn(static_cast<int>((reloader_.under_way() ? reload_wait : look_interval).count()));
            if (metrics_ != nullptr) metrics_->turn();
            if (web_ != nullptr) {
                web_state_->look(moment());
                web_->turn();
            }
            if (asked_to_reload()) reload([](const Status&) {});
            reloader_.turn();
            look_around();
        }
    }
    spdlog::info("stopping");
    notify_service_manager("STOPPING=1\n" + status_line("sending what is under way"));
    const bool clean = runtime_->stop();
    if (!clean) spdlog::error("some packets under way could not be sent in time");
    const bool kept = keep_flows();
    finish_records();
    return clean && kept;
}

void Daemon::begin_records() {
    control::FlowTables tables;
    for (const auto& tracker : trackers_)
        tables.of_workers.emplace_back(&tracker->table4(), &tracker->table6());
    tables.now = [this] { return runtime_->clock().now(); };
    records_->begin(*server_, std::move(tables));
}

void Daemon::finish_records() {
    server_->finish_writing();
    for (const FlowRecords::Line& line : records_->finish())
        spdlog::log(line.warning ? spdlog::level::warn : spdlog::level::info, "{}", line.text);
}

/// Has the file read again, and tells the service manager when that begins and what came of it.
void Daemon::reload(control::ServerOptions::Reloaded done) {
    records_->reopen();  // whatever becomes of the rest: the file may have been rotated
    notify_service_manager(reloading_lines(std::chrono::steady_clock::now().time_since_epoch()));
    reloader_.ask([this, done = std::move(done)](const Status& outcome) {
        const std::string refusal = outcome ? "" : "reload refused, nothing changed: " + outcome.error();
        if (!refusal.empty()) spdlog::error("{}", refusal);
        notify_service_manager("READY=1\n" + status_line(refusal.empty() ? ready_line() : refusal));
        done(outcome);
    });
}

/// On the reloader's thread: nothing is changed.
Result<Daemon::Reload> Daemon::prepare_reload(const std::stop_token& stop) const {
    auto wanted = load(configuration_.file, {}, Use::daemon);
    if (!wanted) return Error{wanted.error()};
    // What cannot change in a running daemon is not worth compiling for.
    auto changes = reloadable_changes(configuration_, *wanted);
    if (!changes) return Error{changes.error()};
    auto inspection = compile_for_daemon(*wanted, runtime_->workers(), inspection_, stop);
    if (!inspection) return Error{inspection.error()};
    Reload out;
    out.wanted = std::move(*wanted);
    out.changes = std::move(*changes);
    out.inspection = std::move(*inspection);
    const bool has_rules = std::find(out.changes.begin(), out.changes.end(), "rule") != out.changes.end();
    if (!has_rules) out.wanted.rules = configuration_.rules;
    // Rules that are as they were keep what they have counted, unless they read flows in another way.
    out.has_policy = has_rules || out.inspection != inspection_;
    if (!out.has_policy) return out;
    auto policy = compile_rules(out.wanted, out.inspection);
    if (!policy) return Error{policy.error()};
    out.policy = std::move(*policy);
    out.warnings = warnings_of(out.wanted);
    return out;
}

void Daemon::publish(Reload&& reload) {
    if (reload.has_policy) {
        policy_ = workers_.policy = std::move(reload.policy);
        inspection_ = std::move(reload.inspection);
    }
    for (const std::string& warning : reload.warnings) spdlog::warn("{}", warning);
    configuration_ = std::move(reload.wanted);
    if (guard_ != nullptr) guard_->reload(configuration_.guard);
    settings_ = settings_in_force();
    workers_.half_open_limit = settings_->half_open_limit;
    workers_.tcp = settings_->tcp;
    server_->replace_settings(settings_);
    std::string names;
    for (const std::string& name : reload.changes) names += (names.empty() ? "" : ", ") + name;
    spdlog::info("configuration reloaded: {}", names.empty() ? "nothing changed" : names + " changed");
}

void Daemon::look_around() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_look_) return;
    next_look_ = now + look_interval;
    if (watchdog_.due(now, runtime_->polls())) notify_service_manager("WATCHDOG=1");
    for (const std::string& line : runtime_->look_after_links()) spdlog::warn("{}", line);
    hint_at_unfinished_checksums();
    if (policy_ != nullptr) report_first_packets();
    if (guard_ != nullptr) watch_for_floods(now);
    if (alerts_reported_ > most_lines) spdlog::warn("and {} more alerts", alerts_reported_ - most_lines);
    alerts_reported_ = 0;
    for (const FlowRecords::Line& line : records_->news(now))
        spdlog::log(line.warning ? spdlog::level::warn : spdlog::level::info, "{}", line.text);
    if (publishes_telemetry_) dpdk::publish_telemetry(telemetry_answers(workers_));
    if (keeper_.keeps() && now >= next_note_) {
        next_note_ = now + note_interval;
        note_flows();
    }
    if (keeper_.keeps()) keep_copy(now);
}

/// What a signature has found.
void Daemon::report_alert(const control::AlertNews& alert) {
    if (web_state_ != nullptr) web_state_->add(alert);
    if (++alerts_reported_ <= most_lines) spdlog::warn("alert: {}", control::alert_line(alert));
}

/// What rules want to be told of.
void Daemon::report_first_packets() {
    unsigned found = 0;
    for (unsigned worker = 0; worker < policy_->workers(); ++worker)
        policy_->log(worker).take_all([&](const pipeline::RuleLog::Entry& entry) {
            if (++found > most_lines) return;
            const policy::RuleSet& rules = *policy_->rules;
            spdlog::info("{}: {}: {}", title_of(rules, entry.rule),
                         policy::name_of(rules.rule(entry.rule).action), describe(entry.packet));
        });
    if (found > most_lines) spdlog::info("and {} more first packets of rules that log", found - most_lines);
}

void Daemon::watch_for_floods(std::chrono::steady_clock::time_point now) {
    const auto milliseconds = [](auto since) {
        return static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
    };
    guard_->step({milliseconds(now.time_since_epoch()), workers_.now(),
                  milliseconds(std::chrono::system_clock::now().time_since_epoch())});
    for (const auto& change : guard_->changes()) server_->tell(change);
    for (const auto& news : guard_->take_news())
        spdlog::log(news.warning ? spdlog::level::warn : spdlog::level::info, "{}", news.text);
    // One change at a time: what a slow worker has not taken up yet is not followed by more.
    if (server_->settled() && guard_->take_change()) {
        settings_ = settings_in_force();
        server_->replace_settings(settings_);
    }
}

/// Wrong checksums in number mean, on interfaces of the kernel, that the other end leaves them to be filled
/// in by a card that is not there. Said once; the counters go on telling.
void Daemon::hint_at_unfinished_checksums() {
    constexpr std::uint64_t telling = 10;
    if (hinted_) return;
    std::uint64_t wrong = 0;
    for (const auto& tracker : trackers_) {
        wrong += tracker->counters().reasons[static_cast<std::size_t>(Reason::bad_checksum)].read();
    }
    if (wrong < telling) return;
    hinted_ = true;
    spdlog::warn(
        "{} packets had wrong checksums; if a veth or a virtual machine sends them, type on its side: "
        "ethtool -K IF tx off tso off",
        wrong);
}

}  // namespace sluice::app
