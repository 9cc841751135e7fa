// Packets in, judgements out: one tracker or several, driven by the packets' timestamps.
//
// With several trackers every packet reaches the first one, as on a device with a single receive queue, and
// goes from there to the worker that owns its flow, exactly as in the daemon. A packet is carried to its end
// before the next one is looked at, so the judgements do not depend on the number of workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/capture_reader.hpp"
#include "app/replay_clock.hpp"
#include "app/replay_frame.hpp"
#include "sluice/base/result.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/pipeline/flow_view.hpp"
#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::app {

/// A signature that was found.
struct ReplayAlert {
    std::uint32_t id = 0;  ///< the operator's own
    std::string line;      ///< control::alert_line()
};

/// What became of one packet, and how its flow stands behind it.
struct Judgement {
    const Frame* frame = nullptr;
    unsigned worker = 0;
    pipeline::Decision decision;
    std::uint64_t flow = 0;  ///< 1, 2, … in order of creation; 0: none
    bool tcp = false;        ///< the flow is a TCP connection; `pair` is valid
    tcp::Pair pair{};
    bool assured = false;
    bool seen_reply = false;
    std::uint32_t timeout = 0;  ///< whole seconds, rounded down
    /// Why a packet was not simply accepted, with the numbers; empty when it was.
    std::string why;
    std::vector<ReplayAlert> alerts;  ///< of signatures found when it came
};

/// A flow that is no longer tracked.
struct FlowEnd {
    std::uint64_t flow = 0;  ///< its number
    flow::Removal why{};
    std::int64_t nanoseconds = 0;  ///< since 1970: when it fell due, or else was removed
};

/// Takes judgements, in the order in which packets leave.
class JudgementSink {
  public:
    JudgementSink() = default;
    JudgementSink(const JudgementSink&) = delete;
    JudgementSink& operator=(const JudgementSink&) = delete;
    virtual ~JudgementSink() = default;
    virtual void judged(const Judgement& judgement) = 0;
    /// The tracker holds the packet; its judgement follows later.
    virtual void held(const Frame& frame) = 0;
    /// A flow has gone. Comes before the judgement of the packet by which time it was gone, or that made it
    /// go.
    virtual void ended(const FlowEnd& /*end*/) {}
};

/// Remembers the last segment the engine judged, so that it can be explained when somebody asks, and which
/// flows went.
class TrackerWitness {
  public:
    static constexpr bool watches = true;
    struct Removed {
        packet::Family family;
        flow::Ref flow;
        flow::Removal why;
        Tick expiry;
    };

    void segment(const tcp::Connection& before, const tcp::PendingSyn& pending, tcp::Direction direction,
                 const tcp::Segment& segment, const tcp::Verdict& verdict) {
        last_ = Seen{before, pending, direction, segment, verdict};
    }
    void removed(packet::Family family, flow::Ref flow, flow::Removal why, Tick expiry) {
        removed_.push_back({family, flow, why, expiry});
    }
    void forget() { last_.reset(); }
    /// Those since the last call.
    [[nodiscard]] std::vector<Removed> take_removed() { return std::exchange(removed_, {}); }
    /// The sentence for the last segment if it was judged with this reason; empty otherwise.
    [[nodiscard]] std::string explain(Reason reason, const tcp::Settings& settings) const;

  private:
    struct Seen {
        tcp::Connection before;
        tcp::PendingSyn pending;
        tcp::Direction direction;
        tcp::Segment segment;
        tcp::Verdict verdict;
    };
    std::optional<Seen> last_;
    std::vector<Removed> removed_;
};

class ReplayEngine {
  public:
    using Tracker = pipeline::Tracker<pipeline::MemoryIo, TrackerWitness>;

    /// `limits` are those of one worker. Takes the memory for all tables at once; the error says how much was
    /// wanted.
    [[nodiscard]] static Result<std::unique_ptr<ReplayEngine>> create(const pipeline::Limits& limits,
                                                                      const pipeline::Settings& settings,
                                                                      unsigned workers, JudgementSink& sink);
    ReplayEngine(const ReplayEngine&) = delete;
    ReplayEngine& operator=(const ReplayEngine&) = delete;
    ~ReplayEngine();

    /// The link layer of the packets that follow.
    void set_link_layer(packet::LinkLayer link);
    /// Judges the next packet of the input.
    void feed(const CapturedPacket& packet);
    /// The flows present now, in order of creation.
    [[nodiscard]] std::vector<pipeline::FlowView> flows() const;
    /// The input has ended: datagrams that are not complete are dropped as fragment-timeout.
    void finish();

    /// Packets that the trackers hold: fragments of incomplete datagrams.
    [[nodiscard]] std::size_t held() const { return held_; }
    [[nodiscard]] pipeline::Now now() const { return clock_.now(); }
    [[nodiscard]] std::uint64_t flows_created() const { return flows_created_; }

  private:
    /// Zeroed memory, given back with the worker.
    class Arena {
      public:
        explicit Arena(std::size_t bytes);
        Arena(Arena&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
        Arena& operator=(Arena&&) = delete;
        ~Arena();
        [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }  ///< empty: there was none

      private:
        std::span<std::byte> bytes_;
    };
    struct Worker {
        Arena arena;
        std::unique_ptr<Tracker> tracker;
        std::uint64_t inserted = 0;                   ///< its count of flows created, when last looked at
        std::vector<std::uint64_t> number4, number6;  ///< flow numbers by record
    };

    using Output = pipeline::Output<pipeline::MemoryIo>;

    ReplayEngine(const pipeline::Limits& limits, const pipeline::Settings& settings, JudgementSink& sink)
        : limits_(limits), settings_(settings), sink_(sink) {}

    [[nodiscard]] Frame& next_frame(const CapturedPacket& packet);
    void poll_all(pipeline::Now now);
    void take(unsigned worker, const Output& out, unsigned hop = 0);
    void hand_over(const Output::Judged& judged, unsigned hop);
    void judge(unsigned worker, pipeline::MemoryPacket* first, const pipeline::Decision& decision);
    void number_flow(Worker& worker, const pipeline::Decision& decision);
    void describe_flow(const Worker& worker, Judgement& judgement) const;
    [[nodiscard]] std::string reason_of(const Worker& worker, const Frame& frame, const Frame& first,
                                        const pipeline::Decision& decision) const;
    void note_removed(const Worker& worker);
    void note_alerts(unsigned index);
    [[nodiscard]] std::vector<ReplayAlert> alerts_of(unsigned index, const pipeline::Decision& decision);
    void report_ended();
    void keep(Frame& frame);
    void release(Frame& frame);

    const pipeline::Limits limits_;
    const pipeline::Settings& settings_;
    JudgementSink& sink_;
    packet::LinkLayer link_ = packet::LinkLayer::ethernet;
    TrackerWitness witness_;
    ReplayClock clock_;
    std::vector<Worker> workers_;
    std::vector<std::unique_ptr<Frame>> frames_;  ///< all there are
    std::vector<Frame*> free_frames_;
    Frame* current_ = nullptr;  ///< the packet being fed, until it is judged
    std::size_t held_ = 0;
    /// A fragment goes to the worker that collects its datagram, and that to the owner of its flow.
    static constexpr unsigned max_hops = 2;
    Output out_;
    std::array<Output, max_hops> handed_over_;
    std::uint64_t packets_ = 0;
    std::uint64_t flows_created_ = 0;
    struct Gone {
        std::uint64_t flow;
        flow::Removal why;
        Tick expiry;
    };
    std::vector<Gone> gone_;  ///< not yet reported
    struct Found {
        unsigned worker;
        packet::Family family;
        flow::Ref flow;
        ReplayAlert alert;
    };
    std::vector<Found> found_;  ///< by signatures, not yet reported
    bool input_ended_ = false;
};

}  // namespace sluice::app
