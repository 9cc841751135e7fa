// A tracker whose every flow is read for a profile, between a client and a server: segments by offset, what
// left, what was dropped for which reason, and what was found.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "policy/rules.hpp"
#include "sluice/pipeline/flow_view.hpp"
#include "support/memory_tracker.hpp"
#include "support/packet_builder.hpp"

namespace sluice::test {

using tcp::Direction;

/// Signatures 1, 2, 3 … for these patterns, doing this.
inline std::vector<policy::Signature> signatures(
    const std::vector<std::string>& patterns,
    policy::SignatureAction action = policy::SignatureAction::alert) {
    std::vector<policy::Signature> out(patterns.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i].id = static_cast<std::uint32_t>(i + 1);
        out[i].name = "of a test";
        out[i].pattern = patterns[i];
        out[i].action = action;
    }
    return out;
}

inline std::shared_ptr<const inspect::Database> database_of(std::vector<policy::Signature> signatures) {
    auto set = policy::SignatureSet::create("test.toml", std::move(signatures));
    if (!set) throw std::runtime_error(set.error());
    auto database = inspect::Database::compile(std::move(*set), {}, "");
    if (!database) throw std::runtime_error(database.error());
    return *database;
}

inline constexpr inspect::Terms alerting{};
inline constexpr inspect::Terms blocking{.blocking = true, .fail_open = false};

class InspectedBox {
  public:
    static constexpr std::uint32_t client_isn = 0xFFFF'FFF0U, server_isn = 0xFFFF'FFFAU;
    static constexpr std::uint16_t client_side = 3, server_side = 2;

    static pipeline::Limits small_limits() {
        pipeline::Limits limits;
        limits.ipv4_flows = limits.ipv6_flows = 256;
        limits.fragment_datagrams = 16;
        limits.rules = true;
        limits.inspection.flows = 4;
        limits.inspection.chunks = 64;
        limits.inspection.chunks_per_direction = 32;
        limits.inspection.held_packets = 64;
        limits.inspection.held_per_direction = 32;
        limits.alert_slots = 64;
        return limits;
    }

    InspectedBox(std::shared_ptr<const inspect::Database> database, const inspect::Terms& terms,
                 const pipeline::Limits& limits = small_limits())
        : database_(std::move(database)), limits_(limits), arena_(MemoryTracker::bytes_needed(limits) + 64) {
        held_.push_back(settings_for(terms));
        const auto address = reinterpret_cast<std::uintptr_t>(arena_.data());
        auto made = MemoryTracker::create(limits, held_.back(), flow::Secret{{11, 22, 33, 44}}, {},
                                          std::span(arena_).subspan((64 - address % 64) % 64));
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
        pipeline::MemoryIo::maker = [](std::uint16_t port) { return &made_by()->keep({}, port); };
    }
    ~InspectedBox() { pipeline::MemoryIo::maker = nullptr; }
    InspectedBox(const InspectedBox&) = delete;
    InspectedBox& operator=(const InspectedBox&) = delete;

    // ---- Rules and profiles

    /// Everything is read for one profile; or, without a database, allowed and not read.
    pipeline::Settings settings_for(const inspect::Terms& terms) const {
        policy::Rule rule;
        rule.name = "all";
        rule.action = database_ == nullptr ? policy::Action::allow : policy::Action::inspect;
        if (database_ != nullptr) rule.profile = "test";
        auto rules = policy::RuleSet::build({rule});
        if (!rules) throw std::runtime_error(rules.error());
        auto set = std::make_shared<const policy::RuleSet>(std::move(*rules));
        std::shared_ptr<const pipeline::Inspection> inspection;
        if (database_ != nullptr) {
            pipeline::InspectionProfile profile;
            profile.name = "test";
            profile.terms = terms;
            profile.excerpt = excerpt;
            profile.alerts_a_second = alerts_a_second;
            profile.database = database_;
            const auto generation = static_cast<std::uint32_t>(held_.size());
            auto made = pipeline::Inspection::create({profile}, 1, limits_.inspection.flows, generation);
            if (!made) throw std::runtime_error(made.error());
            inspection = *made;
        }
        pipeline::Settings settings;
        settings.policy = std::make_shared<const pipeline::Policy>(
            set, std::make_unique<policy::LinearMatcher>(*set), 1, inspection);
        return settings;
    }
    /// As a reload does: other signatures, or none. `sweeps`: polls behind it.
    void obey(std::shared_ptr<const inspect::Database> database, const inspect::Terms& terms,
              unsigned sweeps = 0) {
        database_ = std::move(database);
        held_.push_back(settings_for(terms));
        ASSERT_TRUE(
            tracker_->mailbox().post({.kind = pipeline::Request::Kind::settings, .settings = &held_.back()}));
        // Answered by the poll that adopts them; what was before may be gone from then on.
        for (unsigned i = 0; i <= sweeps; ++i) poll();
        pipeline::Request answer;
        ASSERT_TRUE(tracker_->mailbox().collect(answer));
        held_.erase(held_.begin(), held_.end() - 1);
    }
    const pipeline::SignatureTally& tally(std::uint32_t signature) const {
        return held_.back().policy->inspection->tally(0, 0)[signature];
    }

    // ---- Packets

    /// One that left, or was dropped.
    struct Gone {
        std::uint64_t number;
        pipeline::Decision decision;
        packet::Headers headers;
        std::string payload;
    };
    std::vector<Gone> left, dropped;
    std::uint32_t window = 65'000;
    std::uint32_t acknowledged[2] = {0, 0};  ///< of the data of each direction, by its receiver
    std::uint8_t hop_limit = 64;

    [[nodiscard]] PacketBuilder from(Direction direction, std::uint16_t port = 40'000) const {
        const bool client = direction == Direction::original;
        PacketBuilder out;
        out.ethernet().ip(client ? "10.0.0.1" : "10.0.0.2", client ? "10.0.0.2" : "10.0.0.1");
        out.hop_limit(hop_limit);
        return client ? out.tcp(port, 80) : out.tcp(80, port);
    }
    static Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }
    static std::uint32_t isn(Direction direction) {
        return direction == Direction::original ? client_isn : server_isn;
    }
    /// Data at `offset` of its direction.
    [[nodiscard]] PacketBuilder data(std::uint32_t offset, const std::string& text, unsigned more_flags = 0,
                                     Direction direction = Direction::original,
                                     std::uint16_t port = 40'000) const {
        const Direction other = tcp::opposite(direction);
        return from(direction, port)
            .sequence(isn(direction) + 1 + offset)
            .acknowledgement(isn(other) + 1 + acknowledged[static_cast<int>(other)])
            .window(static_cast<std::uint16_t>(window))
            .flags(packet::ack | more_flags)
            .payload(bytes(text));
    }
    /// The number of the packet.
    std::uint64_t feed(const PacketBuilder& packet, Direction direction = Direction::original,
                       std::size_t split = 0) {
        return burst({packet.build()}, direction, split);
    }
    std::uint64_t send(std::uint32_t offset, const std::string& text, unsigned more_flags = 0,
                       Direction direction = Direction::original) {
        return feed(data(offset, text, more_flags, direction), direction);
    }
    /// The receiver of `direction` acknowledges its first `offset` bytes.
    void acknowledge(std::uint32_t offset, Direction direction = Direction::original) {
        acknowledged[static_cast<int>(direction)] = offset;
        feed(data(sent_[static_cast<int>(tcp::opposite(direction))], "", 0, tcp::opposite(direction)),
             tcp::opposite(direction));
    }
    /// Several in one burst; the number of the first.
    std::uint64_t burst(const std::vector<Bytes>& frames, Direction direction, std::size_t split = 0) {
        std::vector<pipeline::MemoryPacket*> packets;
        packets.reserve(frames.size());
        for (const Bytes& frame : frames)
            packets.push_back(
                &keep(frame, direction == Direction::original ? client_side : server_side, split));
        made_by() = this;
        tracker_->process(packets, now, out_);
        take();
        return packets.front()->number;
    }
    void open(std::uint16_t port = 40'000) {
        const std::size_t before = left.size();
        feed(from(Direction::original, port).sequence(client_isn).window(65'000).flags(packet::syn));
        feed(from(Direction::reply, port)
                 .sequence(server_isn)
                 .acknowledgement(client_isn + 1)
                 .window(65'000)
                 .flags(packet::syn | packet::ack),
             Direction::reply);
        feed(data(0, "", 0, Direction::original, port));
        ASSERT_EQ(left.size(), before + 3);
        flow = left.back().decision;
    }
    void poll(Tick passed = 0) {
        now.tick += passed;
        made_by() = this;
        tracker_->poll(now, out_);
        take();
    }
    void finish() {
        tracker_->drop_held(out_);
        take();
    }

    // ---- What is known

    [[nodiscard]] std::string fate(std::uint64_t number) const {
        for (const Gone& gone : left)
            if (gone.number == number) return "pass";
        for (const Gone& gone : dropped)
            if (gone.number == number) return std::string(text_of(gone.decision.reason).name);
        return "held";
    }
    /// Payload that left in this direction, in the order in which it left.
    [[nodiscard]] std::string text(Direction direction = Direction::original) const {
        std::string out;
        for (const Gone& gone : left)
            if (gone.decision.direction == direction) out += gone.payload;
        return out;
    }
    /// Found since the last call.
    std::vector<pipeline::Alert> alerts() {
        std::vector<pipeline::Alert> out;
        pipeline::AlertRing& ring = *tracker_->alerts();
        for (const pipeline::Alert* alert; (alert = ring.oldest()) != nullptr; ring.take())
            out.push_back(*alert);
        return out;
    }
    [[nodiscard]] const pipeline::InspectionCounters& counted() const { return *tracker_->inspection(); }
    [[nodiscard]] std::uint64_t count(inspect::Event event) {
        poll();
        return counted().events[static_cast<std::size_t>(event)].read();
    }
    [[nodiscard]] std::uint64_t count(Reason reason) const {
        return tracker_->counters().reasons[static_cast<std::size_t>(reason)].read();
    }
    [[nodiscard]] pipeline::FlowView view() const {
        pipeline::FlowView out;
        if (!pipeline::view(tracker_->table4(), flow.flow, now.tick, 0, out))
            throw std::runtime_error("the flow is gone");
        return out;
    }
    MemoryTracker& tracker() { return *tracker_; }

    pipeline::Decision flow;  ///< of the last packet of open()
    pipeline::Now now{.tick = 5'000, .wall_nanoseconds = 1'700'000'000'000'000'000ULL};
    std::uint16_t excerpt = 16;
    std::uint32_t alerts_a_second = 1000;

  private:
    static InspectedBox*& made_by() {
        static InspectedBox* box = nullptr;
        return box;
    }
    pipeline::MemoryPacket& keep(const Bytes& frame, std::uint16_t port, std::size_t split = 0) {
        frames_.push_back(frame);
        frames_.back().resize(std::max<std::size_t>(frame.size(), 256));
        Bytes& kept = frames_.back();
        split = split == 0 ? frame.size() : std::min(split, frame.size());
        const std::span<std::uint8_t> all(kept.data(), frame.size());
        packets_.push_back({.first = all.first(split),
                            .rest = all.subspan(split),
                            .port_pair = 1,
                            .port = port,
                            .number = packets_.size(),
                            .room = split == frame.size() ? std::span(kept) : std::span<std::uint8_t>{}});
        return packets_.back();
    }
    void take() {
        for (const auto& judged : out_.view()) {
            const pipeline::MemoryPacket* packet = judged.packet;
            while (packet != nullptr) {
                Gone gone{packet->number, judged.decision, {}, {}};
                Bytes frame(packet->first.begin(), packet->first.end());
                frame.insert(frame.end(), packet->rest.begin(), packet->rest.end());
                packet::parse({frame, static_cast<std::uint32_t>(frame.size())}, gone.headers);
                const auto& headers = gone.headers;
                if (headers.protocol == packet::tcp) {
                    const auto at = frame.begin() + headers.transport_offset + headers.tcp.header_length;
                    gone.payload.assign(at, at + headers.tcp.payload_length);
                    std::uint32_t& sent = sent_[static_cast<int>(judged.decision.direction)];
                    if (!gone.payload.empty())
                        sent = std::max(sent, headers.tcp.sequence - isn(judged.decision.direction) - 1 +
                                                  headers.tcp.payload_length);
                }
                const bool goes = judged.decision.action == pipeline::Action::pass ||
                                  judged.decision.action == pipeline::Action::answer;
                (goes ? left : dropped).push_back(std::move(gone));
                packet = judged.decision.datagram ? packet->next_fragment : nullptr;
            }
        }
    }

    std::shared_ptr<const inspect::Database> database_;
    pipeline::Limits limits_;
    std::deque<pipeline::Settings> held_;
    std::vector<std::byte> arena_;
    std::unique_ptr<MemoryTracker> tracker_;
    pipeline::Output<pipeline::MemoryIo> out_;
    std::deque<Bytes> frames_;
    std::deque<pipeline::MemoryPacket> packets_;
    std::uint32_t sent_[2] = {0, 0};
};

}  // namespace sluice::test
