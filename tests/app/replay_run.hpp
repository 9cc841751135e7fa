// A replay in memory: packets in, lines of JSON out.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/replay_engine.hpp"
#include "app/replay_printer.hpp"
#include "support/packet_builder.hpp"

namespace sluice::test {

inline constexpr std::int64_t second = 1'000'000'000;
inline constexpr std::int64_t start_of_capture = 1'700'000'000 * second;

struct CollectedLines : app::LineSink {
    void write(std::string_view part) override { text += part; }
    std::string text;
};

inline pipeline::Limits small_tables() {
    pipeline::Limits limits;
    limits.ipv4_flows = 4096;
    limits.ipv6_flows = 4096;
    limits.fragment_datagrams = 64;
    return limits;
}

class Replay {
  public:
    explicit Replay(const pipeline::Settings& settings = {}, unsigned workers = 1,
                    packet::LinkLayer link = packet::LinkLayer::ethernet,
                    const app::HumanLines::Style* style = nullptr,
                    const pipeline::Limits& limits = small_tables())
        : settings_(settings), printer_(lines_, style, nullptr) {
        auto engine = app::ReplayEngine::create(limits, settings_, workers, printer_);
        if (!engine.ok()) throw std::runtime_error(engine.error());
        engine_ = std::move(*engine);
        engine_->set_link_layer(link);
    }

    /// `at`: seconds since the start. `captured`: bytes of it that the capture holds; 0: all.
    Replay& packet(double at, const Bytes& bytes, std::size_t captured = 0) {
        app::CapturedPacket packet;
        // A copy in a buffer of its own that is gone afterwards: nobody may keep a pointer into it.
        const Bytes copy(bytes.begin(),
                         bytes.begin() + static_cast<std::ptrdiff_t>(captured ? captured : bytes.size()));
        packet.bytes = copy;
        packet.length = static_cast<std::uint32_t>(bytes.size());
        packet.nanoseconds = start_of_capture + std::llround(at * 1e9);
        engine_->feed(packet);
        return *this;
    }
    Replay& packet(double at, const PacketBuilder& builder) { return packet(at, builder.build()); }

    [[nodiscard]] app::ReplayEngine& engine() { return *engine_; }
    [[nodiscard]] const std::string& text() const { return lines_.text; }
    [[nodiscard]] const app::ReplayTotals& totals() const { return printer_.totals(); }
    /// The lines so far. Each must be JSON.
    [[nodiscard]] std::vector<nlohmann::json> lines() const {
        std::vector<nlohmann::json> out;
        for (std::size_t at = 0; at < text().size();) {
            const std::size_t end = text().find('\n', at);
            out.push_back(nlohmann::json::parse(text().substr(at, end - at)));
            at = end + 1;
        }
        return out;
    }

  private:
    pipeline::Settings settings_;
    CollectedLines lines_;
    app::ReplayPrinter printer_;
    std::unique_ptr<app::ReplayEngine> engine_;
};

/// Segments between a client 10.0.0.1:40000 and a server 10.0.0.2:80.
inline PacketBuilder from_client() {
    return PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80);
}
inline PacketBuilder from_server() {
    return PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 40000);
}

/// The three segments that open a connection, a millisecond apart.
inline void handshake(Replay& replay, double at) {
    using packet::ack;
    using packet::syn;
    replay.packet(at, from_client().sequence(1000).flags(syn));
    replay.packet(at + 0.001, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack));
    replay.packet(at + 0.002, from_client().sequence(1001).acknowledgement(5001).flags(ack));
}

}  // namespace sluice::test
