// The command line of line_rate.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace sluice::bench {

enum class Profile : std::uint8_t { established, setup, synflood, imix, all };

enum class FloodKind : std::uint8_t { syn, ack, syn_ack, rst, fin };
/// Addresses and ports: drawn or counted up, from a whole network or from a handful of hosts.
enum class FloodSources : std::uint8_t { random, sequential, few };
struct FloodPlan {
    FloodKind kind = FloodKind::syn;
    FloodSources sources = FloodSources::random;
    bool ipv6 = false;
    bool linux_options = false;  ///< on SYNs as Linux has them, on all else timestamps
};
enum class Defence : std::uint8_t { off, cookies };

struct Arguments {
    Profile profile = Profile::established;
    std::uint32_t flows = 100'000;  ///< open connections; of profile setup: conversations under way at a time
    unsigned workers = 1;
    unsigned generators = 0;    ///< 0: chosen
    double seconds = 5;         ///< of each measurement
    unsigned frame_bytes = 64;  ///< FCS included, as RFC 2544 counts
    unsigned ring_slots = 1024;
    std::uint32_t table = 0;  ///< records of each worker's table; 0: by the profile
    bool accounting = false;
    double rate = 0;  ///< packets a second offered; 0: by the profile
    FloodPlan flood;  ///< of profile synflood, as the next
    Defence defence = Defence::off;
    bool search = false;
    bool in_turns = false;  ///< generator and worker on one thread
    std::vector<std::string> sizes{"64",   "128",  "256",  "512",
                                   "1024", "1280", "1518", "imix"};  ///< of the search
    double trial_seconds = 1;
    double loss_tolerance = 0;  ///< of all packets, where the search still says "no loss"
    bool json = false;
    std::string html;
    std::vector<std::string> ports;  ///< two, or none: rings
    std::vector<std::string> eal_arguments;

    [[nodiscard]] bool defended() const { return profile == Profile::synflood && defence != Defence::off; }
    [[nodiscard]] bool over_rings() const { return ports.empty(); }
    [[nodiscard]] unsigned box_workers() const { return over_rings() ? workers : 0; }
    /// Those that have a core of their own.
    [[nodiscard]] unsigned worker_cores() const { return in_turns ? 0 : box_workers(); }
};

[[nodiscard]] const char* name_of(Profile profile);
[[nodiscard]] const char* name_of(FloodKind kind);
[[nodiscard]] const char* name_of(FloodSources sources);

/// What to do, or the status to end with: help was asked for, or a complaint has been printed.
[[nodiscard]] std::variant<Arguments, int> parse_arguments(int argc, char** argv);

}  // namespace sluice::bench
