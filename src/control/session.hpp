// One client of the control socket: its request in progress and what waits to be sent to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture_feed.hpp"
#include "drop_rates.hpp"
#include "event_feed.hpp"
#include "flow_sweep.hpp"
#include "sluice/control/alert_words.hpp"
#include "sluice/control/desk.hpp"
#include "sluice/control/flood_words.hpp"
#include "sluice/control/flow_census.hpp"
#include "sluice/control/flow_transfer.hpp"
#include "sluice/control/query.hpp"
#include "sluice/control/server.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::control {

/// What every session works with, during one turn.
struct SessionContext {
    const Workers& workers;
    const ServerOptions& options;
    Desk& desk;
    EventFeed& events;
    CaptureFeed& captures;
    const DropRates& drops;
    Crowd& crowd;
    std::size_t output_bytes;  ///< a client's share: ServerOptions
    unsigned slots_per_slice;
    bool settled = true;  ///< no change of settings is on its way to the workers
    Tick now = 0;
};

class Session {
  public:
    /// Owns `descriptor`, which is non-blocking. `serial` is never used twice. `stranger`: neither root's nor
    /// the daemon's own user's.
    Session(int descriptor, std::uint64_t serial, Tick now, bool stranger)
        : descriptor_(descriptor), serial_(serial), stranger_(stranger), since_(now) {}
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] std::uint64_t serial() const { return serial_; }
    [[nodiscard]] bool stranger() const { return stranger_; }
    /// Nothing more is to be done for it, and no worker has anything of its.
    [[nodiscard]] bool finished() const { return finished_ && lent_ == 0; }

    [[nodiscard]] bool wants_input() const {
        return (!busy() || follows()) && !line_ready_ && !last_words_ && !hung_up_;
    }
    [[nodiscard]] bool has_output() const { return sent_ < output_.size(); }
    /// A slice of work could be done at once.
    [[nodiscard]] bool can_go_on(const SessionContext& context) const;

    void receive(const SessionContext& context);
    /// A slice of work, at most context.slots_per_slice flow slots.
    void work(SessionContext& context);
    void answered(SessionContext& context, std::uint32_t slot, const pipeline::Request& answer);
    /// Sends what it takes at once.
    void send(const SessionContext& context);
    /// It takes more again.
    void writable() { stuck_ = false; }
    void hang_up() { finished_ = true; }
    [[nodiscard]] bool has_census() const { return census_ != nullptr; }
    /// Saves or restores.
    [[nodiscard]] bool transfers() const { return stage_ == Stage::save || stage_ == Stage::restore; }

    /// Wants events as they come, and which.
    [[nodiscard]] bool follows() const { return stage_ == Stage::follow && !finished_; }
    [[nodiscard]] EventMask followed() const { return captures() ? 0 : query_.events; }
    [[nodiscard]] bool captures() const { return query_.kind == Query::Kind::capture; }
    [[nodiscard]] pipeline::CaptureKinds captured() const {
        if (!captures()) return 0;
        return query_.story ? pipeline::traced_too : query_.captures;
    }
    /// Of the flow that it is shown step by step; nothing: of none.
    [[nodiscard]] std::optional<std::uint64_t> traced() const {
        return captures() && query_.story ? std::optional(traced_) : std::nullopt;
    }
    /// Shows the event, or counts it as lost. True when a row was made of it.
    bool offer(const SessionContext& context, SharedEvent& event);
    void offer(const SessionContext& context, const FloodChange& change);
    void offer(const SessionContext& context, const AlertNews& news);
    /// `flow`: view() of the packet, or null.
    bool offer(const SessionContext& context, const pipeline::CapturedPacket& packet, unsigned worker,
               const pipeline::FlowView* flow);
    /// Says how many were lost, as soon as there is room to say so.
    void tell_losses(const SessionContext& context);

    /// Drops the client when it has kept us waiting too long.
    void check_patience(const SessionContext& context);
    /// How long it has kept us waiting, in ticks: has not read what waits for it, or asked for nothing. 0
    /// while a request of its is being answered.
    [[nodiscard]] Tick idle(Tick now) const {
        if (has_output()) return now - progress_;
        return busy() ? 0 : now - since_;
    }

    /// Names a request at the desk: which session, which of its requests under way.
    [[nodiscard]] std::uint64_t ticket(std::uint32_t slot) const { return serial_ << 16 | slot; }
    [[nodiscard]] static std::uint64_t serial_of(std::uint64_t ticket) { return ticket >> 16; }
    [[nodiscard]] static std::uint32_t slot_of(std::uint64_t ticket) { return ticket & 0xFFFF; }

  private:
    enum class Stage : std::uint8_t {
        idle,     ///< no request in progress
        scan,     ///< going through the tables
        rows,     ///< going through attacks, services, rules or signatures
        ask_all,  ///< asking every worker in turn (flush)
        await,    ///< all is asked: waiting for answers
        reload,   ///< waiting until the configuration has been read again
        settle,   ///< and then until every worker obeys new settings
        save,     ///< taking flows out of the workers, one after the other
        restore,  ///< giving flows to the workers
        census,   ///< going through a piece of the tables
        follow,   ///< shown events until it asks for something else, or sends no more
    };
    /// Where a scan stands: worker, family, record.
    struct Cursor {
        unsigned worker = 0;
        bool ipv6 = false;
        flow::Ref next = 0;
    };

    [[nodiscard]] bool busy() const { return stage_ != Stage::idle; }
    [[nodiscard]] bool room_for_rows(const SessionContext& context) const {
        return output_.size() - sent_ + max_line_bytes * (asked_ + 1) <= context.output_bytes;
    }

    void take_requests(SessionContext& context);
    void begin(SessionContext& context, std::string_view line);
    void begin_count(SessionContext& context);
    void begin_insert(SessionContext& context);
    void begin_reload(SessionContext& context);
    void look_after_reload(SessionContext& context);
    void begin_floods(SessionContext& context);
    void begin_rules(SessionContext& context);
    void test_packet(SessionContext& context);
    void show_rules(SessionContext& context);
    void begin_signatures(SessionContext& context);
    void show_signatures(SessionContext& context);
    void begin_census(SessionContext& context);
    void go_on_with_census(SessionContext& context);
    void begin_following(SessionContext& context);
    void begin_story(SessionContext& context, std::uint64_t hash);
    void await_story(SessionContext& context);
    [[nodiscard]] FeedCounts& counts(const SessionContext& context) const {
        return captures() ? context.captures.counts : context.events.counts;
    }
    /// What workers have lost, ever, of what this client follows.
    [[nodiscard]] std::uint64_t lost_by_workers(const SessionContext& context) const {
        return captures() ? context.captures.lost(query_.captures) : context.events.lost(query_.events);
    }
    [[nodiscard]] static bool crowded(const SessionContext& context);
    // session_flows.cpp
    [[nodiscard]] bool begin_transfer(SessionContext& context);
    void begin_save(SessionContext& context);
    [[nodiscard]] bool room_for_flows(const SessionContext& context) const;
    void save(SessionContext& context);
    void saved(SessionContext& context);
    void begin_restore(SessionContext& context);
    void restore(SessionContext& context);
    void restored(SessionContext& context, std::uint32_t slot);
    [[nodiscard]] bool room_for_event(const SessionContext& context);
    void append_losses(const SessionContext& context);
    void scan(SessionContext& context);
    void show_rows(SessionContext& context);
    template <class Table>
    bool scan_table(SessionContext& context, const Table& table, unsigned& budget);
    bool found(SessionContext& context, const pipeline::FlowView& flow);
    bool ask_to_change(SessionContext& context, const pipeline::FlowView& flow);
    void show(SessionContext& context, const pipeline::FlowView& flow);
    void begin_output(const SessionContext& context);
    void ask_all_workers(SessionContext& context);
    void finish(SessionContext& context, const End& end);
    void finish_when_answered(SessionContext& context);

    int descriptor_;
    std::uint64_t serial_;
    bool stranger_;
    Tick since_;               ///< the last request was answered, or the client came
    Tick request_since_ = 0;   ///< the first byte of an unfinished request came
    Tick progress_ = 0;        ///< output was last taken, or begun
    bool finished_ = false;    ///< to be closed
    bool hung_up_ = false;     ///< the client sends no more
    bool last_words_ = false;  ///< close once the output is sent
    bool line_ready_ = false;  ///< `input_` holds a whole request
    bool blocked_ = false;     ///< the last slice stopped for want of a mailbox slot
    bool stuck_ = false;       ///< the socket took no more: poll() says when it does
    std::string input_;
    std::string output_;
    std::size_t sent_ = 0;

    Stage stage_ = Stage::idle;
    Query query_;
    Cursor cursor_;
    std::uint64_t count_ = 0;
    unsigned asked_ = 0;                        ///< requests at the desk
    std::vector<pipeline::FlowView> changing_;  ///< by slot: the flow that a request at the desk is about
    std::vector<std::uint32_t> free_slots_;
    std::vector<Flood> floods_;                        ///< what is shown of them, as they were when asked for
    std::size_t next_row_ = 0;                         ///< of those, or of the services, or of the rules
    std::shared_ptr<const pipeline::Policy> policy_;   ///< whose rules are shown
    std::shared_ptr<std::optional<Status>> reloaded_;  ///< what became of a reload, once it is known
    std::shared_ptr<const pipeline::Inspection> inspection_;  ///< whose signatures are shown
    pipeline::ProfileNumber profile_ = 0;                     ///< of that, the one being shown

    std::unique_ptr<FlowCensus> census_;  ///< once it was asked for: its rates are those between two requests

    unsigned lent_ = 0;  ///< requests at the desk with memory of ours in them
    std::unique_ptr<FlowSweep> sweep_;
    struct Delivery {
        unsigned worker;
        std::shared_ptr<pipeline::FlowImport> flows;
    };
    std::vector<Delivery> deliveries_;
    std::size_t next_delivery_ = 0;
    RestoreTally tally_;

    std::uint64_t traced_ = 0;           ///< capture with a story: the hash of the flow's key
    bool losing_ = false;                ///< no room was left; there is again when half of it is free
    std::uint64_t lost_ = 0;             ///< events for want of room, not yet told
    std::uint64_t lost_by_workers_ = 0;  ///< of EventFeed::lost(), what has been told
    Tick told_ = 0;                      ///< when losses were told last
};

}  // namespace sluice::control
