// A small world that sends SYNs: streams of honest clients, servers and floods, drawn from a seeded generator
// and counted by two workers as the pipeline counts, with a detector that steps every 100 ms.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/guard/detector.hpp"
#include "sluice/guard/service_counters.hpp"

namespace sluice::guard::test {

/// splitmix64: the same numbers in every run.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E37'79B9'7F4A'7C15;
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }
    double share() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  private:
    std::uint64_t state_;
};

enum class From : std::uint8_t {
    pool,         ///< `sources` IPv4 addresses, each as likely
    random_ipv4,  ///< any
    sequential,   ///< one after the other
    one_64,       ///< random addresses of one IPv6 /64
    many_64s,     ///< random IPv6 /64s
};

enum class Fate : std::uint8_t {
    completes,        ///< answered, and completed after a round trip
    never_completes,  ///< answered; nothing comes back
    disowned,         ///< answered; the address's owner sends a RST
    refused,          ///< the server sends a RST
    silence,          ///< the server sends nothing
};

/// A stream of connection attempts. Times in milliseconds, rates in SYNs a second.
struct Stream {
    double rate = 0;
    double rate_at_end = -1;  ///< changes evenly to this; -1: stays
    From from = From::pool;
    unsigned sources = 500;
    int addresses = -1;  ///< From::pool: those of this stream; -1: its own
    Fate fate = Fate::completes;
    unsigned start = 0;
    unsigned stop = 1'000'000;
    unsigned on = 0, off = 0;  ///< pulses, when not 0
    unsigned round_trip_least = 10, round_trip_most = 120;
    double lost = 0;                          ///< share of handshakes that need a second more
    ServiceNumber service = 1, services = 1;  ///< spread over as many, from this one on
};

struct Expected {
    ServiceNumber service = 1;
    bool group = false;
    Kind kind = Kind::spoofed;
    Level level = Level::defend;  ///< the highest reached
};

/// A flood or an honest burst, and which attacks are to be recorded of it.
struct Scenario {
    std::string name{};
    std::vector<Stream> streams{};
    std::vector<Expected> attacks{};
    unsigned duration = 8'000;
    unsigned flood_start = 2'000;  ///< the first packet
    Milliseconds alarm_within = 300;
    Milliseconds defend_within = 500;  ///< 0: it never comes to that
    ServiceNumber services = 4;        ///< numbers 0 to services - 1
    bool grouped = false;              ///< all but number 0 are one group
    unsigned half_open_timeout = 60'000;
    std::uint64_t seed = 1;
};

struct Outcome {
    std::vector<Attack> attacks;
    Milliseconds first_alarm = 0;  ///< after flood_start; 0: never
    Milliseconds first_defence = 0;
    std::vector<std::string> story;
    std::vector<SourceLimit> limits;  ///< all that were ever decided, the last rate of each
};

[[nodiscard]] Outcome play(const Scenario& scenario);

}  // namespace sluice::guard::test
