#include "sluice/guard/detector.hpp"

#include <algorithm>
#include <cmath>

#include "sluice/base/words.hpp"

namespace sluice::guard {
namespace {

constexpr double longest_memory = 6'000;  ///< steps that what is usual is averaged over: ten minutes
constexpr double deviations = 4;

double positive(double value) {
    return std::max(value, 0.0);
}
std::uint32_t whole(double value) {
    return static_cast<std::uint32_t>(std::min(value + 0.5, 4e9));
}
std::string number(double value) {
    return grouped(static_cast<std::uint64_t>(std::llround(value)));
}

Level level_reached(double unfinished, double waiting, const std::array<Threshold, 3>& thresholds,
                    double share) {
    unsigned level = 0;
    for (unsigned i = 0; i < thresholds.size(); ++i)
        if (unfinished >= thresholds[i].rate * share || waiting >= thresholds[i].half_open * share)
            level = i + 1;
    return static_cast<Level>(level);
}

/// Of a threshold as configured, what it is with what has been learnt. Activate keeps its distance from
/// alarm.
std::uint32_t raised(std::uint32_t configured, std::uint32_t alarm, double usual, double ceiling) {
    const double learnt = usual * configured / std::max(alarm, 1U);
    return whole(std::clamp(learnt, 1.0 * configured, std::max(ceiling, 1.0) * configured));
}

}  // namespace

void Detector::Usual::learn(double value, double weight) {
    deviation += weight * (std::abs(value - mean) - deviation);
    mean += weight * (value - mean);
}

void Detector::Measures::add(const Measures& other) {
    unfinished += other.unfinished;
    waiting += other.waiting;
    turned_away += other.turned_away;
    reset += other.reset;
    syns += other.syns;
    completed += other.completed;
    distinct += other.distinct;  // a source may send to several: an upper bound
    over_cover += other.over_cover;
    new_syns += other.new_syns;
    new_completed += other.new_completed;
}

Detector::Detector(std::span<const ServiceSetup> services, std::span<const Policy> groups)
    : services_(services.size()), rows_(services.size() + groups.size()) {
    for (std::size_t i = 0; i < services.size(); ++i) {
        rows_[i].policy = services[i].policy;
        rows_[i].group = services[i].group;
    }
    for (std::size_t i = 0; i < groups.size(); ++i) rows_[services_ + i].policy = groups[i];
    over_.reserve(most_attacks);
    limited_.reserve(most_limits);
    limits_.reserve(most_limits);
}

/// The two steps around a moment, and how near it is to the newer. Before the oldest: the oldest.
Detector::Moment Detector::moment(Milliseconds when) const {
    const std::uint64_t last = steps_ - 1;
    const std::uint64_t oldest = steps_ > depth ? steps_ - depth : 0;
    std::uint64_t newer = last;
    while (newer > oldest && times_[(newer - 1) % depth] > when) --newer;
    const auto place = [](std::uint64_t step) { return static_cast<unsigned>(step % depth); };
    if (newer == oldest || times_[newer % depth] <= when) return {place(newer), place(newer), 1};
    const Milliseconds from = times_[(newer - 1) % depth];
    const Milliseconds to = times_[newer % depth];
    return {place(newer - 1), place(newer),
            static_cast<double>(when - from) / static_cast<double>(to - from)};
}

Detector::Measures Detector::measure(const Row& row, const Moments& at) const {
    const auto& history = row.history;
    const auto value = [&](std::uint64_t ServiceSums::*what, const Moment& moment) {
        const auto older = static_cast<double>(history[moment.older].*what);
        const auto newer = static_cast<double>(history[moment.newer].*what);
        return older + (newer - older) * moment.share;
    };
    // Over a whole second, even when less than one is known.
    const auto rate = [&](std::uint64_t ServiceSums::*what) {
        return positive(value(what, at.now) - value(what, at.window_ago)) * 1000 / window;
    };
    const double judged =
        positive(value(&ServiceSums::syns, at.graced) - value(&ServiceSums::syns, at.graced_window_ago)) *
        1000 / window;
    const double under_way =
        positive(value(&ServiceSums::syns, at.now) - value(&ServiceSums::syns, at.graced));

    Measures out;
    out.completed = rate(&ServiceSums::completed);
    out.unfinished = positive(judged - out.completed);
    out.waiting = positive(value(&ServiceSums::half_open, at.now) - under_way);
    out.turned_away = positive(judged - rate(&ServiceSums::answered) - rate(&ServiceSums::limited));
    out.new_syns = value(&ServiceSums::syns, at.now) - value(&ServiceSums::syns, at.last);
    out.new_completed = value(&ServiceSums::completed, at.now) - value(&ServiceSums::completed, at.last);
    out.reset = rate(&ServiceSums::reset);
    out.syns = rate(&ServiceSums::syns);
    out.over_cover =
        positive(value(&ServiceSums::syns, at.now) - value(&ServiceSums::syns, at.covered) -
                 (value(&ServiceSums::completed, at.now) - value(&ServiceSums::completed, at.covered)));
    // The present window may have just begun: the fullest of the last second.
    for (std::uint64_t back = 0; back < std::min<std::uint64_t>(steps_, 10); ++back)
        out.distinct = std::max<double>(out.distinct, history[(steps_ - 1 - back) % depth].distinct_sources);
    return out;
}

Detector::Thresholds Detector::thresholds_of(const Row& row) const {
    const Policy& policy = row.policy;
    Thresholds out{policy.alarm, policy.activate, policy.maximum};
    if (policy.baseline_multiple <= 0 || row.learnt < enough_to_know) return out;
    const auto usual = [&](const Usual& rate) {
        return policy.baseline_multiple * rate.mean + deviations * rate.deviation;
    };
    for (Threshold* threshold : {&out[0], &out[1]}) {
        threshold->rate =
            raised(threshold->rate, policy.alarm.rate, usual(row.usual_unfinished), policy.baseline_ceiling);
        threshold->half_open = raised(threshold->half_open, policy.alarm.half_open, usual(row.usual_waiting),
                                      policy.baseline_ceiling);
    }
    return out;
}

/// Whether what is unfinished is explained by a server that does not answer. Only seen while the server is
/// asked: once the box answers in its stead, what was decided stays.
bool Detector::server_is_silent(const Row& row) const {
    if (row.level >= Level::defend) return row.attack.has_value() && row.attack->kind == Kind::unanswered;
    return row.learnt >= enough_to_know && row.now.turned_away * 2 >= row.now.unfinished &&
           row.now.syns <= usual_multiple * row.usual_syns.mean;
}

void Detector::step(const Observation& seen) {
    const auto place = static_cast<unsigned>(steps_ % depth);
    times_[place] = seen.now;
    ++steps_;
    const unsigned last = steps_ == 1 ? place : (place + depth - 1) % depth;
    const Moment previous{last, last, 1};
    const Moments at{moment(seen.now),
                     moment(seen.now - std::min(seen.now, grace)),
                     moment(seen.now - std::min(seen.now, window)),
                     moment(seen.now - std::min(seen.now, grace + window)),
                     moment(seen.now - std::min(seen.now, seen.sources_cover)),
                     previous};
    for (std::size_t group = services_; group < rows_.size(); ++group) rows_[group].now = {};
    for (std::size_t i = 0; i < services_; ++i) {
        Row& row = rows_[i];
        if (row.fresh) row.history.fill(seen.services[i]);
        row.fresh = false;
        row.history[place] = seen.services[i];
        row.now = measure(row, at);
        judge(row, seen);
        if (row.group != no_group && !row.attack && row.policy.mode != Mode::off)
            rows_[services_ + row.group].now.add(row.now);
    }
    for (std::size_t group = services_; group < rows_.size(); ++group) judge(rows_[group], seen);
    limit_sources(seen);
}

void Detector::judge(Row& row, const Observation& seen) {
    const Policy& policy = row.policy;
    if (policy.mode == Mode::off) {
        if (row.attack) close(row);
        row.level = Level::quiet;
        return;
    }
    const Thresholds thresholds = thresholds_of(row);
    Level called_for = level_reached(row.now.unfinished, row.now.waiting, thresholds, 1);
    const Level held = level_reached(row.now.unfinished, row.now.waiting, thresholds, policy.leave_share);
    const bool silent = called_for != Level::quiet && server_is_silent(row);
    if (silent && !policy.defend_unanswered) called_for = std::min(called_for, Level::alarm);

    const Level before = row.level;
    // Where the box answers it keeps no flow that a RST could end: then what was seen before holds.
    if (before < Level::defend) row.disowned = row.now.reset > 0 && row.now.reset * 2 >= row.now.unfinished;
    if (called_for > row.level) {
        row.level = called_for;
        row.needed = seen.now;
    } else if (held >= row.level) {
        row.needed = seen.now;
    } else if (seen.now - row.needed >= policy.stay) {
        row.level = held;
        if (held != Level::quiet) row.needed = seen.now;
    }
    if (before == Level::quiet && row.level == Level::quiet) {
        if (effective(row) == Level::quiet) learn(row, thresholds);
        return;
    }
    if (!row.attack) open(row, seen.now);
    if (row.level != before) {
        Attack& attack = *row.attack;
        if (attack.step_count == Attack::most_steps) --attack.step_count;
        attack.steps[attack.step_count++] = {seen.now, row.level};
    }
    describe(row, seen, thresholds, silent, row.level > before);
    if (row.level == Level::quiet) close(row);
}

/// Only in quiet, and only from traffic of which most is honest.
void Detector::learn(Row& row, const Thresholds& thresholds) {
    const Measures& now = row.now;
    if (now.unfinished > now.completed || now.unfinished >= thresholds[0].rate) return;
    ++row.learnt;
    const double weight = 1 / std::min<double>(row.learnt, longest_memory);
    row.usual_unfinished.learn(now.unfinished, weight);
    row.usual_waiting.learn(now.waiting, weight);
    row.usual_syns.learn(now.syns, weight);
}

void Detector::open(Row& row, Milliseconds now) {
    Attack& attack = row.attack.emplace();
    attack.id = next_id_++;
    attack.start = now;
    const auto index = static_cast<std::size_t>(&row - rows_.data());
    attack.of_group = index >= services_;
    attack.service = static_cast<std::uint16_t>(attack.of_group ? index - services_ : index);
    // What led to the alarm belongs to it.
    attack.syns = static_cast<std::uint64_t>(row.now.syns);
    attack.completed = static_cast<std::uint64_t>(row.now.completed);
}

void Detector::close(Row& row) {
    Attack& attack = *row.attack;
    attack.end = row.needed;
    if (over_.size() < most_attacks) {
        over_.push_back(std::move(attack));
    } else {
        over_[over_count_ % most_attacks] = std::move(attack);
    }
    ++over_count_;
    row.attack.reset();
}

bool Detector::covers(const Row& row, ServiceNumber service) const {
    const auto index = static_cast<std::size_t>(&row - rows_.data());
    if (index < services_) return index == service;
    return service < services_ && rows_[service].group == index - services_;
}

/// Brings the record up to date. Its kind and reason are those of the worst moment: `anew`, or a new peak.
void Detector::describe(Row& row, const Observation& seen, const Thresholds& thresholds, bool silent,
                        bool anew) {
    Attack& attack = *row.attack;
    const Measures& now = row.now;
    if (seen.now > attack.start) {
        attack.syns += static_cast<std::uint64_t>(now.new_syns);
        attack.completed += static_cast<std::uint64_t>(now.new_completed);
    }
    const bool peak = whole(now.unfinished) > attack.peak_rate || whole(now.waiting) > attack.peak_half_open;
    attack.peak_rate = std::max(attack.peak_rate, whole(now.unfinished));
    attack.peak_half_open = std::max(attack.peak_half_open, whole(now.waiting));
    attack.distinct_sources = std::max(attack.distinct_sources, whole(now.distinct));
    if (!anew && !peak) return;

    const double cover = std::max<double>(static_cast<double>(seen.sources_cover), 1) / 1000;
    double named = 0;
    for (const LoudSource& loud : seen.sources) {
        if (!covers(row, loud.service)) continue;
        if (loud.count.unfinished() * 100 < now.over_cover) continue;  // one among many
        named += loud.count.unfinished();
        const std::uint32_t rate = whole(loud.count.unfinished() / cover);
        auto* const end = attack.top.begin() + attack.top_count;
        auto* place = std::find_if(attack.top.begin(), end,
                                   [&](const Attack::TopSource& one) { return one.source == loud.source; });
        if (place == end && attack.top_count < Attack::most_top_sources) {
            ++attack.top_count;
            *place = {loud.source, 0};
        } else if (place == end) {
            place = end - 1;  // the least, as they are in order
            if (place->unfinished_per_second >= rate) continue;
            *place = {loud.source, 0};
        }
        place->unfinished_per_second = std::max(place->unfinished_per_second, rate);
        std::sort(
            attack.top.begin(), attack.top.begin() + attack.top_count,
            [](const auto& a, const auto& b) { return a.unfinished_per_second > b.unfinished_per_second; });
    }

    const double each = now.syns / std::max(now.distinct, 1.0);
    const bool loud = named * 2 >= now.over_cover && named > 0;
    attack.kind = silent                                         ? Kind::unanswered
                  : loud                                         ? Kind::loud
                  : row.disowned || each < syns_of_a_real_source ? Kind::spoofed
                                                                 : Kind::distributed;
    attack.why = joined(number(now.unfinished), " SYNs a second stayed unfinished (alarm from ",
                        grouped(thresholds[0].rate), ", defence from ", grouped(thresholds[1].rate), ") and ",
                        number(now.waiting), " flows were left half-open (", grouped(thresholds[0].half_open),
                        ", ", grouped(thresholds[1].half_open), "); ", number(now.completed),
                        " handshakes a second were completed; ");
    switch (attack.kind) {
        case Kind::unanswered:
            attack.why += joined("the server left ", number(now.turned_away), " a second unanswered, of ",
                                 number(now.syns), " where ", number(row.usual_syns.mean), " are usual");
            break;
        case Kind::loud:
            attack.why += joined(counted(attack.top_count, "source"), ", first ",
                                 text_of(attack.top[0].source), ", sent most of them");
            break;
        case Kind::spoofed:
            attack.why += row.disowned ? std::string("the owners of their addresses disowned most by a RST")
                                       : joined("they came from about ", number(now.distinct), " sources");
            break;
        case Kind::distributed:
            attack.why += joined("they came from about ", number(now.distinct), " sources, ", number(each),
                                 " a second from each");
            break;
    }
}

Level Detector::effective(const Row& row) const {
    return row.group == no_group ? row.level : std::max(row.level, rows_[services_ + row.group].level);
}

Defence Detector::defence(ServiceNumber service) const {
    const Row& row = rows_[service];
    Defence out{effective(row), 0};
    switch (row.policy.mode) {
        case Mode::off:
            return {};
        case Mode::monitor:
            out.level = std::min(out.level, Level::alarm);
            break;
        case Mode::automatic:
            break;
        case Mode::always:
            out.level = std::max(out.level, Level::defend);
            break;
    }
    if (out.level == Level::maximum) out.syn_limit = row.policy.maximum.rate;
    return out;
}

void Detector::limit_sources(const Observation& seen) {
    const double cover = std::max<double>(static_cast<double>(seen.sources_cover), 1) / 1000;
    for (const LoudSource& loud : seen.sources) {
        if (loud.service >= services_ || defence(loud.service).level < Level::defend) continue;
        const Policy& policy = rows_[loud.service].policy;
        if (loud.count.unfinished() / cover < policy.source_alarm) continue;
        const std::uint32_t rate = std::max(policy.source_floor, whole(2 * loud.count.completed / cover));
        const auto known = std::find_if(limited_.begin(), limited_.end(),
                                        [&](const Limited& one) { return one.limit.source == loud.source; });
        if (known != limited_.end()) {
            *known = {{loud.source, rate}, seen.now, loud.service};
        } else if (limited_.size() < most_limits) {
            limited_.push_back({{loud.source, rate}, seen.now, loud.service});
        }
    }
    std::erase_if(limited_, [&](const Limited& one) {
        return seen.now - one.needed >= rows_[one.service].policy.stay ||
               defence(one.service).level < Level::defend;
    });
    limits_.clear();
    for (const Limited& one : limited_) limits_.push_back(one.limit);
}

void Detector::forget_row(Row& row) {
    if (row.attack) close(row);
    const Policy policy = row.policy;
    const std::uint16_t group = row.group;
    row = {};
    row.policy = policy;
    row.group = group;
}

Standing Detector::standing(ServiceNumber service) const {
    const Row& row = rows_[service];
    return {row.now.syns,        row.now.completed,         row.now.unfinished,
            row.now.waiting,     row.now.distinct,          row.learnt >= enough_to_know,
            row.usual_syns.mean, row.usual_unfinished.mean, thresholds_of(row)};
}

std::vector<Attack> Detector::attacks() const {
    std::vector<Attack> out;
    for (const Row& row : rows_)
        if (row.attack) out.push_back(*row.attack);
    for (std::size_t i = 0; i < over_.size(); ++i)
        out.push_back(over_[over_.size() < most_attacks ? i : (over_count_ + i) % most_attacks]);
    return out;
}

}  // namespace sluice::guard
