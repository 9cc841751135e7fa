#include "sluice/control/server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "capture_feed.hpp"
#include "drop_rates.hpp"
#include "event_feed.hpp"
#include "listening_socket.hpp"
#include "session.hpp"
#include "sluice/control/capture_row.hpp"
#include "sluice/control/event_writer.hpp"
#include "statistics.hpp"

namespace sluice::control {
namespace {

constexpr unsigned accepts_per_turn = 64;
/// Workers do not wake us: how often we look for their answers. They poll every few microseconds; a deletion
/// of many flows goes at 64 of them a wait and client.
constexpr std::chrono::microseconds answer_wait{100};
/// How often we look for events while somebody follows them and the rings are empty: at a million a second a
/// ring of the usual size would take six times as long to fill.
constexpr std::chrono::microseconds event_wait{5000};
/// Events taken before what was made of them is sent on: a reader's buffer holds several times as many.
constexpr unsigned events_at_once = 512;
/// Alerts taken of one worker in a turn.
constexpr unsigned alerts_at_once = 256;
/// How often we look for clients that wait to be accepted while all places are taken.
constexpr std::chrono::milliseconds crowded_wait{100};
constexpr Tick crowded_idle = ticks_per_second;  ///< a client idle for so long makes room for one that waits
constexpr Tick accept_pause = 100;               ///< ticks without accepting when descriptors run out

}  // namespace

Server::Server(const Workers& workers, ServerOptions options)
    : workers_(workers),
      options_(std::move(options)),
      desk_(workers),
      events_(std::make_unique<EventFeed>(workers)),
      captures_(std::make_unique<CaptureFeed>(workers)),
      drops_(std::make_unique<DropRates>()) {}

Server::~Server() = default;

Status Server::open() {
    auto socket = ListeningSocket::open(options_.path, options_.mode, options_.group);
    if (!socket) return Error{socket.error()};
    socket_ = std::move(*socket);
    return success();
}

SessionContext Server::session_context() {
    const auto censuses = std::count_if(sessions_.begin(), sessions_.end(),
                                        [](const auto& session) { return session->has_census(); });
    return {workers_,  options_,       desk_,
            *events_,  *captures_,     *drops_,
            settled(), workers_.now(), static_cast<unsigned>(censuses)};
}

void Server::turn(int timeout_milliseconds) {
    hand_out_answers();
    post_settings();
    wait(timeout_milliseconds);
    hand_out_answers();
    drops_->look(workers_, workers_.now());
    SessionContext context = session_context();
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
        Session& session = *sessions_[(first_ + i) % sessions_.size()];
        context.settled = settled();
        session.work(context);
        if (session.has_output()) session.send(context);
        session.check_patience(context);
    }
    ++first_;
    deliver_alerts();
    deliver();
    drop_finished();
}

/// Empties the workers' rings, as far as a turn may.
void Server::deliver() {
    EventMask events = 0;
    pipeline::CaptureKinds captures = 0;
    std::vector<std::uint64_t> traced;
    FeedCounts& following = events_->counts;
    FeedCounts& capturing = captures_->counts;
    for (const EventWriter* writer : writers_) events |= writer->wanted();
    following.readers = capturing.readers = 0;
    for (const auto& session : sessions_) {
        if (!session->follows()) continue;
        events |= session->followed();
        captures |= session->captured();
        if (const auto hash = session->traced();
            hash && std::find(traced.begin(), traced.end(), *hash) == traced.end())
            traced.push_back(*hash);
        ++(session->captures() ? capturing : following).readers;
    }
    events_->want(events);
    captures_->trace(std::move(traced));
    captures_->want(captures);
    more_to_deliver_ = false;
    const SessionContext context = session_context();
    if (following.readers != 0 || !writers_.empty())
        deliver_some([&](unsigned most, unsigned& rows) {
            return events_->drain(most, [&](SharedEvent& event) {
                rows += offer_to_writers(event);
                for (const auto& session : sessions_)
                    if (session->follows() && session->offer(context, event)) ++rows;
            });
        });
    if (capturing.readers != 0)
        deliver_some([&](unsigned most, unsigned& rows) {
            return captures_->drain(most, [&](const pipeline::CapturedPacket& packet, unsigned worker) {
                pipeline::FlowView flow;
                const pipeline::FlowView* const known = view(packet, worker, flow) ? &flow : nullptr;
                for (const auto& session : sessions_)
                    if (session->follows() && session->offer(context, packet, worker, known)) ++rows;
            });
        });
}

void Server::write(EventWriter& writer) {
    writers_.push_back(&writer);
    EventMask events = 0;
    for (const EventWriter* each : writers_) events |= each->wanted();
    events_->want(events);
}

void Server::finish_writing() {
    while (events_->drain(events_at_once, [&](const SharedEvent& event) { offer_to_writers(event); }) != 0) {
    }
    writers_.clear();
}

/// Returns how many took it.
unsigned Server::offer_to_writers(const SharedEvent& event) {
    unsigned offered = 0;
    for (EventWriter* const writer : writers_) {
        if ((writer->wanted() & event.bit()) == 0) continue;
        writer->offer(event.flow(), event.happening());
        ++offered;
    }
    return offered;
}

/// `drain` takes so many at most out of the rings, says how many, and counts the rows made of them.
template <class Drain>
void Server::deliver_some(Drain&& drain) {
    const SessionContext context = session_context();
    // What all readers lose costs next to nothing, but not nothing.
    unsigned most_taken = 8 * options_.event_rows_per_turn;
    for (unsigned rows = 0; rows < options_.event_rows_per_turn && most_taken != 0;) {
        const unsigned some = std::min(events_at_once, most_taken);
        const unsigned taken = drain(some, rows);
        most_taken -= taken;
        for (const auto& session : sessions_) {
            if (!session->follows()) continue;
            session->tell_losses(context);
            if (session->has_output()) session->send(context);
        }
        if (taken != some) return;
    }
    more_to_deliver_ = true;
}

/// Empties the workers' rings of alerts, as far as a turn may; whether somebody follows or not, as the log
/// does.
void Server::deliver_alerts() {
    const auto& policy = workers_.policy;
    if (policy != nullptr && policy->inspection != nullptr && policy->inspection != inspections_[0]) {
        inspections_[1] = std::move(inspections_[0]);
        inspections_[0] = policy->inspection;
    }
    const SessionContext context = session_context();
    for (unsigned worker = 0; worker < workers_.all.size(); ++worker) {
        pipeline::AlertRing* const ring = workers_.all[worker].alerts;
        if (ring == nullptr) continue;
        for (unsigned left = alerts_at_once; left != 0; --left) {
            const pipeline::Alert* const alert = ring->oldest();
            if (alert == nullptr) break;
            const auto of_it = std::find_if(inspections_.begin(), inspections_.end(), [&](const auto& one) {
                return one != nullptr && one->generation() == alert->generation;
            });
            const AlertNews news =
                news_of(*alert, worker, of_it == inspections_.end() ? nullptr : of_it->get());
            for (const auto& session : sessions_)
                if (session->follows()) session->offer(context, news);
            if (options_.alerted) options_.alerted(news);
            ring->take();
        }
    }
}

void Server::tell(const FloodChange& change) {
    const SessionContext context = session_context();
    for (const auto& session : sessions_)
        if (session->follows()) session->offer(context, change);
}

std::string Server::statistics() const {
    std::string out;
    append_statistics(out, workers_, *events_, *captures_);
    return out;
}

void Server::replace_settings(std::shared_ptr<const pipeline::Settings> settings) {
    changeovers_.push_back({std::move(settings)});
    post_settings();
}

/// One changeover at a time: settings must live until the next ones have been taken up by every worker.
void Server::post_settings() {
    while (!changeovers_.empty()) {
        Changeover& change = changeovers_.front();
        pipeline::Request request;
        request.kind = pipeline::Request::Kind::settings;
        request.settings = change.settings.get();
        while (change.posted < workers_.all.size() && desk_.post(change.posted, request, 0)) ++change.posted;
        if (change.answered < workers_.all.size()) return;
        in_force_ = std::move(change.settings);
        changeovers_.pop_front();
    }
}

void Server::hand_out_answers() {
    SessionContext context = session_context();
    desk_.collect([&](std::uint64_t ticket, unsigned, const pipeline::Request& answer) {
        const std::uint64_t serial = Session::serial_of(ticket);
        if (serial == 0) {
            ++changeovers_.front().answered;
            return;
        }
        // A client that went away leaves its answers unclaimed.
        const auto session = std::find_if(sessions_.begin(), sessions_.end(),
                                          [&](const auto& s) { return s->serial() == serial; });
        if (session != sessions_.end()) (*session)->answered(context, Session::slot_of(ticket), answer);
    });
    post_settings();
}

/// How long poll() may wait.
std::chrono::microseconds Server::patience(int timeout_milliseconds) {
    const SessionContext context = session_context();
    for (const auto& session : sessions_)
        if (session->can_go_on(context)) return std::chrono::microseconds{0};
    std::chrono::microseconds wait = std::chrono::milliseconds{std::max(timeout_milliseconds, 0)};
    if (desk_.waiting()) wait = std::min(wait, answer_wait);
    if (more_to_deliver_) return std::chrono::microseconds{0};
    if (events_->counts.readers + captures_->counts.readers + writers_.size() != 0)
        wait = std::min(wait, event_wait);
    if (accept_paused_ || sessions_.size() >= options_.max_clients)
        wait = std::min<std::chrono::microseconds>(wait, crowded_wait);
    return wait;
}

void Server::wait(int timeout_milliseconds) {
    const bool full = sessions_.size() >= options_.max_clients;
    if (accept_paused_ && reached(workers_.now(), accept_again_)) accept_paused_ = false;
    const bool listening = socket_ != nullptr && !full && !accept_paused_;
    std::vector<pollfd> watched;
    watched.reserve(sessions_.size() + also_.size() + 1);
    for (const auto& session : sessions_) {
        const int events = (session->wants_input() ? POLLIN : 0) | (session->has_output() ? POLLOUT : 0);
        watched.push_back({session->descriptor(), static_cast<short>(events), 0});
    }
    for (const int descriptor : also_) watched.push_back({descriptor, POLLIN, 0});
    if (listening) watched.push_back({socket_->descriptor(), POLLIN, 0});
    const auto patience_left = patience(timeout_milliseconds);
    const timespec limit{patience_left.count() / 1'000'000, patience_left.count() % 1'000'000 * 1'000};
    if (ppoll(watched.data(), watched.size(), &limit, nullptr) < 0) return;  // a signal: the next turn

    const SessionContext context = session_context();
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
        if ((watched[i].revents & POLLIN) != 0)
            sessions_[i]->receive(context);
        else if ((watched[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
            sessions_[i]->hang_up();
    }
    if (full) make_room();
    if (listening && (watched.back().revents & POLLIN) != 0) accept_clients();
}

void Server::accept_clients() {
    for (unsigned i = 0; i < accepts_per_turn && sessions_.size() < options_.max_clients; ++i) {
        const int client = accept4(socket_->descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            sessions_.push_back(std::make_unique<Session>(client, next_serial_++, workers_.now()));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_paused_ = true;
            accept_again_ = workers_.now() + accept_pause;
        }
        if (errno != EINTR && errno != ECONNABORTED) return;
    }
}

/// All places are taken and somebody waits: whoever has asked for nothing the longest goes.
void Server::make_room() {
    pollfd door{socket_ != nullptr ? socket_->descriptor() : -1, POLLIN, 0};
    if (poll(&door, 1, 0) != 1) return;
    const Tick now = workers_.now();
    const auto idlest =
        std::max_element(sessions_.begin(), sessions_.end(),
                         [&](const auto& a, const auto& b) { return a->idle(now) < b->idle(now); });
    if (idlest != sessions_.end() && (*idlest)->idle(now) >= crowded_idle) (*idlest)->hang_up();
}

void Server::drop_finished() {
    sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                   [](const auto& session) { return session->finished(); }),
                    sessions_.end());
}

}  // namespace sluice::control
