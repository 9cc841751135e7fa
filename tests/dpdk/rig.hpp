// Ports made of rings, a pool, and workers with plain trackers, turned by hand: everything but the threads.
#pragma once

#include <rte_eth_ring.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/dpdk/fabric.hpp"
#include "sluice/dpdk/mbuf_io.hpp"
#include "sluice/dpdk/ports.hpp"
#include "sluice/dpdk/worker.hpp"

namespace sluice::dpdk::test {

/// Decides by the first byte of a frame: 'P' pass, 'D' drop, 'H' hand over to the worker whose number follows
/// (that one passes it), 'F' a fragment: held, and a datagram complete with the third. 'X' as 'F', but
/// completed datagrams go to the worker whose number follows. 'A' answer: it goes back as 'a', a byte
/// shorter; dropped when nobody may write there. 'B' absorb. 'M' absorb, and two packets of its own in its
/// place: "m" passes, "n" is an answer.
class PlainTracker {
  public:
    using Output = pipeline::Output<MbufIo>;
    unsigned self = 0;
    std::vector<rte_mbuf*> held;
    std::uint64_t datagrams_taken = 0;
    unsigned chores = 0;  ///< that the next poll finds
    std::array<std::uint64_t, reason_count> losses{};

    void process(std::span<rte_mbuf* const> burst, pipeline::Now, Output& out) {
        out.size = 0;
        for (rte_mbuf* packet : burst) judge(packet, out);
    }
    void process_datagram(rte_mbuf* first, pipeline::Now, Output& out) {
        out.size = 0;
        ++datagrams_taken;
        out.add(first, {.action = pipeline::Action::pass, .datagram = true});
    }
    unsigned poll(pipeline::Now, Output& out) {
        out.size = 0;
        return std::exchange(chores, 0);
    }
    void count_loss(Reason reason, std::uint64_t packets) {
        losses[static_cast<std::size_t>(reason)] += packets;
    }
    void drop_held(Output& out) {
        out.size = 0;
        if (!held.empty()) give_up(out);
    }

  private:
    void judge(rte_mbuf* packet, Output& out) {
        const std::uint8_t* bytes = MbufIo::data(packet);
        const auto owner = static_cast<std::uint8_t>(bytes[1] - '0');
        switch (bytes[0]) {
            case 'D':
                out.add(packet, {.action = pipeline::Action::drop});
                break;
            case 'H':
                if (owner == self) out.add(packet, {.action = pipeline::Action::pass});
                if (owner != self) out.add(packet, {.action = pipeline::Action::handover, .owner = owner});
                break;
            case 'F':
            case 'X':
                held.push_back(packet);
                if (held.size() == 3) complete(bytes[0] == 'X', owner, out);
                break;
            case 'A':
                answer(packet, out);
                break;
            case 'M':
                make("m", packet, pipeline::Action::pass, out);
                make("n", packet, pipeline::Action::answer, out);
                [[fallthrough]];
            case 'B':
                out.add(packet, {.action = pipeline::Action::absorb});
                break;
            default:
                out.add(packet, {.action = pipeline::Action::pass});
        }
    }
    static void answer(rte_mbuf* packet, Output& out) {
        const auto room = MbufIo::writable(packet);
        if (room.empty()) {
            out.add(packet, {.action = pipeline::Action::drop});
            return;
        }
        room[0] = 'a';
        MbufIo::set_length(packet, MbufIo::length(packet) - 1);
        out.add(packet, {.action = pipeline::Action::answer});
    }
    static void make(const std::string& text, const rte_mbuf* like, pipeline::Action action, Output& out) {
        rte_mbuf* const made = MbufIo::make(MbufIo::port(like));
        if (made == nullptr) return;
        std::copy(text.begin(), text.end(), MbufIo::writable(made).begin());
        MbufIo::set_length(made, static_cast<std::uint32_t>(text.size()));
        out.add(made, {.action = action});
    }
    void link_held() {
        for (std::size_t i = 0; i < held.size(); ++i) {
            MbufIo::set_next_fragment(held[i], i + 1 < held.size() ? held[i + 1] : nullptr);
        }
    }
    void complete(bool elsewhere, std::uint8_t owner, Output& out) {
        link_held();
        out.add(held.front(), {.action = elsewhere ? pipeline::Action::handover : pipeline::Action::pass,
                               .owner = owner,
                               .datagram = true});
        held.clear();
    }
    void give_up(Output& out) {
        link_held();
        out.add(held.front(), {.action = pipeline::Action::drop, .datagram = true});
        held.clear();
    }
};

struct RigOptions {
    unsigned workers = 1;
    unsigned tx_queues = 1;  ///< of each port
    unsigned rx_queues = 1;
    unsigned wire_slots = 1024;  ///< of the rings that stand for wires; a power of two
    std::uint32_t control_packets_per_second = 1'000'000;
};

class Rig {
  public:
    explicit Rig(const RigOptions& options = {});
    ~Rig();

    /// Puts a frame of `text` on the wire to port `port`.
    void arrive(unsigned port, const std::string& text, unsigned queue = 0);
    void arrive(unsigned port, rte_mbuf* packet, unsigned queue = 0);
    /// Frames that left by `port`, in order, oldest first, queue by queue.
    std::vector<std::string> left(unsigned port);
    /// Turns every worker `rounds` times, in order.
    void turn(unsigned rounds = 3);
    /// A frame from the pool.
    rte_mbuf* frame(const std::string& text);
    [[nodiscard]] unsigned free_buffers() const { return rte_mempool_avail_count(pool); }
    [[nodiscard]] std::uint64_t dropped(Reason reason) const;
    [[nodiscard]] std::uint64_t received() const;
    [[nodiscard]] std::uint64_t sent() const;

    RigOptions options;
    rte_mempool* pool = nullptr;
    unsigned buffers_at_start = 0;
    std::vector<std::vector<rte_ring*>> in, out;  ///< by port, by queue
    std::unique_ptr<Ports> ports;
    std::unique_ptr<Fabric> fabric;
    std::vector<PlainTracker> trackers;
    std::vector<std::unique_ptr<Worker<PlainTracker>>> workers;
    pipeline::Now now{.tick = 1000};
    std::uint64_t cycles = 1'000'000'000;  ///< of a counter that runs at 1 GHz

  private:
    std::vector<rte_ring*> rings_;
};

}  // namespace sluice::dpdk::test
