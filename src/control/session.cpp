#include "session.hpp"

#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "hand_made_flow.hpp"
#include "sluice/control/capture_row.hpp"
#include "sluice/control/guard_watch.hpp"
#include "sluice/control/rule_words.hpp"
#include "statistics.hpp"

namespace sluice::control {
namespace {

using pipeline::FlowView;
using MailRequest = pipeline::Request;

/// Changes of one client under way at once: a quarter of a mailbox, so that several clients get on.
constexpr std::uint32_t changes_at_once = 64;
/// Clients that may have a census: each is some megabytes.
constexpr unsigned most_censuses = 8;
/// Talkers of a kind told by each of their weights.
constexpr std::size_t talkers_told = 50;

std::uint64_t wall_nanoseconds(const ServerOptions& options) {
    if (options.wall_clock) return options.wall_clock();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

bool look_again(const SessionContext& context, unsigned worker, packet::Family family, flow::Ref ref,
                FlowView& out) {
    const WorkerHandle& handle = context.workers.all[worker];
    if (family == packet::Family::ipv4)
        return ref < handle.table4->high_water() && view(*handle.table4, ref, context.now, worker, out);
    return ref < handle.table6->high_water() && view(*handle.table6, ref, context.now, worker, out);
}

}  // namespace

Session::~Session() {
    close(descriptor_);
}

// ---- Bytes in

void Session::receive(const SessionContext& context) {
    char bytes[16 * 1024];
    const ssize_t got = recv(descriptor_, bytes, sizeof bytes, 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) finished_ = true;
        return;
    }
    if (got == 0) {
        hung_up_ = true;
        if (!has_output() && !follows()) finished_ = true;
        return;
    }
    if (input_.empty()) request_since_ = context.now;
    const std::string_view fresh(bytes, static_cast<std::size_t>(got));
    line_ready_ = fresh.find('\n') != std::string_view::npos;
    input_ += fresh;
}

void Session::take_requests(SessionContext& context) {
    while (line_ready_ && !busy() && !last_words_ && room_for_rows(context)) {
        const std::size_t end = input_.find('\n');
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 1);
        line_ready_ = input_.find('\n') != std::string::npos;
        request_since_ = context.now;
        begin(context, line);
    }
    if (!line_ready_ && !busy() && input_.size() > max_request_bytes) {
        finish(context, {false, 0, "the request is longer than 65536 bytes"});
        input_.clear();
        last_words_ = true;
    }
}

// ---- Requests

void Session::begin(SessionContext& context, std::string_view line) {
    begin_output(context);
    auto parsed = parse_query(line);
    if (!parsed) return finish(context, {false, 0, parsed.error()});
    query_ = std::move(*parsed);
    query_.format.accounting = context.workers.accounting;
    query_.format.timestamps = context.workers.timestamps;
    query_.format.wall_nanoseconds = wall_nanoseconds(context.options);
    count_ = 0;
    cursor_ = {};
    blocked_ = false;
    switch (query_.kind) {
        case Query::Kind::list:
        case Query::Kind::get:
        case Query::Kind::remove:
        case Query::Kind::update:
            stage_ = Stage::scan;
            break;
        case Query::Kind::count:
            begin_count(context);
            break;
        case Query::Kind::insert:
            begin_insert(context);
            break;
        case Query::Kind::flush:
            stage_ = Stage::ask_all;
            break;
        case Query::Kind::reload:
            begin_reload(context);
            break;
        case Query::Kind::floods:
            begin_floods(context);
            break;
        case Query::Kind::rules:
            begin_rules(context);
            break;
        case Query::Kind::signatures:
            begin_signatures(context);
            break;
        case Query::Kind::test_packet:
            test_packet(context);
            break;
        case Query::Kind::events:
        case Query::Kind::capture:
            if (query_.story)
                stage_ = Stage::scan;
            else
                begin_following(context);
            break;
        case Query::Kind::save:
            begin_save(context);
            break;
        case Query::Kind::restore:
            begin_restore(context);
            break;
        case Query::Kind::census:
            begin_census(context);
            break;
        case Query::Kind::stats:
            append_statistics(output_, context.workers, context.events, context.captures, context.crowd);
            finish(context, {true, context.workers.all.size(), {}});
            break;
        case Query::Kind::reasons:
            append_reasons(output_, context.workers);
            finish(context, {true, reason_count - 1, {}});
            break;
        case Query::Kind::drops:
            finish(context,
                   {true,
                    append_drops(output_, context.workers, context.drops, context.now, query_.examples),
                    {}});
            break;
        case Query::Kind::version:
            append_version(output_, context.workers);
            finish(context, {true, 1, {}});
            break;
    }
}

void Session::begin_count(SessionContext& context) {
    if (!query_.filter.everything()) {
        stage_ = Stage::scan;
        return;
    }
    std::uint64_t flows = 0;
    for (const auto& worker : context.workers.all) flows += worker.table4->size() + worker.table6->size();
    finish(context, {true, flows, {}});
}

void Session::begin_insert(SessionContext& context) {
    const MailRequest request = insertion_of(query_.flow, context.now);
    const unsigned worker = request.family == packet::Family::ipv4 ? context.workers.owner4(request.key4)
                                                                   : context.workers.owner6(request.key6);
    if (!context.desk.post(worker, request, ticket(0)))
        return finish(context, {false, 0, "the worker has too many requests waiting; try again"});
    ++asked_;
    stage_ = Stage::await;
}

void Session::begin_reload(SessionContext& context) {
    if (!context.options.reload) return finish(context, {false, 0, "there is no configuration to reload"});
    // By then the client may have gone away.
    auto reloaded = reloaded_ = std::make_shared<std::optional<Status>>();
    stage_ = Stage::reload;
    context.options.reload([reloaded](const Status& done) { *reloaded = done; });
}

void Session::look_after_reload(SessionContext& context) {
    if (!*reloaded_) return;
    if (const Status& done = **reloaded_; !done) return finish(context, {false, 0, done.error()});
    stage_ = Stage::settle;
    if (context.settled) finish(context, {true, 0, {}});
}

/// When all of it is done and every worker obeys it.
void Session::begin_floods(SessionContext& context) {
    const GuardWatch* const guard = context.workers.guard;
    if (guard == nullptr)
        return finish(context, {false, 0, "nobody watches for floods: guard.enabled is false"});
    if (!query_.services) floods_ = guard->floods();
    next_row_ = 0;
    stage_ = Stage::rows;
}

void Session::begin_rules(SessionContext& context) {
    policy_ = context.workers.policy;
    if (policy_ == nullptr) return finish(context, {false, 0, "there are no rules: every flow is allowed"});
    next_row_ = 1;
    stage_ = Stage::rows;
}

void Session::begin_signatures(SessionContext& context) {
    const auto& policy = context.workers.policy;
    if (policy == nullptr || policy->inspection == nullptr)
        return finish(context, {false, 0, "there are no signatures: nothing is inspected"});
    inspection_ = policy->inspection;
    profile_ = 0;
    next_row_ = 0;
    stage_ = Stage::rows;
}

void Session::test_packet(SessionContext& context) {
    const auto& policy = context.workers.policy;
    append_trial(output_, policy == nullptr ? policy::RuleSet() : *policy->rules, query_.packet);
    finish(context, {true, 1, {}});
}

void Session::begin_census(SessionContext& context) {
    if (census_ == nullptr) {
        if (context.crowd.censuses >= most_censuses)
            return finish(context, {false, 0, "too many others have a census already"});
        ++context.crowd.censuses;
        SipHashKey secret;
        randombytes_buf(secret.data(), sizeof secret);
        census_ = std::make_unique<FlowCensus>(context.options.census_slots, secret);
    }
    census_->begin(context.workers, context.now);
    stage_ = Stage::census;
}

void Session::go_on_with_census(SessionContext& context) {
    unsigned budget = context.slots_per_slice;
    if (!census_->go_on(context.workers, context.now, budget)) return;
    begin_output(context);
    finish(context, {true, census_->append_rows(output_, talkers_told), {}});
}

/// No more may follow.
bool Session::crowded(const SessionContext& context) {
    return context.events.counts.readers + context.captures.counts.readers >= context.options.max_followers;
}

void Session::begin_following(SessionContext& context) {
    if (captures() ? !context.captures.exists() : !context.events.exists())
        return finish(context, {false, 0,
                                captures() ? "no packets are captured: control.capture_slots is 0"
                                           : "no events are kept: control.event_slots is 0"});
    if (crowded(context)) return finish(context, {false, 0, "too many others follow the events already"});
    ++counts(context).readers;
    query_.format.wall_nanoseconds = 0;  // each event has its time
    losing_ = false;
    lost_ = 0;
    lost_by_workers_ = lost_by_workers(context);
    told_ = context.now;
    stage_ = Stage::follow;
}

/// On the flow with this key. (Every worker has the same secret.)
void Session::begin_story(SessionContext& context, std::uint64_t hash) {
    traced_ = hash;
    begin_following(context);
    if (stage_ != Stage::follow || context.captures.trace_too(hash)) return;
    --counts(context).readers;
    finish(context, {false, 0,
                     "the stories of " + std::to_string(pipeline::TracedFlows::most) +
                         " flows are told already: no more are at a time"});
}

/// On a flow that is not there.
void Session::await_story(SessionContext& context) {
    const auto flow = flow_of(query_.filter);
    if (!flow || context.workers.all.empty())
        return finish(context, {false, 0, "such conntrack doesn't exist"});
    const MailRequest key = insertion_of(*flow, context.now);
    const WorkerHandle& any = context.workers.all.front();
    begin_story(context, key.family == packet::Family::ipv4 ? any.table4->hash_of(key.key4)
                                                            : any.table6->hash_of(key.key6));
}

void Session::finish(SessionContext& context, const End& end) {
    begin_output(context);
    output_ += to_line(end);
    stage_ = Stage::idle;
    since_ = context.now;
    changing_.clear();
    changing_.shrink_to_fit();
    floods_.clear();
    floods_.shrink_to_fit();
    policy_.reset();
    inspection_.reset();
    sweep_.reset();
    deliveries_.clear();
    query_.records.clear();
    query_.records.shrink_to_fit();
    reloaded_.reset();
}

// ---- Slices of work

bool Session::can_go_on(const SessionContext& context) const {
    if (finished_ || !room_for_rows(context)) return false;
    if (stage_ == Stage::scan) return !blocked_;
    if (stage_ == Stage::rows || stage_ == Stage::census) return true;
    if (stage_ == Stage::reload) return reloaded_->has_value();
    if (stage_ == Stage::settle) return context.settled;
    if (stage_ == Stage::save) return lent_ == 0 && room_for_flows(context);
    if (stage_ == Stage::follow) return hung_up_ || line_ready_;
    return stage_ == Stage::idle && line_ready_ && !last_words_;
}

void Session::work(SessionContext& context) {
    if (finished_) return;
    switch (stage_) {
        case Stage::idle:
            break;
        case Stage::scan:
            scan(context);
            break;
        case Stage::ask_all:
            ask_all_workers(context);
            break;
        case Stage::rows:
            show_rows(context);
            break;
        case Stage::census:
            go_on_with_census(context);
            break;
        case Stage::await:
            break;
        case Stage::reload:
            look_after_reload(context);
            break;
        case Stage::settle:
            if (context.settled) finish(context, {true, 0, {}});
            break;
        case Stage::save:
            save(context);
            break;
        case Stage::restore:
            restore(context);
            break;
        case Stage::follow:
            if (hung_up_ || line_ready_ || input_.size() > max_request_bytes) {
                append_losses(context);
                finish(context, {true, count_, {}});
            }
            break;
    }
    take_requests(context);
}

/// The rules in their order, and last what holds where none matches.
void Session::show_rules(SessionContext& context) {
    const std::size_t rules = policy_->rules->size();
    begin_output(context);
    for (; next_row_ <= rules + 1; ++next_row_) {
        if (!room_for_rows(context)) return;
        append_rule(output_, *policy_,
                    next_row_ > rules ? policy::no_rule : static_cast<policy::RuleNumber>(next_row_));
        ++count_;
    }
    finish(context, {true, count_ - 1, {}});
}

/// By profile, in the order of their files.
void Session::show_signatures(SessionContext& context) {
    const auto& profiles = inspection_->profiles();
    begin_output(context);
    for (; profile_ < profiles.size(); ++profile_, next_row_ = 0)
        for (; next_row_ < profiles[profile_].signatures().size(); ++next_row_) {
            if (!room_for_rows(context)) return;
            append_signature(output_, *inspection_, profile_, next_row_);
            ++count_;
        }
    finish(context, {true, count_, {}});
}

void Session::show_rows(SessionContext& context) {
    if (policy_ != nullptr) return show_rules(context);
    if (inspection_ != nullptr) return show_signatures(context);
    const GuardWatch& guard = *context.workers.guard;
    const std::size_t rows = query_.services ? guard.numbers() : floods_.size();
    begin_output(context);
    for (; next_row_ < rows; ++next_row_) {
        if (!room_for_rows(context)) return;
        if (!query_.services) {
            append_flood(output_, floods_[next_row_]);
        } else if (const auto row = guard.service(static_cast<guard::ServiceNumber>(next_row_))) {
            append_guarded(output_, *row);
        } else {
            continue;
        }
        ++count_;
    }
    finish(context, {true, count_, {}});
}

void Session::scan(SessionContext& context) {
    unsigned budget = context.slots_per_slice;
    blocked_ = false;
    while (cursor_.worker < context.workers.all.size()) {
        const WorkerHandle& worker = context.workers.all[cursor_.worker];
        const bool through = cursor_.ipv6 ? scan_table(context, *worker.table6, budget)
                                          : scan_table(context, *worker.table4, budget);
        if (!through) return;
        cursor_.next = 0;
        if (cursor_.ipv6) ++cursor_.worker;
        cursor_.ipv6 = !cursor_.ipv6;
    }
    if (query_.story) return await_story(context);
    stage_ = Stage::await;
    finish_when_answered(context);
}

/// True when the table has been gone through; false when this slice must end. Records never move, so a flow
/// that lives on is met in its one slot exactly once.
template <class Table>
bool Session::scan_table(SessionContext& context, const Table& table, unsigned& budget) {
    FlowView flow;
    const flow::Ref end = table.high_water();
    for (; cursor_.next < end; ++cursor_.next) {
        if (budget == 0 || !room_for_rows(context)) return false;
        --budget;
        if (!view(table, cursor_.next, context.now, cursor_.worker, flow)) continue;
        if (matches(query_.filter, flow) && !found(context, flow)) return false;
    }
    return true;
}

/// False when the flow must be met again in a later slice.
bool Session::found(SessionContext& context, const FlowView& flow) {
    switch (query_.kind) {
        case Query::Kind::remove:
        case Query::Kind::update:
            return ask_to_change(context, flow);
        case Query::Kind::count:
            ++count_;
            return true;
        case Query::Kind::capture:  // a story: of the first
            begin_story(context, flow.family == packet::Family::ipv4
                                     ? context.workers.all[flow.worker].table4->hash_of(flow.key4)
                                     : context.workers.all[flow.worker].table6->hash_of(flow.key6));
            return false;
        default:
            if (query_.zero && context.workers.accounting) return ask_to_change(context, flow);
            show(context, flow);
            ++count_;
            return true;
    }
}

void Session::show(SessionContext& context, const FlowView& flow) {
    begin_output(context);
    append_flow(output_, flow, query_.format);
}

bool Session::ask_to_change(SessionContext& context, const FlowView& flow) {
    if (changing_.empty()) {
        changing_.resize(changes_at_once);
        free_slots_.clear();
        for (std::uint32_t slot = 0; slot < changes_at_once; ++slot) free_slots_.push_back(slot);
    }
    blocked_ = true;
    if (free_slots_.empty()) return false;

    MailRequest request;
    request.kind = query_.kind == Query::Kind::remove ? MailRequest::Kind::remove : MailRequest::Kind::update;
    request.family = flow.family;
    request.flow = flow.flow;
    request.key4 = flow.key4;
    request.key6 = flow.key6;
    request.set_timeout = query_.change.timeout_seconds.has_value();
    request.timeout_seconds = query_.change.timeout_seconds.value_or(0);
    if (query_.change.mark) {
        request.set_mark = true;
        request.mark = (flow.mark & ~query_.change.mark->mask) ^ query_.change.mark->value;
    }
    request.set_seen_reply = (query_.change.status & seen_reply_bit) != 0;
    request.set_assured = (query_.change.status & assured_bit) != 0;
    request.set_fixed_timeout = (query_.change.status & fixed_timeout_bit) != 0;
    request.reset_account = query_.zero;
    request.reset = query_.reset;
    if (!context.desk.post(flow.worker, request, ticket(free_slots_.back()))) return false;
    changing_[free_slots_.back()] = flow;
    free_slots_.pop_back();
    ++asked_;
    blocked_ = false;
    return true;
}

void Session::ask_all_workers(SessionContext& context) {
    MailRequest request;
    request.kind = MailRequest::Kind::flush;
    for (; cursor_.worker < context.workers.all.size(); ++cursor_.worker) {
        if (!context.desk.post(cursor_.worker, request, ticket(0))) return;
        ++asked_;
    }
    stage_ = Stage::await;
    finish_when_answered(context);
}

void Session::answered(SessionContext& context, std::uint32_t slot, const MailRequest& answer) {
    using Answer = MailRequest::Answer;
    --asked_;
    blocked_ = false;
    FlowView flow;
    switch (answer.kind) {
        case MailRequest::Kind::flush:
            count_ += answer.changed;
            break;
        case MailRequest::Kind::insert: {
            if (answer.answer == Answer::exists)
                return finish(context, {false, 0, "such conntrack exists, try -U to update"});
            if (answer.answer != Answer::done)
                return finish(context, {false, 0, "the flow table is full of assured flows"});
            const unsigned worker = answer.family == packet::Family::ipv4
                                        ? context.workers.owner4(answer.key4)
                                        : context.workers.owner6(answer.key6);
            if (look_again(context, worker, answer.family, answer.flow, flow)) show(context, flow);
            ++count_;
            break;
        }
        case MailRequest::Kind::remove:
            if (answer.answer == Answer::done) {
                show(context, changing_[slot]);
                ++count_;
            }
            free_slots_.push_back(slot);
            break;
        case MailRequest::Kind::update:
            if (answer.answer == Answer::done) {
                const FlowView& before = changing_[slot];
                if (!look_again(context, before.worker, before.family, before.flow, flow)) flow = before;
                if (query_.zero) flow.account = answer.account;
                show(context, flow);
                ++count_;
            }
            free_slots_.push_back(slot);
            break;
        case MailRequest::Kind::save:
            return saved(context);
        case MailRequest::Kind::restore:
            return restored(context, slot);
        case MailRequest::Kind::find:
        case MailRequest::Kind::settings:
            break;  // never asked for by a session
    }
    finish_when_answered(context);
}

void Session::finish_when_answered(SessionContext& context) {
    if (stage_ == Stage::await && asked_ == 0) finish(context, {true, count_, {}});
}

// ---- Events

bool Session::room_for_event(const SessionContext& context) {
    const std::size_t waiting = output_.size() - sent_ + 2 * max_line_bytes;
    // With room for a few alone there would be a row about what was lost between any two that are shown.
    losing_ = waiting > (losing_ ? query_.buffer_bytes / 2 : query_.buffer_bytes);
    if (losing_) {
        ++lost_;
        ++counts(context).rows_lost;
        return false;
    }
    begin_output(context);
    if (lost_ != 0) append_losses(context);
    ++counts(context).rows;
    return true;
}

bool Session::offer(const SessionContext& context, SharedEvent& event) {
    if (captures() || (query_.events & event.bit()) == 0 || !matches(query_.filter, event.flow()))
        return false;
    if (!room_for_event(context)) return false;
    output_ += event.line(query_.format);
    ++count_;
    return true;
}

void Session::offer(const SessionContext& context, const FloodChange& change) {
    if (captures() || (query_.events & flood_events) == 0 || !query_.filter.everything()) return;
    if (query_.format.style == Format::Style::save) return;
    if (room_for_event(context)) append_flood_event(output_, change, query_.format);
}

void Session::offer(const SessionContext& context, const AlertNews& news) {
    if (captures() || (query_.events & alert_events) == 0 || !matches(query_.filter, news.flow)) return;
    if (query_.format.style == Format::Style::save) return;
    if (room_for_event(context)) append_alert(output_, news, query_.format);
}

bool Session::offer(const SessionContext& context, const pipeline::CapturedPacket& packet, unsigned worker,
                    const FlowView* flow) {
    if (!captures() || query_.story != packet.is_step) return false;
    if (query_.story) {
        if (packet.hash != traced_ || !room_for_event(context)) return false;
        append_step(output_, packet, worker, flow, context.workers.policy.get(), context.workers.tcp);
        ++count_;
        return true;
    }
    const bool passes = packet.action == pipeline::Action::pass;
    if ((query_.captures & pipeline::only(packet.kind)) == 0 ||
        (passes && (query_.captures & pipeline::passing_too) == 0))
        return false;
    if (!query_.filter.everything() && (flow == nullptr || !matches(query_.filter, *flow))) return false;
    if (!query_.packets.matches({packet.bytes.data(), packet.captured}, packet.length)) return false;
    if (!room_for_event(context)) return false;
    append_capture(output_, packet, worker, flow, context.workers.policy.get(), query_.snap_bytes);
    ++count_;
    return true;
}

void Session::append_losses(const SessionContext& context) {
    const std::uint64_t by_workers = lost_by_workers(context);
    if (lost_ == 0 && by_workers == lost_by_workers_) return;
    begin_output(context);
    const std::uint64_t now = wall_nanoseconds(context.options);
    output_ += lost_prefix;
    output_ += ",\"time\":" + std::to_string(now / 1'000'000'000) +
               ",\"by_reader\":" + std::to_string(lost_) +
               ",\"by_workers\":" + std::to_string(by_workers - lost_by_workers_) + "}\n";
    lost_ = 0;
    lost_by_workers_ = by_workers;
    told_ = context.now;
}

void Session::tell_losses(const SessionContext& context) {
    if (losing_ || context.now - told_ < ticks_per_second) return;
    if (output_.size() - sent_ + max_line_bytes <= query_.buffer_bytes / 2) append_losses(context);
}

// ---- Bytes out

void Session::begin_output(const SessionContext& context) {
    if (!has_output()) progress_ = context.now;
}

void Session::send(const SessionContext& context) {
    while (has_output() && !stuck_) {
        const ssize_t taken =
            ::send(descriptor_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0) {
            if (errno == EINTR) continue;
            stuck_ = true;
            if (errno != EAGAIN) finished_ = true;
            break;
        }
        sent_ += static_cast<std::size_t>(taken);
        progress_ = context.now;
    }
    if (!has_output()) {
        output_.clear();
        if (output_.capacity() > 2 * context.output_bytes && !follows()) output_.shrink_to_fit();
        sent_ = 0;
        if (last_words_ || (hung_up_ && !busy() && !line_ready_)) finished_ = true;
    } else if (sent_ > context.output_bytes / 2) {
        output_.erase(0, sent_);
        sent_ = 0;
    }
}

void Session::check_patience(const SessionContext& context) {
    const auto longer_than = [&](Tick since, std::uint32_t seconds) {
        return context.now - since > seconds * ticks_per_second;
    };
    if (follows()) {
        // One who pauses stays, unless others are kept out by those who do.
        if (crowded(context) && idle(context.now) > context.options.idle_seconds * ticks_per_second)
            finished_ = true;
    } else if (has_output()) {
        if (longer_than(progress_, context.options.idle_seconds)) finished_ = true;
    } else if (!busy()) {
        if (longer_than(since_, context.options.idle_seconds)) finished_ = true;
        if (!input_.empty() && longer_than(request_since_, context.options.request_seconds)) finished_ = true;
    }
}

}  // namespace sluice::control
