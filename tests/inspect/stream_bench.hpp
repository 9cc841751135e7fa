// One inspected flow on the test bench: segments by offset, what left, what was found.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "inspect/plain_scanner.hpp"
#include "sluice/inspect/reassembly.hpp"

namespace sluice::inspect::testing {

using tcp::Direction;

/// Zeroed memory, aligned to 64.
class Memory {
  public:
    explicit Memory(std::size_t bytes) : lines_(bytes / sizeof(Line) + 1) {}
    [[nodiscard]] std::span<std::byte> span() { return std::as_writable_bytes(std::span(lines_)); }

  private:
    struct alignas(64) Line {
        std::byte bytes[64];
    };
    std::vector<Line> lines_;
};

struct Recorder {
    struct Left {
        unsigned packet;
        Fate fate;
        friend bool operator==(const Left&, const Left&) = default;
    };
    struct Match {
        FlowNumber flow;
        Direction direction;
        std::uint32_t signature;
        std::uint64_t end;
    };
    std::vector<Left> left;
    std::vector<Match> matches;
    std::vector<Event> told;
    Effect effect = Effect::none;

    void out(unsigned packet, Fate fate) { left.push_back({packet, fate}); }
    Effect match(FlowNumber flow, Direction direction, std::uint32_t signature, std::uint64_t end) {
        matches.push_back({flow, direction, signature, end});
        return effect;
    }
    void event(FlowNumber /*flow*/, Direction /*direction*/, Event event) { told.push_back(event); }

    [[nodiscard]] unsigned count(Event event) const {
        return static_cast<unsigned>(std::count(told.begin(), told.end(), event));
    }
};

class StreamBench {
  public:
    static constexpr std::uint32_t isn = 0xFFFF'FFF0U;  ///< so that most data wrap

    StreamBench(std::vector<std::string> patterns, const Terms& terms,
                const ReassemblyLimits& limits = small())
        : scanner(std::move(patterns)),
          memory_(Reassembly<unsigned, PlainScanner>::bytes_needed(limits)),
          streams(limits, scanner, memory_.span()),
          flow(streams.open(terms)) {
        streams.begin(flow, Direction::original, isn);
        streams.begin(flow, Direction::reply, isn);
    }
    static ReassemblyLimits small() {
        ReassemblyLimits limits;
        limits.flows = 4;
        limits.chunks = 64;
        limits.chunks_per_direction = 32;
        limits.held_packets = 64;
        limits.held_per_direction = 32;
        return limits;
    }

    /// A segment whose first byte lies at `offset` of the data. Returns its packet number.
    unsigned send(std::uint32_t offset, const std::string& bytes, bool fin = false,
                  Direction direction = Direction::original) {
        StreamSegment segment;
        segment.sequence = isn + 1 + offset;
        segment.payload = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
        segment.fin = fin;
        segment.right_edge = isn + 1 + edge;
        segment.ttl = ttl;
        give(direction, segment);
        return packets++;
    }
    /// The receiver of `direction` acknowledges its first `offset` bytes.
    void acknowledge(std::uint32_t offset, Direction direction = Direction::original) {
        StreamSegment segment;
        segment.sequence = isn + 1;
        segment.right_edge = isn + 1 + edge;
        segment.has_acknowledgement = true;
        segment.acknowledgement = isn + 1 + offset;
        give(tcp::opposite(direction), segment);
        ++packets;
        sink.left.pop_back();
    }
    void poll() { streams.poll(now, sink); }

    /// What became of a packet: "pass", "drop", "held".
    [[nodiscard]] std::string fate(unsigned packet) const {
        for (const auto& left : sink.left)
            if (left.packet == packet) return left.fate == Fate::pass ? "pass" : "drop";
        return "held";
    }
    /// Packets that passed, in order.
    [[nodiscard]] std::vector<unsigned> passed() const {
        std::vector<unsigned> out;
        for (const auto& left : sink.left)
            if (left.fate == Fate::pass) out.push_back(left.packet);
        return out;
    }

    PlainScanner scanner;

  private:
    void give(Direction direction, const StreamSegment& segment) {
        if (streams.pass_next(flow, direction, segment, sink))
            sink.out(packets, Fate::pass);
        else
            streams.segment(flow, direction, segment, packets, now, sink);
    }

    Memory memory_;

  public:
    Reassembly<unsigned, PlainScanner> streams;
    FlowNumber flow;
    Recorder sink;
    unsigned packets = 0;
    std::uint32_t edge = 1U << 20U;  ///< of the receiver's window, an offset
    std::uint8_t ttl = 64;
    Tick now = 1000;
};

inline constexpr Terms alerting{};
inline constexpr Terms blocking{.blocking = true, .fail_open = false};

}  // namespace sluice::inspect::testing
