// Segments of any kind through a guarded tracker, drawn from a source of numbers (a seed, a fuzzer's input):
// answers to what the box said among them, honest or nearly, while defence, rules and buffers change.
#pragma once

#include <array>
#include <functional>
#include <utility>

#include "guarded_box.hpp"

namespace sluice::test {

class ArbitraryTraffic {
  public:
    using Draw = std::function<std::uint32_t()>;

    ArbitraryTraffic(bool ipv6, Draw draw) : draw_(std::move(draw)), box_(ipv6, few(), below(4) == 0) {
        if (below(2) == 0) box_.vlans = {5};
    }

    void step() {
        change_something();
        const Toward toward = below(3) == 0 ? Toward::client : Toward::server;
        const Said known = heard_[toward == Toward::server ? 0 : 1][below(4)];
        const bool answers = known.port != 0 && below(2) == 0;
        const std::uint16_t port = answers ? known.port : static_cast<std::uint16_t>(1 + below(80));
        const std::uint8_t flags = draw_flags(known, answers);
        const PacketBuilder packet = draw_segment(toward, port, flags, known, answers);
        for (const Sent& sent : box_.send(toward, {packet.build()})) {
            if (sent.toward != toward && (flags & packet::rst) != 0)
                box_.faults.emplace_back("a RST was answered");
            const bool to_client = sent.toward == Toward::client;
            heard_[to_client ? 0 : 1][below(4)] = {
                to_client ? sent.headers.destination_port : sent.headers.source_port, sent.tcp()};
        }
        const pipeline::SynGuard& guard = *box_.tracker().guard();
        fault_unless(box_.counted().half_open.read() <= flows, "more half-open flows than flows");
        fault_unless(guard.handshakes() <= places, "more handshakes than places");
        fault_unless(guard.handshakes() <= guard.proxied_flows(), "a handshake without its flow");
    }

    /// When all flows are gone, so is all that was kept of them.
    void finish() {
        const auto& counters = box_.tracker().counters();
        fault_unless(counters.packets.read() ==
                         counters.passed.read() + counters.dropped.read() + counters.answered.read(),
                     "a packet is not accounted for");
        box_.tracker().mailbox().post({.kind = pipeline::Request::Kind::flush});
        for (unsigned i = 0; i < 10; ++i) box_.poll();
        fault_unless(box_.flows() == 0, "a flow outlives a flush");
        for (const guard::ServiceNumber number : {guard::no_service, GuardedBox::service})
            fault_unless(box_.counted(number).half_open.read() == 0, "half-open flows that are gone");
        fault_unless(box_.tracker().guard()->handshakes() == 0, "handshakes of flows that are gone");
        fault_unless(box_.tracker().guard()->proxied_flows() == 0, "proxied flows that are gone");
    }
    [[nodiscard]] GuardedBox& box() { return box_; }
    /// The first that was found; null: none.
    [[nodiscard]] const char* fault() const {
        return box_.faults.empty() ? nullptr : box_.faults.front().c_str();
    }

  private:
    /// What a side heard lately.
    struct Said {
        std::uint16_t port = 0;
        packet::TcpFields tcp;
    };
    static constexpr std::uint32_t flows = 64;
    static constexpr std::uint16_t places = 16;

    static pipeline::Limits few() {
        pipeline::Limits limits = GuardedBox::small_limits();
        limits.ipv4_flows = limits.ipv6_flows = flows;
        limits.proxied_handshakes = places;
        return limits;
    }
    std::uint32_t below(std::uint32_t bound) { return draw_() % bound; }
    void fault_unless(bool right, const char* what) {
        if (!right) box_.faults.emplace_back(what);
    }

    void change_something() {
        switch (below(40)) {
            case 0:
                box_.defend(static_cast<guard::Level>(below(4)), below(2) == 0 ? 0 : 50);
                break;
            case 1:
                box_.pass(below(5) == 0 ? 5'000 : 200, 100);
                break;
            case 2: {
                pipeline::Protection protection = *box_.settings.protection;
                protection.rules = {
                    {}, {.proof = static_cast<pipeline::Proof>(below(3)), .hides_sequence = below(2) == 0}};
                box_.adopt(protection);
                break;
            }
            case 3:
                box_.buffers_left = below(3) == 0 ? 1 : 1'000;
                break;
            default:
                break;
        }
    }
    std::uint8_t draw_flags(const Said& known, bool answers) {
        constexpr std::uint8_t kinds[] = {packet::syn,
                                          packet::syn,
                                          packet::syn | packet::ack,
                                          packet::rst,
                                          packet::rst | packet::ack,
                                          packet::fin | packet::ack,
                                          packet::ack | packet::psh,
                                          0};
        const std::uint8_t any = kinds[below(8)];
        if (!answers || below(8) == 0) return any;
        const bool to_syn = (known.tcp.flags & (packet::syn | packet::ack)) == packet::syn;
        return to_syn ? packet::syn | packet::ack : packet::ack;
    }
    PacketBuilder draw_segment(Toward toward, std::uint16_t port, std::uint8_t flags, const Said& known,
                               bool answers) {
        PacketBuilder out = toward == Toward::server ? box_.from_client(port) : box_.from_server(port);
        const bool counts_one = (known.tcp.flags & (packet::syn | packet::fin)) != 0;
        const auto slip = [&] { return below(16) == 0 ? draw_() : 0U; };
        out.flags(flags)
            .window(static_cast<std::uint16_t>(draw_()))
            .sequence((answers ? known.tcp.acknowledgement : draw_()) + slip())
            .acknowledgement(known.tcp.sequence + known.tcp.payload_length + (counts_one ? 1U : 0U) + slip());
        if (below(2) == 0) out.option(option::timestamps(box_.now.tick, known.tcp.options.timestamp_value));
        const bool syn = (flags & packet::syn) != 0;
        if (syn && below(3) != 0)
            out.option(option::window_scale(static_cast<std::uint8_t>(below(15))))
                .option(option::sack_permitted());
        if (!syn && below(4) == 0) out.payload(below(3) * std::size_t{10});
        return out;
    }

    Draw draw_;
    GuardedBox box_;
    std::array<std::array<Said, 4>, 2> heard_{};  ///< by client and server
};

}  // namespace sluice::test
