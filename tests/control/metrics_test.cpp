// The page of metrics: what is on it, that it is what was counted, and that the reference names it.
#include "sluice/control/metrics.hpp"

#include <fstream>
#include <map>
#include <sstream>

#include "daemon_rig.hpp"
#include "guard_rig.hpp"
#include "sluice/control/guard_watch.hpp"

namespace sluice::control {
namespace {

using namespace testing;

/// Samples by name and labels, as the page writes them.
using Samples = std::map<std::string, double>;

Samples samples_of(const std::string& page) {
    Samples out;
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);)
        if (!line.empty() && line[0] != '#') {
            const std::size_t space = line.rfind(' ');
            EXPECT_TRUE(out.emplace(line.substr(0, space), std::stod(line.substr(space))).second) << line;
        }
    return out;
}

/// A daemon with something counted everywhere, and nothing that turns by itself.
struct MetricsRig : DaemonRig {
    MetricsRig() {
        fill(300);
        GuardOptions guarded;
        guarded.services = {service_at(0xC000'0201, 443, guard::Mode::automatic, "web")};
        guard = std::make_unique<GuardRig>(guarded);
        guard->steps(20, [&] { guard->syns(1, 2'000); });
        workers.guard = guard->watch.get();
        workers.half_open_limit = 1'000;
        workers.port_names = {"left", "right"};
        workers.extra_counters = [] {
            std::vector<std::pair<std::string, std::uint64_t>> out;
            for (const char* port : {"port0_", "port1_"})
                for (const char* name : {"link_up", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
                                         "control_packets", "control_dropped", "device_rx_missed",
                                         "device_rx_errors", "device_rx_no_buffer", "device_tx_errors"})
                    out.emplace_back(std::string(port) + name, port[4] == '0' ? 1 : 5'000'000'000'000);
            for (const char* name : {"flow_log_records", "flow_log_lost", "ipfix_records", "ipfix_lost"})
                out.emplace_back(name, 1);
            return out;
        };
        for (std::size_t i = 0; i < loops.size(); ++i) workers.all[i].loop = &loops[i];
        loops[0].polls.add(10);
        loops[0].nanoseconds.add(2'000'000'000);
        for (const unsigned burst : {1U, 2U, 3U, 32U, 33U, 64U}) loops[0].bursts.add(burst);
        loops[0].busy_polls.add(500'000'000);
        loops[0].busy_polls.add(1'024);
    }
    [[nodiscard]] std::string page() const { return metrics_page(workers, 1'700'000'000); }

    std::array<pipeline::WorkerCounters, 2> loops;
    std::unique_ptr<GuardRig> guard;
};

TEST(Metrics, SayWhatWasCounted) {
    MetricsRig rig;
    rig.trackers[1]->count_loss(Reason::tx_full, 7);
    const Samples samples = samples_of(rig.page());
    const auto value = [&](const std::string& name) {
        const auto found = samples.find(name);
        EXPECT_NE(found, samples.end()) << name;
        return found != samples.end() ? found->second : -1;
    };
    EXPECT_EQ(value("sluice_entries"), 300);
    EXPECT_EQ(value("sluice_entries_limit"), 4 * 4096);
    EXPECT_EQ(value("sluice_entries_available"), 4 * 4096 - 300);
    EXPECT_EQ(value(R"(sluice_table_entries{worker="0",family="ipv4"})") +
                  value(R"(sluice_table_entries{worker="1",family="ipv4"})"),
              300);
    EXPECT_EQ(value(R"(sluice_table_half_open_entries_limit{worker="1",family="ipv6"})"), 1'000);
    EXPECT_EQ(value("sluice_stat_insert_total"), 300);
    EXPECT_EQ(value(R"(sluice_drops_total{reason="tx-full"})"), 7);
    EXPECT_EQ(value(R"(sluice_drops_total{reason="bad-checksum"})"), 0) << "there before it happens";
    EXPECT_EQ(value(R"(sluice_tolerated_total{reason="after-close"})"), 0);
    EXPECT_EQ(value(R"(sluice_port_receive_bytes_total{port="0",interface="left"})"), 1);
    EXPECT_EQ(value(R"(sluice_port_receive_bytes_total{port="1",interface="right"})"), 5e12);
    EXPECT_EQ(value("sluice_floods_active"), 1);
    EXPECT_EQ(value("sluice_start_time_seconds"), 1'700'000'000);
}

TEST(Metrics, HaveHistogramsWhoseBucketsAddUp) {
    MetricsRig rig;
    const Samples samples = samples_of(rig.page());
    const auto bucket = [&](const std::string& bound) {
        return samples.at("sluice_worker_burst_packets_bucket{worker=\"0\",le=\"" + bound + "\"}");
    };
    EXPECT_EQ(bucket("1"), 1);
    EXPECT_EQ(bucket("2"), 2);
    EXPECT_EQ(bucket("4"), 3);
    EXPECT_EQ(bucket("32"), 4);
    EXPECT_EQ(bucket("64"), 6);
    EXPECT_EQ(bucket("+Inf"), 6);
    EXPECT_EQ(samples.at(R"(sluice_worker_burst_packets_count{worker="0"})"), 6);
    EXPECT_EQ(samples.at(R"(sluice_worker_burst_packets_sum{worker="0"})"), 135);
    EXPECT_EQ(samples.at(R"(sluice_worker_busy_poll_seconds_count{worker="0"})"), 2)
        << "one beyond the last bucket";
    EXPECT_EQ(samples.at(R"(sluice_worker_burst_packets_count{worker="1"})"), 0);
    EXPECT_NEAR(samples.at(R"(sluice_worker_busy_seconds_total{worker="0"})"), 0.5, 1e-5);
    EXPECT_DOUBLE_EQ(samples.at(R"(sluice_worker_seconds_total{worker="0"})"), 2);
}

TEST(Metrics, TellHowLateExpiryIs) {
    MetricsRig rig;
    const auto lag = [&] {
        return samples_of(rig.page()).at(R"(sluice_table_expiry_lag_seconds{worker="0",family="ipv4"})");
    };
    EXPECT_EQ(lag(), 0);
    // A UDP flow is looked at after 30 seconds, however long it lives; and here nobody polls.
    rig.now = rig.now.load() + 40 * ticks_per_second;
    EXPECT_NEAR(lag(), 10, 0.3);
}

TEST(Metrics, AreThereWithoutGuardPortsAndLoops) {
    DaemonRig rig;
    const std::string page = metrics_page(rig.workers, 0);
    EXPECT_NE(page.find("\nsluice_entries 0\n"), std::string::npos);
    EXPECT_EQ(page.find("sluice_floods_active"), std::string::npos);
    EXPECT_EQ(page.find("sluice_port_"), std::string::npos);
    EXPECT_EQ(page.find("sluice_worker_polls_total"), std::string::npos);
}

/// The rows of a table: the name in each row's first cell.
std::vector<std::string> names_in(const std::string& table) {
    std::vector<std::string> out;
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("| `")) out.push_back(line.substr(3, line.find('`', 3) - 3));
    return out;
}

TEST(Metrics, AreAllOnThePageWithTypeAndHelp) {
    MetricsRig rig;
    const std::string page = rig.page();
    const auto names = names_in(metrics_reference());
    EXPECT_GT(names.size(), 50U);
    for (const std::string& name : names) {
        EXPECT_NE(page.find("# HELP " + name + " "), std::string::npos) << name;
        EXPECT_NE(page.find("# TYPE " + name + " "), std::string::npos) << name;
    }
    for (const auto& [name, value] : rig.guard->watch->counters()) {
        (void)value;
        EXPECT_NE(
            page.find("sluice_" + std::string(name == "guard_attacks"           ? "floods_total"
                                              : name == "guard_attacks_running" ? "floods_active"
                                              : name == "guard_defended"        ? "guard_services_defended"
                                              : name == "guard_limited_sources" ? "guard_sources_limited"
                                                                                : name)),
            std::string::npos)
            << name;
    }
}

TEST(Metrics, AreListedInTheDocumentation) {
    std::ifstream file(SLUICE_SOURCE_ROOT "/docs/metrics.md");
    std::stringstream text;
    text << file.rdbuf();
    const std::string reference = metrics_reference();
    EXPECT_NE(text.str().find(reference), std::string::npos) << "docs/metrics.md is to hold this table:\n"
                                                             << reference;
}

/// For promtool, which the test beside this one runs.
TEST(Metrics, CanBePrinted) {
    MetricsRig rig;
    const std::string page = rig.page();
    EXPECT_EQ(page.back(), '\n');
    if (const char* path = std::getenv("SLUICE_PRINT_METRICS")) std::ofstream(path) << page;
}

}  // namespace
}  // namespace sluice::control
