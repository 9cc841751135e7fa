// The story of a flow: what `sluice explain` tells, collected while a replay runs, before anything is laid
// out. Memory is bounded whatever the capture: so many stories, so many rows each; plain traffic is folded as
// it comes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/replay_engine.hpp"
#include "sluice/control/filter.hpp"

namespace sluice::app {

/// One packet of a flow, and what became of it.
struct StorySegment {
    enum class Kind : std::uint8_t { tcp, icmp, fragment, other };
    Kind kind = Kind::other;
    tcp::Direction direction{};
    std::uint64_t number = 0;      ///< in the input, from 1
    std::int64_t nanoseconds = 0;  ///< since 1970
    std::uint32_t length = 0;      ///< TCP or UDP payload; of other packets, bytes behind the IP headers

    // Kind::tcp
    std::uint8_t flags = 0;
    std::uint32_t sequence = 0, acknowledgement = 0;  ///< as on the wire
    /// Counted from the initial sequence numbers, as they were known at this packet; negative: before them.
    std::int64_t relative_sequence = 0, relative_acknowledgement = 0;
    std::uint32_t window = 0;  ///< bytes: scaled where both sides offered a scale
    /// What an accepted segment's data (SYN and FIN count) is to what passed before it.
    enum class Progress : std::uint8_t {
        onward,  ///< the next, or no data at all
        again,   ///< all of it had passed before
        gap,     ///< something before it had not passed yet
        late,    ///< some of it had been missing: fills a gap
    };
    Progress progress = Progress::onward;

    std::uint8_t icmp_type = 0, icmp_code = 0;  ///< Kind::icmp
    std::uint16_t fragment_offset = 0;          ///< Kind::fragment

    pipeline::CtState state{};
    pipeline::Action action{};
    Reason reason = Reason::none;
    std::string why;  ///< a sentence, unless the reason is none
    std::optional<tcp::Pair> before,
        after;  ///< of a TCP flow; `before` is empty for the packet that begins it
    bool seen_reply = false, assured = false;
    std::uint32_t timeout = 0;  ///< whole seconds the flow has left behind this packet

    [[nodiscard]] bool moves() const { return before != after; }
};

/// Packets that are counted and not told one by one.
struct StoryFold {
    std::uint64_t first = 0, last = 0;  ///< numbers of packets
    std::int64_t first_nanoseconds = 0, last_nanoseconds = 0;
    struct Way {
        std::uint64_t packets = 0;  ///< with payload
        std::uint64_t empty = 0;    ///< without: acknowledgements
        std::uint64_t bytes = 0;    ///< of payload
    };
    std::array<Way, 2> way{};     ///< by Direction
    std::uint64_t refused = 0;    ///< among them
    std::uint64_t tolerated = 0;  ///< among them
    bool left_out = false;        ///< for want of room, not because they were plain
};

using StoryRow = std::variant<StorySegment, StoryFold>;

/// Rows in order, at most `most` of them: the first half and the last half, and between them a fold of what
/// was left out. Runs of plain packets become their first, a fold and their last.
class StoryRows {
  public:
    StoryRows(std::size_t most, bool fold_plain) : half_(most / 2), fold_plain_(fold_plain) {}
    void add(const StorySegment& segment, bool plain);
    [[nodiscard]] std::vector<StoryRow> all() const;

  private:
    static constexpr std::size_t kept_first = 3, kept_last = 2;  ///< of a run of plain packets

    void fold_run(std::deque<StoryRow>& rows);

    std::size_t half_;
    bool fold_plain_;
    std::size_t run_ = 0;        ///< plain packets at the end
    bool run_has_fold_ = false;  ///< some of them are in a fold
    std::deque<StoryRow> head_, tail_;
    std::optional<StoryFold> between_;
};

/// What a SYN or SYN,ACK offered.
struct OfferedOptions {
    std::uint16_t mss = 0;  ///< 0: none
    std::optional<std::uint8_t> window_scale;
    bool sack = false, timestamps = false, fast_open = false;
};

struct Story {
    Story(std::size_t most_rows, bool fold_plain) : rows(most_rows, fold_plain) {}

    std::uint64_t flow = 0;
    pipeline::FlowView identity;  ///< family, protocol, addresses, ports, VLANs: nothing that changes
    std::uint64_t first_packet = 0;
    std::int64_t start = 0, last = 0;  ///< nanoseconds since 1970
    struct Way {
        std::uint64_t packets = 0, bytes = 0, payload = 0;  ///< bytes: of frames on the wire
    };
    std::array<Way, 2> way{};
    std::array<std::optional<OfferedOptions>, 2> offered{};  ///< by Direction; empty: no SYN of it was seen
    std::array<std::uint64_t, reason_count> reasons{};       ///< packets under each
    std::array<std::uint64_t, 2> fin{};                      ///< packet of the first FIN; 0: none
    std::uint64_t reset = 0;                                 ///< packet of the last RST that was believed
    tcp::Direction reset_by{};
    bool reset_refuses = false;     ///< it answered the SYN
    std::uint64_t icmp_error = 0;   ///< packet of the last ICMP error that fits it
    std::string icmp_error_text;    ///< "ICMP 3/1"
    std::optional<tcp::Pair> pair;  ///< now
    bool assured = false, seen_reply = false;
    std::uint32_t timeout = 0;
    std::optional<FlowEnd> end;
    StoryRows rows;

    [[nodiscard]] bool is_tcp() const { return identity.protocol == packet::tcp; }
    /// Both sides' windows are scaled: both offered it.
    [[nodiscard]] bool scaled() const {
        return offered[0] && offered[1] && offered[0]->window_scale && offered[1]->window_scale;
    }

    std::array<std::optional<std::uint32_t>, 2> isn{};  ///< what relative numbers count from
    /// By Direction: where the data that passed ends, and what is missing before that; of many gaps the
    /// newest.
    struct Passed {
        struct Gap {
            std::uint32_t from, to;
        };
        std::optional<std::uint32_t> end;
        std::vector<Gap> gaps;
    };
    std::array<Passed, 2> passed{};
};

/// Which flows are told, and how much of them is kept.
struct StoryChoice {
    control::Filter filter;
    std::optional<std::uint64_t> flow;  ///< this one alone
    std::size_t most_flows = 100;
    std::size_t most_rows = 1000;  ///< of each flow, at least 2
    bool full = false;             ///< plain packets are not folded
};

class StoryCollector : public JudgementSink {
  public:
    explicit StoryCollector(const StoryChoice& choice) : choice_(choice) {}

    void judged(const Judgement& judgement) override;
    void held(const Frame&) override {}
    void ended(const FlowEnd& end) override;

    /// In order of the flows' beginnings.
    [[nodiscard]] const std::map<std::uint64_t, Story>& stories() const { return stories_; }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    /// Flows that were asked for and found no room.
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }
    /// Packets that belong to no flow, by reason.
    [[nodiscard]] const std::array<std::uint64_t, reason_count>& flowless() const { return flowless_; }

  private:
    [[nodiscard]] Story* story_of(const Judgement& judgement);

    StoryChoice choice_;
    std::map<std::uint64_t, Story> stories_;
    std::uint64_t newest_flow_ = 0;  ///< that has been looked at
    std::uint64_t packets_ = 0, left_out_ = 0;
    std::array<std::uint64_t, reason_count> flowless_{};
};

}  // namespace sluice::app
