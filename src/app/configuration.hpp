// The configuration: one TOML file, checked whole and taken whole or not at all. What each key is called, may
// be and does is said once, in configuration_keys.cpp; docs/configuration.md and config/sluice.toml are made
// from there.
//
// Everything here belongs to set-up code (any one thread); nothing of it runs on the packet path. No function
// throws, apart from std::bad_alloc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/control/flow_log_options.hpp"
#include "sluice/control/guard_options.hpp"
#include "sluice/dpdk/options.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/policy/rule_set.hpp"
#include "sluice/policy/signature.hpp"

namespace sluice::app {

/// Where defaults come from; any key given replaces its default.
enum class Profile : std::uint8_t {
    appliance,     ///< inline firewall: no mid-stream pick-up, shorter lives
    linux_kernel,  ///< exactly nf_conntrack's defaults
};

/// Who reads the configuration.
enum class Use : std::uint8_t {
    daemon,  ///< profile appliance unless the file says otherwise; needs a pair of ports
    replay,  ///< profile linux unless the file says otherwise; pairs are checked but not needed
};

/// The Unix socket that `sluice` talks to.
struct ControlSocket {
    std::string path = "/run/sluice/sluice.sock";  ///< absolute, at most 107 bytes
    std::uint32_t mode = 0660;                     ///< permission bits
    std::string group;                             ///< of the socket file; empty: the daemon's own
    std::uint32_t event_slots = 32'768;            ///< of each worker, a power of two; 0: no events
    std::uint32_t capture_slots = 1024;            ///< of each worker, a power of two; 0: no captures
};

/// Where flows are kept while no daemon runs (docs/restart.md).
struct StateFile {
    std::string path;                     ///< absolute; empty: they are lost when the daemon stops
    std::uint32_t max_age_seconds = 300;  ///< an older file is refused
    std::uint32_t interval_seconds = 0;   ///< between copies while the daemon runs; 0: none is made
};

/// Totals over workers and address families, as an operator thinks of them.
struct TrackerTotals {
    std::uint32_t flows = 262'144;           ///< nf_conntrack_max
    std::uint32_t ipv6_share = 25;           ///< per cent of `flows` set aside for IPv6
    std::uint32_t half_open_flows = 32'768;  ///< of each family; 0: no budget of their own
};

/// An [[inspection.profile]]: what flows of rules with `action = "inspect NAME"` are read for, and how.
struct InspectionProfile {
    std::string name;
    std::vector<std::string> files;  ///< of its signatures, as they were opened
    bool blocks = false;             ///< signatures may drop and reset
    bool fail_open = true;
    std::uint8_t minimum_ttl = 0;
    std::uint64_t budget = 0;   ///< bytes of each direction; 0: all
    std::uint32_t excerpt = 0;  ///< bytes, at most 256
    std::uint32_t alerts_per_second = 100;
    std::shared_ptr<const policy::SignatureSet> signatures;  ///< of all its files; never null

    /// Whether they find the same, and do the same about it.
    friend bool operator==(const InspectionProfile& a, const InspectionProfile& b);
};

struct InspectionOptions {
    std::string cache_folder = "/var/cache/sluice";
    std::vector<InspectionProfile> profiles;
};

/// Where Prometheus scrapes.
struct MetricsAddress {
    std::string listen;  ///< "127.0.0.1:9477", "[::1]:9477"; empty: nowhere
};

/// Where the web page is.
struct WebAddress {
    std::string listen;            ///< "127.0.0.1:9478", "[::1]:9478"; empty: nowhere
    bool beyond_loopback = false;  ///< whether other machines may be let in by it
};

struct Configuration {
    std::string file;                ///< where it was read from, for messages; empty when there was no file
    std::vector<std::string> given;  ///< names of the keys that were given, by the file or by an override
    Profile profile = Profile::appliance;
    TrackerTotals totals;
    std::vector<std::uint16_t> passed_ether_types;   ///< host order; 0: LLC
    std::vector<std::uint16_t> dropped_ether_types;  ///< the same
    ControlSocket control;
    MetricsAddress metrics;
    WebAddress web;
    StateFile state;
    control::FlowLogOptions flow_log;
    control::IpfixOptions ipfix;
    control::GuardOptions guard;
    dpdk::Options dpdk;
    std::shared_ptr<const policy::RuleSet> rules;  ///< null: none, everything is allowed
    std::vector<unsigned> rule_lines;              ///< of the rules, in the file; 0: on the command line
    InspectionOptions inspection;

    pipeline::Settings settings;  ///< what a reload may replace
    pipeline::Limits limits;      ///< of one worker
};

/// The largest file that is read, bytes.
inline constexpr std::size_t max_configuration_bytes = 8U << 20U;

/// The configuration of a file with no key in it.
[[nodiscard]] Configuration defaults(Profile profile);

/// Reads `path` and applies `overrides` ("KEY=VALUE", in order, the last one wins). The error has a line for
/// each fault: "FILE:LINE:COLUMN: key: what was expected, what was found", or "--set KEY=VALUE: …". Never
/// blocks on what is not a regular file.
[[nodiscard]] Result<Configuration> load(const std::string& path, std::span<const std::string> overrides,
                                         Use use);

/// The same for a text; `name` stands for the file in messages. An empty `name` says that there is no file
/// (`sluice replay` without --config).
[[nodiscard]] Result<Configuration> load_text(std::string_view text, const std::string& name,
                                              std::span<const std::string> overrides, Use use);

/// The names of the keys whose values differ, provided that every one of them may change in a running daemon.
/// Else the error is a sentence that names those that need a restart, and nothing of `wanted` should be
/// applied.
[[nodiscard]] Result<std::vector<std::string>> reloadable_changes(const Configuration& running,
                                                                  const Configuration& wanted);

/// One line for people: "FILE: ok, …" with profile, pairs, workers, sizes and the keys that are not at their
/// default.
[[nodiscard]] std::string describe(const Configuration& configuration);

/// What `sluice check FILE` and `sluiced --config FILE --check` do: prints describe() to standard output and
/// returns 0, or prints every fault to standard error and returns 1.
[[nodiscard]] int check_main(const std::string& path, std::span<const std::string> overrides, Use use);

}  // namespace sluice::app
