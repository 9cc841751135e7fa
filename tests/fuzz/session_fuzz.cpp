// One client of the control socket that sends arbitrary bytes in arbitrary pieces: a real session, two real
// trackers, no threads. Each line gets exactly one closing line, in order, and nobody waits for ever.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "control/session.hpp"
#include "fuzz.hpp"
#include "support/memory_tracker.hpp"

namespace {

using namespace sluice;
using namespace sluice::control;
using fuzz::require;
using Tracker = test::MemoryTracker;

class Daemon {
  public:
    Daemon() {
        limits_.ipv4_flows = limits_.ipv6_flows = 16;
        limits_.fragment_datagrams = 1;
        limits_.event_slots = 4;
        limits_.capture_slots = 4;
        for (unsigned i = 0; i < 2; ++i) {
            pipeline::Steering steering;
            steering.workers = 2;
            steering.self = i;
            arenas_.emplace_back(Tracker::bytes_needed(limits_) / 64 + 1);
            trackers_.push_back(std::move(*Tracker::create(
                limits_, settings_, secret_, steering, std::as_writable_bytes(std::span(arenas_.back())))));
            Tracker& made = *trackers_.back();
            workers_.all.push_back({.table4 = &made.table4(),
                                    .table6 = &made.table6(),
                                    .mailbox = &made.mailbox(),
                                    .counters = &made.counters(),
                                    .events = &made.events(),
                                    .captures = &made.captures()});
        }
        workers_.now = [] { return now; };
        const auto owner = [this](const auto& key) { return flow::owner_of(flow::hash(key, secret_), 2); };
        workers_.owner4 = owner;
        workers_.owner6 = owner;
        workers_.layout.pairs = {{"wire", 0}};
        options_.wall_clock = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
        options_.reload = [](const control::ServerOptions::Reloaded& done) { done(success()); };
        desk_ = std::make_unique<Desk>(workers_);
        events_ = std::make_unique<EventFeed>(workers_);
        captures_ = std::make_unique<CaptureFeed>(workers_);
        int ends[2] = {-1, -1};
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
                "a pair of sockets");
        client_ = ends[0];
        session_ = std::make_unique<Session>(ends[1], 1, now, true);
    }
    ~Daemon() {
        if (client_ >= 0) close(client_);
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    void send(std::span<const std::uint8_t> bytes) {
        if (session_->finished() || bytes.empty()) return;
        require(
            ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()),
            "there is room for a few bytes");
        sent_.append(bytes.begin(), bytes.end());
        settle();
    }

    void finish() {
        (void)shutdown(client_, SHUT_WR);
        settle();
        require(session_->finished(), "a client that has hung up is let go");
        const std::size_t lines = static_cast<std::size_t>(std::count(sent_.begin(), sent_.end(), '\n'));
        std::size_t ends = 0, at = 0;
        for (std::size_t end; (end = received_.find('\n', at)) != std::string::npos; at = end + 1)
            ends += parse_end(std::string_view(received_).substr(at, end - at)) ? 1U : 0U;
        require(at == received_.size(), "an answer is whole lines");
        require(ends == lines, "each request has one closing line");
    }

  private:
    struct alignas(64) Line {
        std::byte bytes[64];
    };
    static constexpr Tick now = 1'000'000;

    pipeline::Limits limits_;
    pipeline::Settings settings_;
    flow::Secret secret_{{1, 2, 3, 4}};
    std::vector<std::vector<Line>> arenas_;
    std::vector<std::unique_ptr<Tracker>> trackers_;
    Workers workers_;
    ServerOptions options_;
    std::unique_ptr<Desk> desk_;
    std::unique_ptr<EventFeed> events_;
    std::unique_ptr<CaptureFeed> captures_;
    DropRates drops_;
    Crowd crowd_;
    std::unique_ptr<Session> session_;
    int client_ = -1;
    std::string sent_, received_;

    /// The server's turn, until nothing is left to do.
    void settle() {
        pipeline::Output<pipeline::MemoryIo> out;
        for (int turns = 0;; ++turns) {
            require(turns < 10'000, "every request comes to an end");
            SessionContext context{.workers = workers_,
                                   .options = options_,
                                   .desk = *desk_,
                                   .events = *events_,
                                   .captures = *captures_,
                                   .drops = drops_,
                                   .crowd = crowd_,
                                   .output_bytes = options_.output_bytes,
                                   .slots_per_slice = options_.slots_per_slice,
                                   .settled = true,
                                   .now = now};
            const std::size_t before = received_.size();
            for (auto& tracker : trackers_) tracker->poll({now, 1'700'000'000'000'000'000}, out);
            desk_->collect([&](std::uint64_t ticket, unsigned, const pipeline::Request& answer) {
                session_->answered(context, Session::slot_of(ticket), answer);
            });
            if (!session_->finished() && session_->wants_input()) session_->receive(context);
            const bool more = !session_->finished() && session_->can_go_on(context);
            if (!session_->finished()) session_->work(context);
            follow(context);
            if (!session_->finished() && session_->has_output()) session_->send(context);
            take_answers();
            if (!more && !desk_->waiting() && received_.size() == before && !session_->has_output() &&
                !has_input())
                return;
        }
    }
    void follow(const SessionContext& context) {
        const bool follows = session_->follows();
        const bool captures = follows && session_->captures();
        events_->counts.readers = follows && !captures ? 1 : 0;
        captures_->counts.readers = captures ? 1 : 0;
        events_->want(follows ? session_->followed() : 0);
        captures_->want(captures ? session_->captured() : 0);
        if (!follows) return;
        events_->drain(64, [&](SharedEvent& event) { session_->offer(context, event); });
        captures_->drain(64, [&](const pipeline::CapturedPacket& packet, unsigned worker) {
            session_->offer(context, packet, worker, nullptr);
        });
        session_->tell_losses(context);
    }
    [[nodiscard]] bool has_input() const {
        char byte;
        return !session_->finished() && session_->wants_input() &&
               recv(session_->descriptor(), &byte, 1, MSG_PEEK) >= 0;
    }
    void take_answers() {
        char bytes[16 * 1024];
        for (ssize_t got; (got = recv(client_, bytes, sizeof bytes, 0)) > 0;)
            received_.append(bytes, static_cast<std::size_t>(got));
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Daemon daemon;
    // Pieces are as long as the first bytes say, in turn.
    fuzz::Input input(data, size);
    const std::size_t pieces[] = {1U + input.u8(), 1U + input.u8() * 16U};
    for (unsigned i = 0; !input.empty() && i < 64; ++i) daemon.send(input.bytes(pieces[i % 2]));
    daemon.finish();
    return 0;
}
