// Floods a server with SYNs whose sources are made up, as fast as a packet socket takes them or at a given
// rate.
//
//     syn_flood INTERFACE MAC ADDRESS PORT --rate N --seconds N [--plain] [--flags N] [--seed N]
//     [--one-source]
//
// MAC is where frames go to. With --flags the segments have other TCP flags than SYN. Sources are drawn from
// what RFC 2544 (198.18.0.0/15) and RFC 5180 (2001:2::/48) set aside for benchmarks, so they are nobody's,
// or, with --one-source, all are the first of those; source ports and sequence numbers are drawn too. Every
// SYN has the options that Linux sends, with --plain
// none. At the end, or on SIGTERM, it prints one line of JSON: how many it sent and in which time, and how
// much processor time that took, in which the work of the kernel that receives on a veth is counted too.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t batch = 64;
constexpr std::size_t ethernet_bytes = 14, longest_frame = ethernet_bytes + 40 + 40;
/// What Linux offers: MSS 1460, SACK permitted, timestamps, window scale 7.
constexpr std::array<std::uint8_t, 20> linux_options{2, 4, 0x05, 0xB4, 4, 2, 8, 10, 0, 0,
                                                     0, 1, 0,    0,    0, 0, 1, 3,  3, 7};
constexpr std::size_t timestamp_in_options = 8;

volatile std::sig_atomic_t told_to_stop = 0;

struct Options {
    std::string interface;
    ether_addr mac{};
    bool ipv6 = false;
    std::array<std::uint8_t, 16> address{};
    std::uint16_t port = 0;
    std::uint64_t rate = 0;  ///< a second; 0: as fast as it goes
    double seconds = 1;
    bool plain = false;
    bool one_source = false;
    std::uint8_t flags = 0x02;  ///< SYN
    std::uint64_t state = 1;
};

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "syn_flood: %s\n", why.c_str());
    std::exit(2);
}

/// splitmix64.
std::uint64_t draw(std::uint64_t& state) {
    std::uint64_t word = state += 0x9E3779B97F4A7C15;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9;
    word = (word ^ word >> 27) * 0x94D049BB133111EB;
    return word ^ word >> 31;
}

void put16(std::uint8_t* at, std::uint32_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}
void put32(std::uint8_t* at, std::uint32_t value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

/// The sum of RFC 1071 over an even number of bytes, on top of `sum`.
std::uint32_t add_up(const std::uint8_t* bytes, std::size_t count, std::uint32_t sum) {
    for (std::size_t i = 0; i < count; i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    return sum;
}
std::uint32_t folded(std::uint32_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
    return ~sum & 0xFFFF;
}

/// A frame whose addresses, ports, sequence number and checksums are still to come.
class Template {
  public:
    Template(const Options& options, const ether_addr& own_mac) : options_(options) {
        const std::size_t ip = options.ipv6 ? 40 : 20;
        tcp_ = ethernet_bytes + ip;
        const std::size_t tcp_bytes = 20 + (options.plain ? 0 : linux_options.size());
        length_ = tcp_ + tcp_bytes;
        std::uint8_t* const frame = frame_.data();
        std::memcpy(frame, &options.mac, 6);
        std::memcpy(frame + 6, &own_mac, 6);
        put16(frame + 12, options.ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
        std::uint8_t* const header = frame + ethernet_bytes;
        if (options.ipv6) {
            header[0] = 0x60;
            put16(header + 4, static_cast<std::uint32_t>(tcp_bytes));
            header[6] = IPPROTO_TCP;
            header[7] = 64;
            put32(header + 8, 0x2001'0002);  // the rest of the prefix is 0
            std::memcpy(header + 24, options.address.data(), 16);
        } else {
            header[0] = 0x45;
            put16(header + 2, static_cast<std::uint32_t>(20 + tcp_bytes));
            put16(header + 6, 0x4000);  // do not fragment
            header[8] = 64;
            header[9] = IPPROTO_TCP;
            std::memcpy(header + 16, options.address.data(), 4);
        }
        std::uint8_t* const tcp = frame + tcp_;
        put16(tcp + 2, options.port);
        tcp[12] = static_cast<std::uint8_t>(tcp_bytes / 4 << 4);
        tcp[13] = options.flags;
        put16(tcp + 14, 64240);
        if (!options.plain) std::memcpy(tcp + 20, linux_options.data(), linux_options.size());
    }

    [[nodiscard]] std::size_t length() const { return length_; }
    void write(std::uint8_t* frame, std::uint64_t& random) const {
        std::memcpy(frame, frame_.data(), length_);
        std::uint8_t* const header = frame + ethernet_bytes;
        std::uint8_t* const tcp = frame + tcp_;
        const std::uint64_t one = draw(random), other = draw(random);
        const std::uint64_t network = options_.one_source ? 0 : one >> 16,
                            host = options_.one_source ? 1 : other;
        const std::size_t tcp_bytes = length_ - tcp_;
        std::uint32_t sum = IPPROTO_TCP + static_cast<std::uint32_t>(tcp_bytes);
        if (options_.ipv6) {
            put16(header + 14, static_cast<std::uint32_t>(network));  // many networks of 64 bits
            put32(header + 16, static_cast<std::uint32_t>(host));
            put32(header + 20, static_cast<std::uint32_t>(host >> 32));
            sum = add_up(header + 8, 32, sum);
        } else {
            put32(header + 12, 0xC612'0000U | (static_cast<std::uint32_t>(host) & 0x1'FFFF));
            put16(header + 10, folded(add_up(header, 20, 0)));
            sum = add_up(header + 12, 8, sum);
        }
        put16(tcp, 1024 + static_cast<std::uint32_t>(one & 0xFFFF) % 64'512);
        put32(tcp + 4, static_cast<std::uint32_t>(one >> 32));
        if ((options_.flags & 0x10) != 0)
            put32(tcp + 8, static_cast<std::uint32_t>(other >> 32) ^ 0x5555'5555U);
        if (!options_.plain) put32(tcp + 20 + timestamp_in_options, static_cast<std::uint32_t>(one >> 8));
        put16(tcp + 16, folded(add_up(tcp, tcp_bytes, sum)));
    }

  private:
    const Options& options_;
    std::array<std::uint8_t, longest_frame> frame_{};
    std::size_t tcp_ = 0, length_ = 0;
};

Options read_arguments(int count, char** words) {
    if (count < 5)
        fail(
            "usage: INTERFACE MAC ADDRESS PORT [--rate N] [--seconds N] [--plain] [--flags N] [--seed N] "
            "[--one-source]");
    Options out;
    out.interface = words[1];
    if (ether_aton_r(words[2], &out.mac) == nullptr) fail("not a MAC address: " + std::string(words[2]));
    out.ipv6 = inet_pton(AF_INET6, words[3], out.address.data()) == 1;
    if (!out.ipv6 && inet_pton(AF_INET, words[3], out.address.data()) != 1)
        fail("not an address: " + std::string(words[3]));
    out.port = static_cast<std::uint16_t>(std::stoul(words[4]));
    for (int i = 5; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--plain") {
            out.plain = true;
        } else if (word == "--one-source") {
            out.one_source = true;
        } else if (i + 1 == count) {
            fail("nothing follows " + std::string(word));
        } else if (word == "--rate") {
            out.rate = std::stoull(words[++i]);
        } else if (word == "--seconds") {
            out.seconds = std::stod(words[++i]);
        } else if (word == "--flags") {
            out.flags = static_cast<std::uint8_t>(std::stoul(words[++i], nullptr, 0));
        } else if (word == "--seed") {
            out.state = std::stoull(words[++i]);
        } else {
            fail("unknown option " + std::string(word));
        }
    }
    return out;
}

/// A socket bound to the interface, and the interface's MAC.
int open_socket(const std::string& interface, ether_addr& mac) {
    const int socket = ::socket(AF_PACKET, SOCK_RAW, 0);
    if (socket < 0) fail("a packet socket needs root");
    const int yes = 1;
    if (setsockopt(socket, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) != 0)
        fail("PACKET_QDISC_BYPASS");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    socklen_t length = sizeof address;
    if (bind(socket, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
        getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        fail("there is no interface " + interface);
    std::memcpy(&mac, address.sll_addr, 6);
    return socket;
}

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

int main(int count, char** words) {
    Options options = read_arguments(count, words);
    ether_addr own_mac{};
    const int socket = open_socket(options.interface, own_mac);
    const Template frames(options, own_mac);
    std::signal(SIGTERM, [](int) { told_to_stop = 1; });

    std::array<std::array<std::uint8_t, longest_frame>, batch> bytes{};
    std::array<iovec, batch> parts{};
    std::array<mmsghdr, batch> messages{};
    for (std::size_t i = 0; i < batch; ++i) {
        parts[i] = {bytes[i].data(), frames.length()};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }

    const auto began = Clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
    std::uint64_t sent = 0, skipped = 0;
    for (double now = 0; now < options.seconds && told_to_stop == 0; now = elapsed()) {
        std::size_t wanted = batch;
        if (options.rate != 0) {
            // What a pause of the machine left behind is not made up for beyond 10 ms: it would be another
            // flood.
            const double due = now * static_cast<double>(options.rate) - static_cast<double>(sent + skipped);
            if (due < 1) {
                std::this_thread::sleep_for(std::chrono::microseconds(200));
                continue;
            }
            if (due > static_cast<double>(options.rate) / 100) skipped += static_cast<std::uint64_t>(due) / 2;
            wanted = std::min(batch, static_cast<std::size_t>(due));
        }
        for (std::size_t i = 0; i < wanted; ++i) frames.write(bytes[i].data(), options.state);
        const int taken = sendmmsg(socket, messages.data(), static_cast<unsigned>(wanted), 0);
        if (taken > 0) sent += static_cast<std::uint64_t>(taken);
        if (taken <= 0) std::this_thread::sleep_for(std::chrono::microseconds(100));  // its queue is full
    }
    const double seconds = elapsed();
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    std::printf("{\"sent\": %llu, \"seconds\": %.3f, \"cpu_seconds\": %.3f}\n",
                static_cast<unsigned long long>(sent), seconds,
                seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
    close(socket);
    return 0;
}
