// The control thread's half of the guard. Every 100 ms it adds up what the workers counted, has the detector
// judge it, and publishes what is to be done: how far each service is defended on a board that the workers
// read, everything else in a Protection that goes to them with the settings when it has changed.
//
// Pure but for the secrets it draws: time comes with each step, the accounts may be anybody's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/control/cookie_secrets.hpp"
#include "sluice/control/flood_words.hpp"
#include "sluice/control/guard_options.hpp"
#include "sluice/control/guard_services.hpp"
#include "sluice/guard/service_counters.hpp"
#include "sluice/pipeline/protection.hpp"

namespace sluice::control {

/// Used by the control thread alone; outlives the trackers, which read its board.
class GuardWatch {
  public:
    /// One worker's half.
    struct Worker {
        const guard::SynAccounts* accounts = nullptr;
        guard::ServiceCandidates* candidates = nullptr;
    };
    struct Moment {
        guard::Milliseconds now;  ///< monotonic
        Tick tick;                ///< the workers' clock
        std::uint64_t wall;       ///< milliseconds since 1970
    };
    /// A line for the log.
    struct News {
        bool warning;
        std::string text;
    };

    /// `options` are enabled, and sound: the configuration has checked them. Fails when no secret is to be
    /// had.
    [[nodiscard]] static Result<std::unique_ptr<GuardWatch>> create(GuardOptions options, unsigned workers,
                                                                    DrawSecret draw);
    GuardWatch(const GuardWatch&) = delete;
    GuardWatch& operator=(const GuardWatch&) = delete;

    /// As many as create() was told, with accounts of options.numbers() services. Before the first step.
    void watch(std::vector<Worker> workers) { workers_ = std::move(workers); }
    /// About every 100 ms.
    void step(const Moment& at);
    /// Other options, of the same sizes. What was learnt of services that stay is kept, and so are attacks on
    /// them that go on; those on services that went end, and all of a group whose prefix is another.
    void reload(GuardOptions options);

    /// What the workers are to obey. Never null.
    [[nodiscard]] const std::shared_ptr<const pipeline::Protection>& protection() const {
        return protection_;
    }
    /// Whether protection() is another than when this was last asked.
    [[nodiscard]] bool take_change() { return std::exchange(changed_, false); }
    /// What to log since the last call: at most `most_news` lines in a burst, and one a second.
    [[nodiscard]] std::vector<News> take_news() { return std::exchange(news_, {}); }
    static constexpr unsigned most_news = 20;
    /// What happened to floods at the last step: all of it, unlike what is logged.
    [[nodiscard]] const std::vector<FloodChange>& changes() const { return changes_; }

    /// Every attack that is remembered, by id.
    [[nodiscard]] std::vector<Flood> floods() const;
    [[nodiscard]] std::size_t numbers() const { return services_.numbers(); }
    /// Nothing for a number that nobody has.
    [[nodiscard]] std::optional<GuardedRow> service(guard::ServiceNumber number) const;
    /// The services with most attempts to connect, those first; at most `most`.
    [[nodiscard]] std::vector<guard::ServiceNumber> busiest(std::size_t most) const;
    /// For `stats`: sums over services and workers at the last step, and how many attacks there were.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counters() const;

  private:
    /// A service or a group, while something goes on there.
    struct Followed {
        std::uint64_t attack = 0;  ///< its id; 0: none
        guard::Level level = guard::Level::quiet;
        std::uint64_t limited_before = 0;
    };

    GuardWatch(GuardOptions options, unsigned workers, CookieSecrets secrets);

    [[nodiscard]] std::vector<guard::LoudSource> add_up();
    [[nodiscard]] bool learn_and_age(guard::Milliseconds now);
    void use_services();
    [[nodiscard]] guard::Milliseconds sources_cover(Tick now) const;
    void publish_defences();
    [[nodiscard]] bool take_limits();
    [[nodiscard]] bool rotate_secrets(const Moment& at);
    [[nodiscard]] pipeline::ServiceRules share_of(pipeline::ServiceRules rules) const;
    void make_protection();

    void follow_attacks(const Moment& at, const std::vector<guard::LoudSource>& sources);
    void follow(std::size_t row, const guard::Attack* attack, guard::Level level, const Moment& at);
    void begin(std::size_t row, const guard::Attack& attack, const Moment& at);
    void end(std::size_t row, const Moment& at);
    void update_note(std::size_t row);
    void say(const Moment& at, bool warning, std::string text);
    [[nodiscard]] bool is_group(std::size_t row) const { return row >= services_.numbers(); }

    const unsigned worker_count_;
    std::vector<Worker> workers_;
    GuardServices services_;
    guard::Detector detector_;
    guard::DefenceBoard board_;
    std::vector<guard::Defence> published_;
    CookieSecrets secrets_;
    std::vector<guard::ServiceSums> sums_;
    std::vector<guard::SourceLimit> limits_;  ///< over all workers, as they were handed out; by Source::word
    std::vector<std::uint64_t> attacked_steps_;  ///< by number: an attack is a sign of life

    std::shared_ptr<const pipeline::Protection> protection_;
    guard::ServiceMap map_;
    bool changed_ = false;

    std::vector<Followed> followed_;  ///< services, then groups
    std::map<std::uint64_t, FloodNote> notes_;
    std::map<guard::ServiceNumber, std::uint32_t> limited_sources_;  ///< at this step
    std::uint64_t attacks_ = 0, running_ = 0;

    std::vector<FloodChange> changes_;
    std::vector<News> news_;
    guard::Milliseconds news_paid_until_ = 0;
    unsigned news_left_out_ = 0;
};

}  // namespace sluice::control
