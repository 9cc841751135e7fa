#include "sluice/control/server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

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
/// While a copy of the flows waits for whoever takes it: how often we look whether it is ready.
constexpr std::chrono::milliseconds copy_wait{1};
constexpr Tick crowded_idle = ticks_per_second;  ///< a client idle for so long makes room for one that waits
/// Ticks without accepting when descriptors or places run out.
constexpr Tick accept_pause = 100;
/// How long strangers wait for a place before they are told that there is none. Behind them root may wait.
constexpr Tick longest_queue = ticks_per_second;

/// Requests at the desk that are no session's: what slot 0 and 1 of serial 0 mean.
constexpr std::uint64_t settings_ticket = 0, copy_ticket = 1;

/// Neither root nor the daemon's own user is at the other end.
bool is_stranger(int client) {
    ucred peer{};
    socklen_t length = sizeof peer;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return true;
    return peer.uid != 0 && peer.uid != geteuid();
}

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
    const std::size_t few = options_.few_clients, sharing = std::max(few, sessions_.size());
    return {.workers = workers_,
            .options = options_,
            .desk = desk_,
            .events = *events_,
            .captures = *captures_,
            .drops = *drops_,
            .crowd = crowd_,
            .output_bytes = options_.output_bytes * few / sharing,
            .slots_per_slice = static_cast<unsigned>(options_.slots_per_slice * few / sharing),
            .settled = settled(),
            .now = workers_.now()};
}

void Server::turn(int timeout_milliseconds) {
    hand_out_answers();
    post_settings();
    wait(timeout_milliseconds);
    hand_out_answers();
    drops_->look(workers_, workers_.now());
    crowd_.clients = sessions_.size();
    crowd_.transfers = static_cast<unsigned>(
        std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->transfers(); }));
    crowd_.censuses = static_cast<unsigned>(
        std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->has_census(); }));
    SessionContext context = session_context();
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
        Session& session = *sessions_[(first_ + i) % sessions_.size()];
        context.settled = settled();
        session.work(context);
        if (session.has_output()) session.send(context);
        session.check_patience(context);
    }
    ++first_;
    go_on_copying();
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
    append_statistics(out, workers_, *events_, *captures_, crowd_);
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
        while (change.posted < workers_.all.size() && desk_.post(change.posted, request, settings_ticket))
            ++change.posted;
        if (change.answered < workers_.all.size()) return;
        in_force_ = std::move(change.settings);
        changeovers_.pop_front();
    }
}

void Server::hand_out_answers() {
    SessionContext context = session_context();
    desk_.collect([&](std::uint64_t ticket, unsigned, const pipeline::Request& answer) {
        const std::uint64_t serial = Session::serial_of(ticket);
        if (ticket == settings_ticket) {
            ++changeovers_.front().answered;
            return;
        }
        if (ticket == copy_ticket) {
            const auto [records, flows] = sweep_->answered();
            if (flows != 0) taker_->take(records, flows);
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
    if (sweep_ != nullptr) wait = std::min<std::chrono::microseconds>(wait, copy_wait);
    if (more_to_deliver_) return std::chrono::microseconds{0};
    if (events_->counts.readers + captures_->counts.readers + writers_.size() != 0)
        wait = std::min(wait, event_wait);
    if (accept_paused_)
        wait = std::min<std::chrono::microseconds>(wait, std::chrono::milliseconds{accept_pause});
    return wait;
}

void Server::wait(int timeout_milliseconds) {
    if (accept_paused_ && reached(workers_.now(), accept_again_)) accept_paused_ = false;
    const bool listening = socket_ != nullptr && !accept_paused_;
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
        if ((watched[i].revents & POLLOUT) != 0) sessions_[i]->writable();
        if ((watched[i].revents & POLLIN) != 0)
            sessions_[i]->receive(context);
        else if ((watched[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
            sessions_[i]->hang_up();
    }
    if (listening && (watched.back().revents & POLLIN) != 0) accept_clients();
}

// ---- Copies of the flows

void Server::copy_flows(std::shared_ptr<FlowTaker> taker) {
    if (sweep_ != nullptr) return;
    taker_ = std::move(taker);
    sweep_ = std::make_unique<FlowSweep>(workers_.now());
}

void Server::go_on_copying() {
    if (sweep_ == nullptr || sweep_->asked() || !taker_->ready()) return;
    if (!sweep_->through(workers_)) {
        (void)sweep_->ask(desk_, copy_ticket);  // a full mailbox: the next turn
        return;
    }
    taker_->finish();
    sweep_.reset();
    taker_.reset();
}

// ---- Clients come and go

void Server::accept_clients() {
    for (unsigned i = 0; i < accepts_per_turn; ++i) {
        // Nobody is to go for one who does not come.
        pollfd door{socket_->descriptor(), POLLIN, 0};
        if (poll(&door, 1, 0) != 1) return;
        if (!has_place()) return pause_accepting();
        const int client = accept4(socket_->descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            const bool stranger = is_stranger(client);
            if (stranger && crowded_since_)
                refuse(client);
            else
                sessions_.push_back(
                    std::make_unique<Session>(client, next_serial_++, workers_.now(), stranger));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            let_idlest_go(false);
            pause_accepting();
        }
        if (errno != EINTR && errno != ECONNABORTED) return;
    }
}

std::size_t Server::strangers() const {
    return static_cast<std::size_t>(
        std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->stranger(); }));
}

/// Whether one more may be accepted, if need be in the place of who keeps us waiting. While strangers have
/// all of theirs (`crowded_since_`), nobody is for a while, and then all who are no strangers.
bool Server::has_place() {
    if (sessions_.size() >= options_.max_clients && !let_idlest_go(false)) return false;
    const std::size_t theirs =
        options_.max_clients - std::min(options_.max_clients / 2, options_.reserved_clients);
    if (strangers() < theirs || let_idlest_go(true)) {
        crowded_since_.reset();
        return true;
    }
    if (!crowded_since_) crowded_since_ = workers_.now();
    return workers_.now() - *crowded_since_ >= longest_queue;
}

/// Somebody waits for a place: who has kept us waiting the longest goes. False when nobody has for long.
bool Server::let_idlest_go(bool strangers_alone) {
    const Tick now = workers_.now();
    const auto idle = [&](const std::unique_ptr<Session>& session) {
        return strangers_alone && !session->stranger() ? 0 : session->idle(now);
    };
    const auto idlest = std::max_element(sessions_.begin(), sessions_.end(),
                                         [&](const auto& a, const auto& b) { return idle(a) < idle(b); });
    if (idlest == sessions_.end() || idle(*idlest) < crowded_idle) return false;
    (*idlest)->hang_up();
    if (!(*idlest)->finished()) return false;  // a worker has something of its: soon
    sessions_.erase(idlest);
    return true;
}

void Server::pause_accepting() {
    accept_paused_ = true;
    accept_again_ = workers_.now() + accept_pause;
}

/// Says why, if that goes at once.
void Server::refuse(int client) {
    ++crowd_.refused;
    const std::string why = to_line({false, 0,
                                     "all places at the control socket are taken by others, who are busy; "
                                     "try again"});
    (void)::send(client, why.data(), why.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(client);
}

void Server::drop_finished() {
    sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                   [](const auto& session) { return session->finished(); }),
                    sessions_.end());
}

}  // namespace sluice::control
