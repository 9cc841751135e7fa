// A tracker with a guard between a client and a server, for tests: what either sends, what reaches the other,
// what the box says itself. Whatever leaves must be whole, with right checksums, VLANs and MACs: what is not
// is a fault.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory_tracker.hpp"
#include "packet_builder.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/pipeline/flow_view.hpp"

namespace sluice::test {

using guard::Toward;

/// A frame that left the box.
struct Sent {
    Toward toward;
    packet::Headers headers;
    Bytes frame;
    [[nodiscard]] const packet::TcpFields& tcp() const { return headers.tcp; }
};

class GuardedBox {
  public:
    static constexpr guard::ServiceNumber service = 1, services = 4;
    static constexpr std::uint16_t client_side = 3, server_side = 2;

    static pipeline::Limits small_limits() {
        pipeline::Limits limits;
        limits.ipv4_flows = limits.ipv6_flows = 1024;
        limits.fragment_datagrams = 16;
        limits.guarded_services = services;
        limits.proxied_handshakes = 64;
        return limits;
    }

    explicit GuardedBox(bool ipv6 = false, const pipeline::Limits& limits = small_limits(),
                        bool loose = false)
        : ipv6_(ipv6), arena_(MemoryTracker::bytes_needed(limits) + 64) {
        auto protection = std::make_shared<pipeline::Protection>();
        auto map = guard::ServiceMap::build(std::vector<guard::Service>{
            {guard::Address::ipv4(std::array<std::uint8_t, 4>{198, 18, 0, 2}.data()), 128, 80, service},
            {{0x2001'0002'0000'0000, 2}, 128, 80, service}});
        protection->services = std::move(map.value());
        protection->board = &board;
        protection->cookie_secrets = {.turns = {{{1, 2}, {3, 4}}}, .timestamps = {5, 6}};
        settings.protection = std::move(protection);
        settings.tcp.loose = loose;
        const auto address = reinterpret_cast<std::uintptr_t>(arena_.data());
        auto made = MemoryTracker::create(limits, settings, flow::Secret{{11, 22, 33, 44}}, {},
                                          std::span(arena_).subspan((64 - address % 64) % 64));
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
        poll();
        pipeline::MemoryIo::maker = [](std::uint16_t port) {
            GuardedBox& box = *made_by();
            return box.buffers_left == 0 ? nullptr : (--box.buffers_left, &box.keep({}, port));
        };
    }
    ~GuardedBox() { pipeline::MemoryIo::maker = nullptr; }
    GuardedBox(const GuardedBox&) = delete;
    GuardedBox& operator=(const GuardedBox&) = delete;

    // ---- Both ends

    [[nodiscard]] PacketBuilder from_client(std::uint16_t port = 40'000) const {
        return link(true).ip(client_address(), server_address()).tcp(port, 80);
    }
    [[nodiscard]] PacketBuilder from_server(std::uint16_t port = 40'000) const {
        return link(false).ip(server_address(), client_address()).tcp(80, port);
    }
    [[nodiscard]] const char* client_address() const { return ipv6_ ? "2001:2::1" : "198.18.0.1"; }
    [[nodiscard]] const char* server_address() const { return ipv6_ ? "2001:2::2" : "198.18.0.2"; }
    std::vector<std::uint16_t> vlans;

    // ---- Through the box

    pipeline::Decision decision;  ///< on the last packet given
    std::vector<std::string> faults;

    /// One burst of frames of one side. What left the box, in order.
    std::vector<Sent> send(Toward toward, const std::vector<Bytes>& frames) {
        std::vector<pipeline::MemoryPacket*> burst;
        burst.reserve(frames.size());
        for (const Bytes& frame : frames)
            burst.push_back(&keep(frame, toward == Toward::server ? client_side : server_side));
        made_by() = this;
        tracker_->process(burst, now, out_);
        return left();
    }
    std::vector<Sent> client(const PacketBuilder& packet) { return send(Toward::server, {packet.build()}); }
    std::vector<Sent> server(const PacketBuilder& packet) { return send(Toward::client, {packet.build()}); }
    std::vector<Sent> poll() {
        made_by() = this;
        tracker_->poll(now, out_);
        return left();
    }
    /// Lets time pass, polling each `step` of it. Whatever left.
    std::vector<Sent> pass(Tick ticks, Tick step = 10) {
        std::vector<Sent> all;
        for (Tick done = 0; done < ticks; done += step) {
            now.tick += step;
            for (Sent& sent : poll()) all.push_back(std::move(sent));
        }
        return all;
    }

    void defend(guard::Level level = guard::Level::defend, std::uint32_t syn_limit = 0) {
        board.publish(service, {level, syn_limit});
    }
    void adopt(const pipeline::Protection& protection) {
        next_settings_ = settings;
        next_settings_.protection = std::make_shared<pipeline::Protection>(protection);
        tracker_->mailbox().post({.kind = pipeline::Request::Kind::settings, .settings = &next_settings_});
        poll();
        settings = next_settings_;
    }

    // ---- What is known of it

    [[nodiscard]] const guard::ServiceCounters& counted(guard::ServiceNumber number = service) {
        return tracker_->guard()->accounts().services()[number];
    }
    [[nodiscard]] std::uint64_t count(Reason reason) const {
        return tracker_->counters().reasons[static_cast<std::size_t>(reason)].read();
    }
    [[nodiscard]] std::uint32_t flows() const {
        return tracker_->table4().size() + tracker_->table6().size();
    }
    [[nodiscard]] MemoryTracker& tracker() { return *tracker_; }
    /// All that the tracker keeps of flows, sources and services.
    [[nodiscard]] std::span<const std::byte> memory() const { return arena_; }
    /// "SYN_SENT" … of the flow of the last decision; "none".
    [[nodiscard]] std::string state() const {
        pipeline::FlowView view;
        const bool there = decision.flow != flow::no_ref &&
                           (ipv6_ ? pipeline::view(tracker_->table6(), decision.flow, now.tick, 0, view)
                                  : pipeline::view(tracker_->table4(), decision.flow, now.tick, 0, view));
        return there ? std::string(tcp::text_of(static_cast<tcp::Pair>(view.state.tcp.pair)).conntrack_name)
                     : "none";
    }

    pipeline::Now now{.tick = 100'000, .wall_nanoseconds = 1};
    guard::DefenceBoard board{services};
    pipeline::Settings settings;
    std::size_t buffers_left = 1'000'000;

  private:
    static GuardedBox*& made_by() {
        static thread_local GuardedBox* box = nullptr;
        return box;
    }
    [[nodiscard]] PacketBuilder link(bool of_client) const {
        PacketBuilder out;
        if (of_client)
            out.macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2});
        else
            out.macs({2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1});
        for (const std::uint16_t id : vlans) out.vlan(id);
        return out;
    }
    pipeline::MemoryPacket& keep(const Bytes& frame, std::uint16_t port) {
        frames_.push_back(frame);
        frames_.back().resize(2048);
        packets_.push_back({.first = std::span(frames_.back()).first(frame.size()),
                            .port = port,
                            .number = packets_.size(),
                            .room = frames_.back()});
        return packets_.back();
    }
    std::vector<Sent> left() {
        std::vector<Sent> out;
        for (const auto& judged : out_.view()) {
            decision = judged.decision;
            using pipeline::Action;
            if (decision.action != Action::pass && decision.action != Action::answer) continue;
            const bool from_client = judged.packet->port == client_side;
            const bool to_server = from_client == (decision.action == Action::pass);
            for (const auto* packet = judged.packet; packet != nullptr;
                 packet = decision.datagram ? packet->next_fragment : nullptr) {
                Sent sent{.toward = to_server ? Toward::server : Toward::client,
                          .headers = {},
                          .frame = {packet->first.begin(), packet->first.end()}};
                const packet::ParseInput input{packet->first, packet->first.size()};
                packet::parse(input, sent.headers);
                const auto fault_unless = [&](bool right, const char* what) {
                    if (!right) faults.emplace_back(what);
                };
                fault_unless(sent.headers.refusal == Reason::none, "a frame left that is not whole");
                if (!sent.headers.fragment.present && sent.headers.refusal == Reason::none) {
                    const auto transport =
                        packet->first.subspan(sent.headers.transport_offset, sent.headers.transport_length);
                    fault_unless(
                        packet::verify_transport(sent.headers, transport) == packet::ChecksumVerdict::good,
                        "a frame left with a wrong checksum");
                }
                fault_unless(packet->first[5] == (to_server ? 2 : 1), "a frame left for another MAC");
                fault_unless(packet->first[11] == (to_server ? 1 : 2), "a frame left from another MAC");
                fault_unless(sent.headers.vlan_count == vlans.size(), "a frame left with other tags");
                out.push_back(std::move(sent));
            }
        }
        return out;
    }

    bool ipv6_;
    std::vector<std::byte> arena_;
    std::unique_ptr<MemoryTracker> tracker_;
    pipeline::Output<pipeline::MemoryIo> out_;
    pipeline::Settings next_settings_;
    std::deque<Bytes> frames_;
    std::deque<pipeline::MemoryPacket> packets_;
};

}  // namespace sluice::test
