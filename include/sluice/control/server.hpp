// The control socket: answers many clients from one thread while traffic runs. Nothing here waits for a
// client or a worker: each turn does a bounded slice of work for each client, and a listing goes on only as
// fast as it is read.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/control/alert_words.hpp"
#include "sluice/control/desk.hpp"
#include "sluice/control/flood_words.hpp"
#include "sluice/control/flow_census.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

class CaptureFeed;
class DropRates;
class EventFeed;
class EventWriter;
class FlowSweep;
class ListeningSocket;
class Session;
class SharedEvent;
struct SessionContext;

struct ServerOptions {
    std::string path;           ///< at most 107 bytes
    std::uint32_t mode = 0660;  ///< permission bits of the socket
    std::string group;          ///< its group; empty: the process's own

    unsigned max_clients = 512;      ///< served at once; more wait to be accepted, or are told so
    unsigned reserved_clients = 16;  ///< of those (half at most), for root and the daemon's own user
    unsigned max_followers = 32;     ///< of those may follow events or capture
    unsigned max_transfers = 8;      ///< of those may save or restore
    /// What up to `few_clients` have each; more share what these would have: so neither the memory nor the
    /// length of a turn grows with them.
    unsigned few_clients = 64;
    std::size_t output_bytes = 256 * 1024;  ///< a client's answer waiting to be read, at most about this
    unsigned slots_per_slice = 4096;        ///< flow slots looked at per client and turn
    std::uint32_t census_slots = FlowCensus::usual_slots;  ///< of a look of a client's census
    unsigned event_rows_per_turn = 8192;  ///< rows of events handed out, to all clients together
    std::uint32_t idle_seconds =
        60;  ///< a client that asks nothing, or reads nothing, for so long is dropped
    std::uint32_t request_seconds = 10;  ///< how long the rest of a request may take

    /// Told, once and in the control thread, what became of a reload; its error is shown to who asked. Where
    /// it went well, replace_settings() has been called before.
    using Reloaded = std::function<void(const Status&)>;
    /// Has the configuration read again (SIGHUP's work); may return before that is done. Runs in the control
    /// thread.
    std::function<void(Reloaded)> reload;
    /// Told of each alert, for the log. May be empty.
    std::function<void(const AlertNews&)> alerted;
    /// Nanoseconds since 1970; empty: the system's clock.
    std::function<std::uint64_t()> wall_clock;
};

/// Those at the socket.
struct Crowd {
    std::size_t clients = 0;
    unsigned transfers = 0;     ///< that save or restore
    unsigned censuses = 0;      ///< that have a census
    std::uint64_t refused = 0;  ///< whom there was no place for, ever
};

/// Who wants every flow, a batch at a time, while packets go on. Called by the control thread, between the
/// slices of others: nothing of it may wait.
class FlowTaker {
  public:
    virtual ~FlowTaker() = default;
    /// Has room for a batch; asked again soon when not.
    [[nodiscard]] virtual bool ready() = 0;
    /// `flows` records as append_flow() makes them.
    virtual void take(std::string_view records, std::size_t flows) = 0;
    /// That were all.
    virtual void finish() = 0;
};

/// Used by the control thread alone.
class Server {
  public:
    /// `workers` outlives the server.
    Server(const Workers& workers, ServerOptions options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Starts to listen. Fails with a sentence when another daemon answers at the path, when something that
    /// is no socket lies there, or when it cannot be made. A socket nobody answers at is replaced.
    Status open();

    /// One turn: waits at most `timeout_milliseconds` for something to do, then does a slice of it. 0 does
    /// not wait.
    void turn(int timeout_milliseconds);

    /// A turn also ends its wait when this becomes readable; what is to be done then is the caller's.
    void wake_on(int descriptor) { also_.push_back(descriptor); }

    /// Has every worker obey `settings` from now on, in the order of the calls; keeps them alive as long as a
    /// worker may look at them. The turns to come do the work.
    void replace_settings(std::shared_ptr<const pipeline::Settings> settings);
    /// Has the workers copy their flows out for `taker`, beside all else that they do: a few records a poll.
    /// One at a time; nothing is done where another is under way.
    void copy_flows(std::shared_ptr<FlowTaker> taker);
    /// Something about a flood, for those who follow events.
    void tell(const FloodChange& change);

    /// Has `writer`, which outlives the server, written what it wants of all events that happen from now on.
    void write(EventWriter& writer);
    /// The workers have stopped: hands what they still told to those writers.
    void finish_writing();
    /// The rows of `stats`, one JSON object a line.
    [[nodiscard]] std::string statistics() const;

    /// Every worker obeys the newest settings.
    [[nodiscard]] bool settled() const { return changeovers_.empty(); }

    [[nodiscard]] std::size_t clients() const { return sessions_.size(); }

  private:
    struct Changeover {
        std::shared_ptr<const pipeline::Settings> settings;
        unsigned posted = 0, answered = 0;  ///< workers
    };

    [[nodiscard]] SessionContext session_context();
    void hand_out_answers();
    void post_settings();
    void wait(int timeout_milliseconds);
    [[nodiscard]] std::chrono::microseconds patience(int timeout_milliseconds);
    void deliver_alerts();
    void deliver();
    unsigned offer_to_writers(const SharedEvent& event);
    template <class Drain>
    void deliver_some(Drain&& drain);
    void go_on_copying();
    void accept_clients();
    [[nodiscard]] std::size_t strangers() const;
    [[nodiscard]] bool has_place();
    bool let_idlest_go(bool strangers_alone);
    void pause_accepting();
    void refuse(int client);
    void drop_finished();

    const Workers& workers_;
    ServerOptions options_;
    Desk desk_;
    std::unique_ptr<EventFeed> events_;
    std::unique_ptr<CaptureFeed> captures_;
    std::unique_ptr<DropRates> drops_;
    std::vector<EventWriter*> writers_;
    bool more_to_deliver_ = false;  ///< the last turn left some in the rings
    /// Whose alerts may come: what is in force, and what was before.
    std::array<std::shared_ptr<const pipeline::Inspection>, 2> inspections_;
    std::unique_ptr<ListeningSocket> socket_;
    std::vector<int> also_;  ///< woken for these
    std::vector<std::unique_ptr<Session>> sessions_;
    std::uint64_t next_serial_ = 1;  ///< 0 stands for the server itself
    std::size_t first_ = 0;          ///< whose turn is first, so that nobody always finds the mailboxes full
    Tick accept_again_ = 0;          ///< out of descriptors or places: when to try again
    bool accept_paused_ = false;
    std::optional<Tick> crowded_since_;  ///< since when nobody but root can be given a place
    Crowd crowd_;
    std::shared_ptr<FlowTaker> taker_;
    std::unique_ptr<FlowSweep> sweep_;  ///< for it
    std::shared_ptr<const pipeline::Settings> in_force_;
    std::deque<Changeover> changeovers_;
};

}  // namespace sluice::control
