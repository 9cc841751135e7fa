// A guard for a tracker: one protected service, which all servers of FrameWriter are.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>

#include "callers.hpp"
#include "sluice/guard/detector.hpp"
#include "sluice/pipeline/protection.hpp"

namespace sluice::bench {

class Protected {
  public:
    static constexpr guard::ServiceNumber service = 1;
    static constexpr guard::SynCookies::Secrets secrets{.turns = {{{1, 2}, {3, 4}}}, .timestamps = {5, 6}};

    /// Limits with a guard.
    [[nodiscard]] static pipeline::Limits with_guard(pipeline::Limits limits) {
        limits.guarded_services = services;
        return limits;
    }
    /// Settings that protect the service; this must outlive the tracker that obeys them.
    [[nodiscard]] pipeline::Settings settings() const {
        std::array<std::uint8_t, 4> ipv4;
        store(ipv4.data(), be32(FrameWriter::server_address));
        const std::array<guard::Service, 2> both{{
            {guard::Address::ipv4(ipv4.data()), 128, FrameWriter::server_port, service},
            {{0x2001'0DB8'0000'0000, FrameWriter::server_address}, 128, FrameWriter::server_port, service},
        }};
        auto map = guard::ServiceMap::build(both);
        if (!map) throw std::runtime_error(map.error());
        auto protection = std::make_shared<pipeline::Protection>();
        protection->services = std::move(*map);
        protection->board = &board_;
        protection->cookie_secrets = secrets;
        pipeline::Settings out;
        out.protection = std::move(protection);
        return out;
    }
    void defend() { board_.publish(service, {guard::Level::defend, 0}); }

    /// Lets the box watch a server that knows all that Linux does, and waits until that connection, reset by
    /// its client, is gone. Returns the time it is then.
    static Tick watch_server(TrackerBox& box, const MbufPool& pool, bool ipv6, Tick tick) {
        const FrameWriter writer({.ipv6 = ipv6, .timestamps = true, .sack = true});
        const Caller client = caller(std::uint64_t{3} << 43);
        Outline answer = reset_of(client), reset = syn_of(client);
        answer.flags = flag_syn | flag_ack;
        reset.flags = flag_rst;
        reset.sequence += 1;
        const std::uint32_t held = box.flows_held();
        for (std::uint32_t i = 0; const Outline& segment : {syn_of(client), answer, reset})
            pool.receive(i, writer.write(pool.frame(i), segment)), ++i;
        for (unsigned i = 0; i < 3; ++i) box->process(pool.burst(i, 1), {.tick = tick}, box.out);
        tick += (box.settings().timeouts[static_cast<std::size_t>(Lifetime::close)] + 1) * ticks_per_second;
        for (unsigned i = 0; i < 64; ++i) box->poll({.tick = tick}, box.out);
        if (box->guard()->accounts().services()[service].answered.read() != 1 || box.flows_held() != held)
            throw std::runtime_error("the server was not watched");
        return tick;
    }

  private:
    static constexpr std::uint16_t services = 2;

    guard::DefenceBoard board_{services};
};

}  // namespace sluice::bench
