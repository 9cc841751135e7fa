// Whether a service is being flooded with SYNs: the control thread's half.
//
// Every 100 ms the control thread adds up what the workers counted and calls step(). For each service, and
// for each group of neighbouring services, it looks at
//
//     the unfinished rate   SYNs a second that were not completed
//     the waiting flows     half-open flows that have had time enough
//
// against three thresholds: alarm, activate, maximum. A flash crowd is many SYNs that are completed, so it is
// neither. The rest of this page is what makes that true.
//
// Grace. A handshake takes a round trip. So SYNs count 150 ms late:
//
//     unfinished = SYNs in the second that ended 150 ms ago - handshakes completed in the last second
//
// In steady traffic that is exact however long the round trip is. When traffic rises, at most
// rise x (round trip - 150 ms) handshakes are under way and look unfinished: a crowd that starts at once with
// r connections a second stays below an alarm of a when its round trips are below 150 ms + a / r seconds. The
// price: a flood of F SYNs a second is alarmed at the first step that is 150 ms + a / F seconds behind its
// first packet, so within 300 ms where F is 20 times the alarm, and defended within 400 ms where F is 20
// times the alarm and activate is twice that.
//
// Baseline. What a busy service leaves unfinished day by day is no alarm. While a service is quiet, mean and
// mean deviation of its rates are learnt (exponentially, over ten minutes), and alarm and activate
// rise with `baseline_multiple` x mean + 4 x deviation, never below what was configured (so that a tiny
// service does not alarm at 3 SYN/s). Somebody may try to teach it by a slow ramp: so nothing is learnt while
// more SYNs are left unfinished than are completed, and no threshold rises above `baseline_ceiling` times
// what was configured.
//
// A server that is down leaves SYNs unfinished as a flood does. It is told apart: at least half of the
// unfinished SYNs got no SYN-ACK (or a RST) from the server, and there are no more of all SYNs than three
// times the usual. Then the kind is `unanswered` and the level goes no further than alarm, unless the
// service's policy says otherwise. A flood that fills a server's backlog looks silent too, but has more SYNs
// than that; one that has not is reported and not defended. With nothing learnt yet it is taken for a flood:
// cookies do a dead server no harm.
//
// Leaving. A level is held until the numbers have been below `leave_share` of its threshold for `stay`;
// pauses shorter than that do not end an attack, so a pulsing flood is one attack and stays defended.
//
// Groups. A flood over many addresses, to each a little, is below every threshold (carpet bombing). So the
// services of a group (a prefix) are added up, except those that have an attack of their own, and judged the
// same way; a group's level is that of all its members.
//
// Pure: the same calls give the same answers. One thread. Memory is taken when services are set up; step()
// allocates only for the sentences of attacks that begin, change or end, and a few bytes for the limits.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sluice/guard/attack.hpp"
#include "sluice/guard/source_sketch.hpp"

namespace sluice::guard {

/// SYNs a second that were not completed; half-open flows that wait. Either exceeded is enough.
struct Threshold {
    std::uint32_t rate;
    std::uint32_t half_open;

    friend bool operator==(const Threshold&, const Threshold&) = default;
};

struct Policy {
    Mode mode = Mode::automatic;
    Threshold alarm{1'000, 4'000};
    Threshold activate{2'000, 8'000};
    Threshold maximum{500'000, 200'000};
    double baseline_multiple = 4;  ///< 0: the thresholds as they stand, whatever is usual
    double baseline_ceiling = 4;   ///< how often the configured threshold a learnt one may be
    double leave_share = 0.5;
    Milliseconds stay = 10'000;
    bool defend_unanswered = false;
    /// Unfinished SYNs a second from which a source is limited while the service is defended, to twice what
    /// it completes and at least source_floor SYNs a second.
    std::uint32_t source_alarm = 100;
    std::uint32_t source_floor = 10;

    friend bool operator==(const Policy&, const Policy&) = default;
};

/// What all workers counted of a service since they started; see ServiceCounters.
struct ServiceSums {
    std::uint64_t syns = 0;
    std::uint64_t answered = 0;
    std::uint64_t completed = 0;
    std::uint64_t refused = 0;
    std::uint64_t reset = 0;
    std::uint64_t limited = 0;
    std::uint64_t half_open = 0;         ///< now
    std::uint32_t distinct_sources = 0;  ///< in the present window of a second
};

/// All that is known at a step.
struct Observation {
    Milliseconds now;
    std::span<const ServiceSums> services;  ///< by number, as many as there are policies
    std::span<const LoudSource> sources;    ///< each source once
    Milliseconds sources_cover;             ///< how far back their counts reach
};

/// A service at the last step, for people. Rates a second.
struct Standing {
    double syns = 0;
    double completed = 0;
    double unfinished = 0;
    double waiting = 0;  ///< half-open flows that have had time enough
    double distinct = 0;
    bool usual_known = false;
    double usual_syns = 0, usual_unfinished = 0;  ///< when known
    std::array<Threshold, 3> thresholds{};        ///< alarm, activate, maximum, as they stand now
};

/// No more than so many SYNs a second of this source, over all workers.
struct SourceLimit {
    Source source;
    std::uint32_t rate;
};

/// What is done for a service.
struct Defence {
    Level level = Level::quiet;
    std::uint32_t syn_limit = 0;  ///< SYNs a second over all workers; 0: none

    friend bool operator==(const Defence&, const Defence&) = default;
};

/// Where decisions are published: each one word, by one release store. The control thread writes, any worker
/// reads, at the cost of a load from a line that seldom changes.
class DefenceBoard {
  public:
    explicit DefenceBoard(std::size_t services) : words_(services) {}

    void publish(ServiceNumber service, Defence defence) {
        words_[service].store(
            static_cast<std::uint64_t>(defence.level) | std::uint64_t{defence.syn_limit} << 8,
            std::memory_order_release);
    }
    [[nodiscard]] Defence read(ServiceNumber service) const {
        const std::uint64_t word = words_[service].load(std::memory_order_acquire);
        return {static_cast<Level>(word & 0xFF), static_cast<std::uint32_t>(word >> 8)};
    }

  private:
    std::vector<std::atomic<std::uint64_t>> words_;
};

class Detector {
  public:
    static constexpr Milliseconds grace = 150;
    static constexpr Milliseconds window = 1'000;
    static constexpr unsigned most_attacks = 256;  ///< that are remembered when over
    static constexpr unsigned most_limits = 256;
    static constexpr std::uint16_t no_group = 0xFFFF;
    /// Steps of quiet after which the usual rates are known.
    static constexpr std::uint32_t enough_to_know = 300;
    /// Up to this often the usual rate of SYNs, a silent server explains what is unfinished.
    static constexpr double usual_multiple = 3;
    /// From so many SYNs a source, its address is hardly spoofed.
    static constexpr double syns_of_a_real_source = 3;

    struct ServiceSetup {
        Policy policy;
        std::uint16_t group = no_group;  ///< an index into the groups
    };
    Detector(std::span<const ServiceSetup> services, std::span<const Policy> groups);

    /// About every 100 ms; at most 10 s apart, or the pause is taken for quiet.
    void step(const Observation& seen);

    /// A service's number goes to another service: nothing that was learnt holds.
    void forget(ServiceNumber service) { forget_row(rows_[service]); }
    /// What was learnt stays, and so does an attack that goes on (mode off ends it at the next step).
    void set_policy(ServiceNumber service, const Policy& policy) { rows_[service].policy = policy; }
    void set_group(ServiceNumber service, std::uint16_t group) { rows_[service].group = group; }
    /// The same of a group, whose number goes to another prefix.
    void forget_group(std::uint16_t group) { forget_row(rows_[services_ + group]); }
    void set_group_policy(std::uint16_t group, const Policy& policy) {
        rows_[services_ + group].policy = policy;
    }

    /// What is to be done for a service: its own level or its group's, as far as its mode allows.
    [[nodiscard]] Defence defence(ServiceNumber service) const;
    /// What the numbers call for.
    [[nodiscard]] Level level(ServiceNumber service) const { return rows_[service].level; }
    [[nodiscard]] Level group_level(std::uint16_t group) const { return rows_[services_ + group].level; }
    [[nodiscard]] std::span<const SourceLimit> source_limits() const { return limits_; }
    [[nodiscard]] Standing standing(ServiceNumber service) const;

    /// The attack that goes on, or null; until the next step.
    [[nodiscard]] const Attack* running(ServiceNumber service) const { return open_attack(rows_[service]); }
    [[nodiscard]] const Attack* running_of_group(std::uint16_t group) const {
        return open_attack(rows_[services_ + group]);
    }

    /// Attacks that go on, then those that are over, oldest first. Off the step: it copies.
    [[nodiscard]] std::vector<Attack> attacks() const;

  private:
    static constexpr unsigned depth = 32;  ///< steps remembered: three seconds

    /// Mean and mean deviation of a rate while all was quiet.
    struct Usual {
        double mean = 0;
        double deviation = 0;
        void learn(double value, double weight);
    };
    /// A service or a group at one step.
    struct Measures {
        double unfinished = 0;   ///< SYNs a second
        double waiting = 0;      ///< flows
        double turned_away = 0;  ///< SYNs a second that the server left alone or refused
        double reset = 0;        ///< a second
        double syns = 0;         ///< a second
        double completed = 0;    ///< a second
        double distinct = 0;
        double over_cover = 0;  ///< unfinished SYNs over the time that the sources' counts cover
        double new_syns = 0;    ///< since the last step
        double new_completed = 0;
        void add(const Measures& other);
    };
    struct Row {
        Policy policy;
        std::uint16_t group = no_group;
        Level level = Level::quiet;
        bool fresh = true;         ///< nothing seen yet
        bool disowned = false;     ///< most unfinished SYNs ended in a RST of their source
        Milliseconds needed = 0;   ///< when its level was last called for
        std::uint32_t learnt = 0;  ///< steps
        Usual usual_unfinished, usual_waiting, usual_syns;
        Measures now;
        std::optional<Attack> attack;
        std::array<ServiceSums, depth> history;
    };
    /// A moment between two steps.
    struct Moment {
        unsigned older = 0, newer = 0;
        double share = 0;  ///< of the newer
    };
    struct Moments {
        Moment now, graced, window_ago, graced_window_ago, covered, last;
    };
    struct Limited {
        SourceLimit limit;
        Milliseconds needed;
        ServiceNumber service;
    };
    using Thresholds = std::array<Threshold, 3>;

    [[nodiscard]] static const Attack* open_attack(const Row& row) {
        return row.attack ? &*row.attack : nullptr;
    }
    void forget_row(Row& row);
    [[nodiscard]] Moment moment(Milliseconds when) const;
    [[nodiscard]] Measures measure(const Row& row, const Moments& at) const;
    [[nodiscard]] Thresholds thresholds_of(const Row& row) const;
    [[nodiscard]] bool server_is_silent(const Row& row) const;
    void judge(Row& row, const Observation& seen);
    void learn(Row& row, const Thresholds& thresholds);
    void describe(Row& row, const Observation& seen, const Thresholds& thresholds, bool silent, bool anew);
    void open(Row& row, Milliseconds now);
    void close(Row& row);
    void limit_sources(const Observation& seen);
    [[nodiscard]] bool covers(const Row& row, ServiceNumber service) const;
    [[nodiscard]] Level effective(const Row& row) const;

    std::size_t services_;
    std::vector<Row> rows_;  ///< services, then groups
    std::array<Milliseconds, depth> times_{};
    std::uint64_t steps_ = 0;
    std::uint64_t next_id_ = 1;
    std::vector<Attack> over_;  ///< a ring
    std::uint64_t over_count_ = 0;
    std::vector<Limited> limited_;
    std::vector<SourceLimit> limits_;
};

}  // namespace sluice::guard
