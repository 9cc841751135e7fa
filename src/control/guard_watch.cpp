#include "sluice/control/guard_watch.hpp"

#include <algorithm>

#include "sluice/base/words.hpp"
#include "sluice/guard/totals.hpp"

namespace sluice::control {
namespace {

/// A line for the log costs a second; most_news may be taken in advance.
constexpr guard::Milliseconds price_of_news = 1'000;

/// A limit is not handed out again for a change of less than a quarter: what a source completes wavers.
bool nearly(std::uint32_t one, std::uint32_t other) {
    const std::uint32_t apart = one > other ? one - other : other - one;
    return apart <= other / 4;
}

bool by_source(const guard::SourceLimit& one, const guard::SourceLimit& other) {
    return one.source.word < other.source.word;
}

}  // namespace

Result<std::unique_ptr<GuardWatch>> GuardWatch::create(GuardOptions options, unsigned workers,
                                                       DrawSecret draw) {
    auto secrets = CookieSecrets::draw(std::move(draw));
    if (!secrets) return Error{secrets.error()};
    return std::unique_ptr<GuardWatch>(new GuardWatch(std::move(options), workers, std::move(*secrets)));
}

GuardWatch::GuardWatch(GuardOptions options, unsigned workers, CookieSecrets secrets)
    : worker_count_(workers),
      services_(std::move(options)),
      detector_(services_.make_detector()),
      board_(services_.numbers()),
      published_(services_.numbers()),
      secrets_(std::move(secrets)),
      sums_(services_.numbers()),
      attacked_steps_(services_.numbers()),
      followed_(services_.numbers() + services_.groups()) {
    use_services();
    publish_defences();
    make_protection();
}

void GuardWatch::reload(GuardOptions options) {
    services_.configure(std::move(options));
    use_services();
    publish_defences();
    make_protection();
}

void GuardWatch::step(const Moment& at) {
    changes_.clear();
    const std::vector<guard::LoudSource> sources = add_up();
    bool change = learn_and_age(at.now);
    if (change) use_services();
    detector_.step({at.now, sums_, sources, sources_cover(at.tick)});
    publish_defences();
    change |= take_limits();
    change |= rotate_secrets(at);
    if (change) make_protection();
    follow_attacks(at, sources);
}

// ---- What is known

std::vector<guard::LoudSource> GuardWatch::add_up() {
    std::vector<std::span<const guard::ServiceCounters>> counters;
    std::vector<const guard::SourceSketch*> sketches;
    for (const Worker& worker : workers_) {
        counters.push_back(worker.accounts->services());
        sketches.push_back(&worker.accounts->sources());
    }
    sums_ = guard::sum_services(counters);
    return guard::merge_sources(sketches);
}

/// How far back the counts of the worker that began its windows first reach. A worker may have begun one
/// since `now` was read.
guard::Milliseconds GuardWatch::sources_cover(Tick now) const {
    Tick covered = 0;
    for (const Worker& worker : workers_) {
        const Tick reach = worker.accounts->sources().covers(now);
        if (static_cast<std::int32_t>(reach) > 0) covered = std::max(covered, reach);
    }
    return covered;
}

bool GuardWatch::learn_and_age(guard::Milliseconds now) {
    bool change = false;
    for (const Worker& worker : workers_)
        while (const auto endpoint = worker.candidates->take()) change |= services_.learn(*endpoint, now);
    // A flood may leave no handshake complete for longer than a service is remembered without.
    std::vector<std::uint64_t> signs_of_life(sums_.size());
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        if (followed_[i].attack != 0) ++attacked_steps_[i];
        signs_of_life[i] = sums_[i].completed + attacked_steps_[i];
    }
    return services_.age(signs_of_life, now) || change;
}

// ---- What is to be done

void GuardWatch::use_services() {
    services_.instruct(detector_);
    // It fails for what the configuration refuses; then what was known stays.
    if (auto map = services_.map()) map_ = std::move(*map);
}

void GuardWatch::publish_defences() {
    for (std::size_t i = 0; i < published_.size(); ++i) {
        const auto number = static_cast<guard::ServiceNumber>(i);
        const guard::Defence defence = detector_.defence(number);
        if (defence == published_[i]) continue;
        published_[i] = defence;
        board_.publish(number, defence);
    }
}

/// Whether the limits of sources differ from those that were handed out.
bool GuardWatch::take_limits() {
    const auto decided = detector_.source_limits();
    std::vector<guard::SourceLimit> limits(decided.begin(), decided.end());
    std::sort(limits.begin(), limits.end(), by_source);
    const bool same = std::equal(limits.begin(), limits.end(), limits_.begin(), limits_.end(),
                                 [](const guard::SourceLimit& fresh, const guard::SourceLimit& known) {
                                     return fresh.source == known.source && nearly(fresh.rate, known.rate);
                                 });
    if (!same) limits_ = std::move(limits);
    return !same;
}

bool GuardWatch::rotate_secrets(const Moment& at) {
    const CookieSecrets::Change change = secrets_.rotate(at.tick);
    if (change == CookieSecrets::Change::failed)
        say(at, true, "the kernel gives no random bytes for a new secret of SYN cookies: the old one stays");
    return change == CookieSecrets::Change::done;
}

/// A worker's part.
pipeline::ServiceRules GuardWatch::share_of(pipeline::ServiceRules rules) const {
    const auto share = [&](std::uint32_t rate) {
        return rate == 0 ? 0U : std::max(rate / worker_count_, 1U);
    };
    rules.syn_rate = share(rules.syn_rate);
    rules.source_rate = share(rules.source_rate);
    return rules;
}

void GuardWatch::make_protection() {
    auto made = std::make_shared<pipeline::Protection>();
    made->services = map_;
    made->board = &board_;
    made->workers = worker_count_;
    made->cookie_secrets = secrets_.secrets();
    made->rules.resize(services_.numbers());
    for (std::size_t number = 0; number < services_.numbers(); ++number)
        if (const auto* entry = services_.find(static_cast<guard::ServiceNumber>(number)))
            made->rules[number] = share_of(entry->rules);
    // The configuration has checked that they can be built.
    if (auto sources = services_.options().sources()) made->sources = std::move(*sources);
    for (const guard::SourceLimit& limit : limits_)
        made->source_limits.push_back({limit.source, std::max(limit.rate / worker_count_, 1U)});
    protection_ = std::move(made);
    changed_ = true;
}

// ---- What is said

void GuardWatch::follow_attacks(const Moment& at, const std::vector<guard::LoudSource>& sources) {
    limited_sources_.clear();
    for (const guard::LoudSource& loud : sources)
        if (std::binary_search(limits_.begin(), limits_.end(), guard::SourceLimit{loud.source, 0}, by_source))
            ++limited_sources_[loud.service];
    running_ = 0;
    for (std::size_t row = 0; row < services_.numbers(); ++row) {
        const auto number = static_cast<guard::ServiceNumber>(row);
        follow(row, detector_.running(number), detector_.level(number), at);
    }
    for (std::size_t group = 0; group < services_.groups(); ++group) {
        const auto index = static_cast<std::uint16_t>(group);
        follow(services_.numbers() + group, detector_.running_of_group(index), detector_.group_level(index),
               at);
    }
}

void GuardWatch::follow(std::size_t row, const guard::Attack* attack, guard::Level level, const Moment& at) {
    Followed& followed = followed_[row];
    const std::uint64_t id = attack != nullptr ? attack->id : 0;
    if (followed.attack != 0 && followed.attack != id) end(row, at);
    if (id == 0) return;
    ++running_;
    if (followed.attack == 0) begin(row, *attack, at);
    update_note(row);
    const guard::Level before = std::exchange(followed.level, level);
    if (level == before) return;
    const Flood flood{*attack, notes_[id], level};
    const bool begins = before == guard::Level::quiet;
    changes_.push_back(
        {begins ? FloodChange::Phase::begun : FloodChange::Phase::changed, flood, before, at.wall});
    say(at, level > before, begins ? begin_line(flood) : level_line(flood, before));
}

void GuardWatch::begin(std::size_t row, const guard::Attack& attack, const Moment& at) {
    Followed& followed = followed_[row];
    followed.attack = attack.id;
    followed.level = guard::Level::quiet;
    ++attacks_;
    FloodNote& note = notes_[attack.id];
    note.wall_offset = at.wall - at.now;
    if (is_group(row)) {
        note.service = services_.text_of_group(static_cast<std::uint16_t>(row - services_.numbers()));
        return;
    }
    const auto number = static_cast<guard::ServiceNumber>(row);
    note.service = services_.text_of(number);
    if (const auto* entry = services_.find(number)) note.name = entry->name;
    followed.limited_before = sums_[number].limited;
}

void GuardWatch::end(std::size_t row, const Moment& at) {
    const std::uint64_t id = std::exchange(followed_[row].attack, 0);
    const guard::Level before = std::exchange(followed_[row].level, guard::Level::quiet);
    const std::vector<guard::Attack> remembered = detector_.attacks();
    for (const guard::Attack& attack : remembered)
        if (attack.id == id) {
            const Flood flood{attack, notes_[id], guard::Level::quiet};
            changes_.push_back({FloodChange::Phase::ended, flood, before, at.wall});
            say(at, false, end_line(flood));
        }
    // Notes of attacks that the detector has let go.
    std::erase_if(notes_, [&](const auto& note) {
        return std::none_of(remembered.begin(), remembered.end(),
                            [&](const guard::Attack& attack) { return attack.id == note.first; });
    });
}

/// What is done at this step for a service, or for the members of a group.
void GuardWatch::update_note(std::size_t row) {
    FloodNote& note = notes_[followed_[row].attack];
    const auto add = [&](guard::ServiceNumber number) {
        if (const auto* entry = services_.find(number)) note.mode = std::max(note.mode, entry->policy.mode);
        note.done = std::max(note.done, published_[number].level);
        note.syn_limit = std::max(note.syn_limit, published_[number].syn_limit);
        const auto limited = limited_sources_.find(number);
        return limited != limited_sources_.end() ? limited->second : 0U;
    };
    note.mode = guard::Mode::off;
    std::uint32_t limited = 0;
    if (is_group(row)) {
        for (std::size_t i = 0; i < services_.numbers(); ++i) {
            const auto number = static_cast<guard::ServiceNumber>(i);
            if (services_.group_of(number) == row - services_.numbers()) limited += add(number);
        }
    } else {
        const auto number = static_cast<guard::ServiceNumber>(row);
        limited = add(number);
        note.limited_syns = sums_[number].limited - followed_[row].limited_before;
    }
    note.limited_sources = std::max(note.limited_sources, limited);
}

void GuardWatch::say(const Moment& at, bool warning, std::string text) {
    const guard::Milliseconds paid = std::max(news_paid_until_, at.now) + price_of_news;
    if (paid > at.now + most_news * price_of_news) {
        ++news_left_out_;
        return;
    }
    news_paid_until_ = paid;
    if (news_left_out_ != 0) text += joined(" (", counted(news_left_out_, "line"), " left out before this)");
    news_left_out_ = 0;
    news_.push_back({warning, std::move(text)});
}

// ---- What is shown

std::vector<Flood> GuardWatch::floods() const {
    std::vector<Flood> out;
    for (guard::Attack& attack : detector_.attacks()) {
        const auto note = notes_.find(attack.id);
        if (note == notes_.end()) continue;  // of a step that has not been followed yet
        guard::Level level = guard::Level::quiet;
        if (attack.end == 0)
            level = attack.of_group ? detector_.group_level(attack.service) : detector_.level(attack.service);
        out.push_back({std::move(attack), note->second, level});
    }
    std::sort(out.begin(), out.end(),
              [](const Flood& one, const Flood& other) { return one.attack.id < other.attack.id; });
    return out;
}

std::optional<GuardedRow> GuardWatch::service(guard::ServiceNumber number) const {
    const auto* entry = services_.find(number);
    if (entry == nullptr) return std::nullopt;
    const std::uint16_t group = services_.group_of(number);
    return GuardedRow{number,
                      services_.text_of(number),
                      entry->name,
                      group == guard::Detector::no_group ? "" : services_.text_of_group(group),
                      entry->learnt,
                      entry->policy.mode,
                      detector_.level(number),
                      published_[number],
                      sums_[number].half_open,
                      detector_.standing(number)};
}

std::vector<guard::ServiceNumber> GuardWatch::busiest(std::size_t most) const {
    std::vector<std::pair<double, guard::ServiceNumber>> known;
    for (std::size_t i = 0; i < services_.numbers(); ++i) {
        const auto number = static_cast<guard::ServiceNumber>(i);
        if (services_.find(number) != nullptr) known.emplace_back(-detector_.standing(number).syns, number);
    }
    const std::size_t count = std::min(most, known.size());
    std::partial_sort(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(count), known.end());
    std::vector<guard::ServiceNumber> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(known[i].second);
    return out;
}

std::vector<std::pair<std::string, std::uint64_t>> GuardWatch::counters() const {
    guard::ServiceSums all;
    std::uint64_t known = 0, defended = 0;
    for (std::size_t i = 0; i < sums_.size(); ++i) {
        const guard::ServiceSums& one = sums_[i];
        all.syns += one.syns;
        all.answered += one.answered;
        all.completed += one.completed;
        all.refused += one.refused;
        all.reset += one.reset;
        all.limited += one.limited;
        all.half_open += one.half_open;
        if (i != 0 && services_.find(static_cast<guard::ServiceNumber>(i)) != nullptr) ++known;
        if (published_[i].level >= guard::Level::defend) ++defended;
    }
    return {{"guard_syns", all.syns},           {"guard_answered", all.answered},
            {"guard_completed", all.completed}, {"guard_refused", all.refused},
            {"guard_reset", all.reset},         {"guard_limited", all.limited},
            {"guard_half_open", all.half_open}, {"guard_services", known},
            {"guard_defended", defended},       {"guard_limited_sources", limits_.size()},
            {"guard_attacks", attacks_},        {"guard_attacks_running", running_}};
}

}  // namespace sluice::control
