// Real traffic: the captures in the folder that SLUICE_CAPTURES names. Every packet is parsed along both
// paths; what is refused must be refused for a reason that the capture is known to hold.
#include <pcap/pcap.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "parsing.hpp"

namespace sluice::test {
namespace {

struct Close {
    void operator()(pcap_t* capture) const { pcap_close(capture); }
};
using Capture = std::unique_ptr<pcap_t, Close>;

bool link_of(pcap_t* capture, LinkLayer& link) {
    switch (pcap_datalink(capture)) {
        case DLT_EN10MB:
            link = LinkLayer::ethernet;
            return true;
        case DLT_RAW:
            link = LinkLayer::raw_ip;
            return true;
        case DLT_LINUX_SLL:
            link = LinkLayer::linux_cooked_v1;
            return true;
        case DLT_LINUX_SLL2:
            link = LinkLayer::linux_cooked_v2;
            return true;
        case DLT_NULL:
        case DLT_LOOP:
            link = LinkLayer::bsd_loopback;
            return true;
        default:
            return false;
    }
}

struct Tally {
    int packets = 0, quotes = 0, valid_quotes = 0, fragments = 0;
    std::map<Reason, int> refused;
};

void parse_packet(const Bytes& bytes, std::size_t frame_length, LinkLayer link, Tally& tally) {
    const Headers headers = parse_part(bytes, frame_length, link);
    ++tally.packets;
    tally.fragments += headers.fragment.present ? 1 : 0;
    if (headers.refusal != Reason::none) {
        ++tally.refused[headers.refusal];
        return;
    }
    if (headers.family == Family::none) return;
    const std::size_t end = std::size_t{headers.transport_offset} + headers.transport_length;
    EXPECT_LE(end, frame_length);
    if (!headers.icmp_error) return;
    const ExactBuffer buffer(bytes);
    ++tally.quotes;
    tally.valid_quotes += packet::parse_quote({buffer.span(), frame_length, link}, headers).valid ? 1 : 0;
}

TEST(Captures, EveryPacketIsParsed) {
    const char* const folder = std::getenv("SLUICE_CAPTURES");
    if (folder == nullptr) GTEST_SKIP() << "SLUICE_CAPTURES names no folder of captures";
    int files = 0, packets = 0, fragments = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (entry.path().extension() != ".pcap") continue;
        char error[PCAP_ERRBUF_SIZE] = "";
        const Capture capture(pcap_open_offline(entry.path().c_str(), error));
        ASSERT_NE(capture, nullptr) << name << ": " << error;
        LinkLayer link{};
        ASSERT_TRUE(link_of(capture.get(), link)) << name;
        ++files;
        Tally tally;
        pcap_pkthdr* record = nullptr;
        const u_char* bytes = nullptr;
        while (pcap_next_ex(capture.get(), &record, &bytes) == 1) {
            parse_packet(Bytes(bytes, bytes + record->caplen), record->len, link, tally);
        }
        // One capture holds a TCP header cut into three fragments of eight bytes; all the others are sound.
        std::map<Reason, int> refused;
        if (name.find("frag-eth-vlan-ip-tcp-syn") != std::string::npos)
            refused = {{Reason::fragment_tiny, 3}};
        EXPECT_EQ(tally.refused, refused) << name;
        packets += tally.packets;
        fragments += tally.fragments;
        EXPECT_EQ(tally.quotes, tally.valid_quotes) << name;
    }
    ASSERT_GT(files, 0) << "no capture in " << folder;
    EXPECT_GT(packets, files);
    EXPECT_GT(fragments, 0);
}

}  // namespace
}  // namespace sluice::test
