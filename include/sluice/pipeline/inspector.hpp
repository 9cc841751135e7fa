// What a worker reads flows with: the streams put back in order, the scanners of the profiles in force, and
// for each flow of the table that is read its number here. Memory is laid out once. What the tracker does
// with it is in tracker_inspect.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/flow/arena.hpp"
#include "sluice/flow/ref.hpp"
#include "sluice/inspect/reassembly.hpp"
#include "sluice/pipeline/burst.hpp"
#include "sluice/pipeline/policy.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/verdict.hpp"

namespace sluice::pipeline {

/// What an inspected flow is read for.
struct Reading {
    flow::Ref flow = flow::no_ref;  ///< no_ref: this number is free
    std::uint32_t turn = 0;         ///< of the scanners: another than theirs, and its streams are gone
    ProfileNumber profile = no_profile;
    packet::Family family = packet::Family::none;
};

/// The scanners of all profiles as one StreamScanner (inspect/reassembly.hpp). Profiles may be replaced at
/// any time: what is left of streams of those before means nothing then, and is ignored.
class ProfileScanners {
  public:
    /// A flow's number, and below it a stream of its profile's scanner.
    using Stream = std::uint64_t;
    static constexpr Stream none = inspect::Scanner::none;
    static constexpr Stream nothing = inspect::Scanner::nothing;

    explicit ProfileScanners(Reading* readings) : readings_(readings) {}

    void adopt(const Inspection* inspection, unsigned worker) {
        inspection_ = inspection;
        scanners_ = inspection == nullptr ? nullptr : inspection->scanners(worker);
        worker_ = worker;
        ++turn_;
    }
    [[nodiscard]] const Inspection* inspection() const { return inspection_; }
    [[nodiscard]] std::uint32_t turn() const { return turn_; }
    [[nodiscard]] inspect::Scanner& scanner(ProfileNumber profile) const { return *scanners_[profile]; }
    [[nodiscard]] SignatureTally& tally(ProfileNumber profile, std::uint32_t signature) const {
        return inspection_->tally(worker_, profile)[signature];
    }
    [[nodiscard]] bool is_current(const Reading& reading) const { return reading.turn == turn_; }
    /// While something is scanned: the bytes.
    [[nodiscard]] std::span<const std::uint8_t> scanning() const { return scanning_; }

    [[nodiscard]] Stream open(inspect::FlowNumber number, tcp::Direction direction) {
        const Reading& reading = readings_[number];
        if (!is_current(reading)) return nothing;
        const inspect::Scanner::Stream stream = scanner(reading.profile).open(direction);
        if (stream == inspect::Scanner::none || stream == inspect::Scanner::nothing) return stream;
        return Stream{number} << 32U | stream;
    }
    template <class OnMatch>
    void scan(Stream stream, std::span<const std::uint8_t> bytes, OnMatch&& on_match) {
        const Reading& reading = reading_of(stream);
        if (!is_current(reading)) return;
        scanning_ = bytes;
        scanner(reading.profile).scan(low(stream), bytes, on_match);
    }
    template <class OnMatch>
    void end(Stream stream, OnMatch&& on_match) {
        const Reading& reading = reading_of(stream);
        if (!is_current(reading)) return;
        scanning_ = {};
        scanner(reading.profile).end(low(stream), on_match);
    }
    void discard(Stream stream) {
        const Reading& reading = reading_of(stream);
        if (is_current(reading)) scanner(reading.profile).discard(low(stream));
    }
    template <class OnMatch>
    void scan_datagram(ProfileNumber profile, tcp::Direction direction, std::span<const std::uint8_t> bytes,
                       OnMatch&& on_match) {
        scanning_ = bytes;
        scanner(profile).scan_datagram(direction, bytes, on_match);
    }

  private:
    [[nodiscard]] Reading& reading_of(Stream stream) const { return readings_[stream >> 32U]; }
    [[nodiscard]] static inspect::Scanner::Stream low(Stream stream) {
        return static_cast<inspect::Scanner::Stream>(stream);
    }

    Reading* readings_;
    const Inspection* inspection_ = nullptr;
    const std::unique_ptr<inspect::Scanner>* scanners_ = nullptr;  ///< of inspection_, this worker's
    unsigned worker_ = 0;
    std::uint32_t turn_ = 0;
    std::span<const std::uint8_t> scanning_;
};

/// A packet on its way through a stream: it leaves under the decision that it came with, unless it is
/// dropped.
template <class Packet>
struct Read {
    Packet* packet;  ///< Decision::datagram: heads the list of fragments
    Decision decision;
    std::uint32_t bytes, packets;  ///< what it counts for
};

template <class Packet>
class Inspector {
  public:
    using Streams = inspect::Reassembly<Read<Packet>, ProfileScanners>;
    static constexpr std::size_t gathered_bytes = 64 * 1024;

    /// 0 without inspection.
    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits) {
        if (limits.inspection.flows == 0) return 0;
        using flow::arena_bytes;
        return arena_bytes<Reading>(limits.inspection.flows) + arena_bytes<std::uint32_t>(limits.ipv4_flows) +
               arena_bytes<std::uint32_t>(limits.ipv6_flows) + arena_bytes<std::uint8_t>(gathered_bytes) +
               arena_bytes<Alert>(limits.alert_slots) +
               flow::whole_lines(Streams::bytes_needed(limits.inspection));
    }
    /// `arena` is zeroed, aligned to 64 and as long as bytes_needed().
    Inspector(const Limits& limits, std::span<std::byte> arena)
        : Inspector(limits, flow::Arena(arena), arena.data() + arena.size()) {}

    /// The profiles of this policy, or none. Flows that live are to be read anew when they are others.
    void adopt(const Policy* policy, unsigned worker) {
        const Inspection* const inspection = policy == nullptr ? nullptr : policy->inspection.get();
        if (inspection == scanners.inspection()) return;
        scanners.adopt(inspection, worker);
        next_ = 0;
    }
    void begin_burst(Tick now) {
        advance(now);
        streams.begin_burst();
    }
    /// A clock that never goes back, for what may be said in a second.
    void advance(Tick now) { time_ += static_cast<Tick>(now - static_cast<Tick>(time_)); }
    [[nodiscard]] std::uint64_t time() const { return time_; }

    [[nodiscard]] std::uint32_t capacity() const { return size_; }
    [[nodiscard]] bool has_room() const { return streams.flows() < size_; }
    /// The number of a flow that is read; no_flow: it is not.
    template <unsigned AddressBytes>
    [[nodiscard]] inspect::FlowNumber number_of(flow::Ref ref) const {
        return numbers_[place<AddressBytes>][ref] - 1;
    }
    [[nodiscard]] const Reading& reading(inspect::FlowNumber number) const { return readings_[number]; }
    [[nodiscard]] bool is_current(inspect::FlowNumber number) const {
        return scanners.is_current(readings_[number]);
    }
    /// False: there is no room.
    template <unsigned AddressBytes>
    [[nodiscard]] bool begin(flow::Ref ref, ProfileNumber profile) {
        const inspect::FlowNumber number = streams.open(scanners.inspection()->profile(profile).terms);
        if (number == inspect::no_flow) {
            counters.no_room.add();
            return false;
        }
        readings_[number] = {ref, scanners.turn(), profile,
                             AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6};
        numbers_[place<AddressBytes>][ref] = number + 1;
        counters.opened.add();
        is_idle_ = false;
        return true;
    }
    template <unsigned AddressBytes, class Sink>
    void end(flow::Ref ref, Sink& sink) {
        const inspect::FlowNumber number = number_of<AddressBytes>(ref);
        if (number == inspect::no_flow) return;
        streams.close(number, sink);
        readings_[number].flow = flow::no_ref;
        numbers_[place<AddressBytes>][ref] = 0;
    }

    /// A flow that needs to be read no more, once the burst is judged; the last of very many may go on.
    struct Ending {
        packet::Family family;
        flow::Ref flow;
    };
    void note_ending(packet::Family family, flow::Ref flow) {
        if (ending_count_ != endings_.size()) endings_[ending_count_++] = {family, flow};
    }
    [[nodiscard]] std::span<const Ending> endings() const { return {endings_.data(), ending_count_}; }
    void forget_endings() { ending_count_ = 0; }

    /// A flow that a signature wants reset: what it blocks is to be dropped first.
    void note_reset(inspect::FlowNumber number) {
        if (reset_count_ != resets_.size()) resets_[reset_count_++] = number;
    }
    [[nodiscard]] std::span<const inspect::FlowNumber> resets() const {
        return {resets_.data(), reset_count_};
    }
    void forget_resets() { reset_count_ = 0; }

    /// The next flow whose profile was replaced, of a bounded number looked at; no_flow: none of those.
    [[nodiscard]] inspect::FlowNumber next_outdated(unsigned& budget) {
        for (; next_ < size_ && budget != 0; --budget) {
            const inspect::FlowNumber number = next_++;
            if (readings_[number].flow != flow::no_ref && !is_current(number)) return number;
        }
        return inspect::no_flow;
    }
    [[nodiscard]] bool all_current() const { return next_ >= size_; }

    /// A place for the payload of a packet that lies in pieces, gathered_bytes long.
    [[nodiscard]] std::uint8_t* gathered() const { return gathered_; }

    /// Nothing is read, and count_now() has said so: there is nothing to do but for what is yet to come.
    [[nodiscard]] bool is_idle() const { return is_idle_; }
    void count_now() {
        counters.flows.set(streams.flows());
        counters.chunks.set(streams.chunks());
        counters.held.set(streams.held());
        counters.stream_bytes.set(streams.bytes_scanned());
        for (std::size_t i = 0; i < inspect::event_count; ++i)
            counters.events[i].set(streams.events()[i].read());
        is_idle_ = streams.flows() == 0;
    }

  private:
    Inspector(const Limits& limits, flow::Arena memory, std::byte* end)
        : readings_(memory.take<Reading>(limits.inspection.flows)),
          numbers_{memory.take<std::uint32_t>(limits.ipv4_flows),
                   memory.take<std::uint32_t>(limits.ipv6_flows)},
          gathered_(memory.take<std::uint8_t>(gathered_bytes)),
          size_(limits.inspection.flows),
          next_(size_),
          scanners(readings_),
          alerts({memory.take<Alert>(limits.alert_slots), limits.alert_slots}),
          streams(limits.inspection, scanners, {memory.take<std::byte>(0), end}) {
        std::fill_n(readings_, size_, Reading{});
    }
    template <unsigned AddressBytes>
    static constexpr std::size_t place = AddressBytes == 4 ? 0 : 1;

    Reading* readings_;
    std::array<std::uint32_t*, 2> numbers_;  ///< by family and flow: the number here plus one; 0: none
    std::uint8_t* gathered_;
    std::uint32_t size_;
    inspect::FlowNumber next_;  ///< how far the search for outdated ones has come
    std::uint64_t time_ = 0;
    std::array<Ending, 2 * max_burst> endings_{};
    std::size_t ending_count_ = 0;
    std::array<inspect::FlowNumber, Streams::most_directions> resets_{};
    std::size_t reset_count_ = 0;
    bool is_idle_ = true;

  public:
    ProfileScanners scanners;
    InspectionCounters counters;
    AlertRing alerts;
    Streams streams;
};

}  // namespace sluice::pipeline
