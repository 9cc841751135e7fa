// The smallest host of libsluice: reads a capture and prints what the tracker decides about each packet.
//
//     c++ embed.cpp $(pkg-config --cflags --libs libsluice libpcap) -o embed
//     ./embed capture.pcap
//
// docs/embedding.md goes through it.
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace {

using sluice::pipeline::MemoryIo;
using sluice::pipeline::MemoryPacket;
using Tracker = sluice::pipeline::Tracker<MemoryIo>;

// Memory for the tables: zeroed, aligned to a cache line, and there for as long as the tracker.
struct Arena {
    explicit Arena(std::size_t bytes)
        : size((bytes + 63) / 64 * 64), memory(static_cast<std::byte*>(std::aligned_alloc(64, size))) {
        if (memory != nullptr) std::fill_n(memory, size, std::byte{0});
    }
    ~Arena() { std::free(memory); }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    std::size_t size;
    std::byte* memory;
};

// A packet is the host's. The tracker holds on to a fragment until its datagram is whole, so this host keeps
// them all.
struct Kept {
    std::vector<std::uint8_t> bytes;
    MemoryPacket packet;
};

// The time of a packet, in the milliseconds that the tracker counts in.
sluice::pipeline::Now time_of(const timeval& at) {
    const auto seconds = static_cast<std::uint64_t>(at.tv_sec);
    const auto microseconds = static_cast<std::uint64_t>(at.tv_usec);
    return {static_cast<sluice::Tick>(seconds * 1000 + microseconds / 1000),
            seconds * 1'000'000'000 + microseconds * 1000};
}

}  // namespace

int main(int argc, char** argv) {
    std::array<char, PCAP_ERRBUF_SIZE> fault{};
    pcap_t* const capture = argc == 2 ? pcap_open_offline(argv[1], fault.data()) : nullptr;
    if (capture == nullptr) {
        std::fprintf(stderr, "embed: %s\n", argc == 2 ? fault.data() : "which capture? embed CAPTURE");
        return 2;
    }
    sluice::pipeline::Limits limits;
    limits.ipv4_flows = limits.ipv6_flows = 1024;
    const sluice::pipeline::Settings settings;    // nf_conntrack's defaults
    const sluice::flow::Secret secret{{{1, 2}}};  // of the flow hash: random in a program that is attacked
    const sluice::pipeline::Steering alone;       // one worker
    const Arena arena(Tracker::bytes_needed(limits));
    if (arena.memory == nullptr) return 1;
    auto tracker = Tracker::create(limits, settings, secret, alone, {arena.memory, arena.size});
    if (!tracker) {
        std::fprintf(stderr, "embed: %s\n", tracker.error().c_str());
        return 1;
    }

    auto out = std::make_unique<sluice::pipeline::Output<MemoryIo>>();
    std::deque<Kept> packets;
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    for (unsigned long number = 1; pcap_next_ex(capture, &header, &bytes) == 1; ++number) {
        packets.push_back({{bytes, bytes + header->caplen}, {}});
        Kept& kept = packets.back();
        kept.packet.first = kept.bytes;
        kept.packet.missing = header->len - header->caplen;
        std::array<MemoryPacket*, 1> burst{&kept.packet};  // up to 64 at once
        (*tracker)->process(burst, time_of(header->ts), *out);
        for (const auto& judged : out->view()) {
            const auto state = sluice::pipeline::name_of(judged.decision.state);
            const auto& reason = sluice::text_of(judged.decision.reason);
            const bool passes = judged.decision.action == sluice::pipeline::Action::pass;
            std::printf("%lu %s %.*s %.*s\n", number, passes ? "pass" : "drop",
                        static_cast<int>(state.size()), state.data(), static_cast<int>(reason.name.size()),
                        reason.name.data());
        }
        (*tracker)->poll(time_of(header->ts), *out);  // what has expired goes
    }
    pcap_close(capture);
    return 0;
}
