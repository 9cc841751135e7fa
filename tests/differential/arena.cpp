#include "arena.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace sluice::differential {
namespace {

/// What the ruleset writes into the DSCP field for each verdict. 0 is what packets have before.
constexpr std::array tagged{Verdict::lost, Verdict::invalid, Verdict::new_flow, Verdict::established,
                            Verdict::untracked};

/// Behind conntrack (priority -200), in front of everything else. Nothing is dropped: what is invalid comes
/// out too.
constexpr const char* ruleset = R"(
table inet judge {
  chain tell {
    type filter hook prerouting priority mangle; policy accept;
    ct state invalid ip dscp set 1
    ct state new ip dscp set 2
    ct state established ip dscp set 3
    ct state untracked ip dscp set 4
    ct state invalid ip6 dscp set 1
    ct state new ip6 dscp set 2
    ct state established ip6 dscp set 3
    ct state untracked ip6 dscp set 4
  }
}
)";

constexpr const char* links = R"(
link set dev a mtu 65535 up
link set dev b mtu 65535 up
route add 10.77.0.0/16 dev a
route add 10.78.0.0/16 dev b
route add fd77::/16 dev a
route add fd78::/16 dev b
)";

Error failed(const std::string& what) {
    return Error{what + ": " + std::strerror(errno)};
}

/// A TUN device of the present namespace; -1 with errno set when there is none to be had.
int open_device(const char* name) {
    const int out = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (out < 0) return -1;
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(out, TUNSETIFF, &request) == 0) return out;
    ::close(out);
    return -1;
}

/// Feeds `input` to a command; whether it ended well.
bool feed(const char* command, const char* input) {
    FILE* pipe = popen(command, "w");  // NOLINT(cert-env33-c): a fixed command line
    if (pipe == nullptr) return false;
    const bool written = std::fputs(input, pipe) >= 0;
    return pclose(pipe) == 0 && written;
}

}  // namespace

bool Arena::try_set(const std::string& name, const std::string& value) {
    std::ofstream file("/proc/sys/net/" + name);
    file << value << std::flush;
    return file.good();
}

void Arena::set(const std::string& name, unsigned value) {
    if (!try_set(name, std::to_string(value)))
        throw std::runtime_error("the kernel does not let us set net/" + name);
}

Result<std::unique_ptr<Arena>> Arena::build() {
    if (geteuid() != 0) return Error{"this needs root"};
    if (unshare(CLONE_NEWNET) != 0) return failed("no network namespace of our own");
    std::unique_ptr<Arena> out(new Arena);
    out->device_a_ = open_device("a");
    out->device_b_ = open_device("b");
    if (out->device_a_ < 0 || out->device_b_ < 0) return failed("no TUN device");
    // Without addresses of its own the kernel has nothing to say on these links by itself.
    for (const char* device : {"a", "b"})
        (void)try_set("ipv6/conf/" + std::string(device) + "/addr_gen_mode", "1");
    if (!feed("PATH=$PATH:/usr/sbin:/sbin ip -batch - 2>&1", links))
        return Error{"`ip` cannot set up the links"};
    if (!feed("PATH=$PATH:/usr/sbin:/sbin nft -f - 2>&1", ruleset))
        return Error{"`nft` cannot load the ruleset: is it installed, and conntrack in the kernel?"};
    if (!try_set("ipv4/ip_forward", "1") || !try_set("ipv6/conf/all/forwarding", "1"))
        return Error{"the kernel does not let us forward"};
    return out;
}

Arena::~Arena() {
    for (const int device : {device_a_, device_b_})
        if (device >= 0) ::close(device);
}

Verdict Arena::pass(End from, std::span<const std::uint8_t> packet) {
    const int in = from == End::a ? device_a_ : device_b_;
    const int out = from == End::a ? device_b_ : device_a_;
    if (::write(in, packet.data(), packet.size()) != static_cast<ssize_t>(packet.size()))
        throw std::runtime_error(std::string("a packet cannot be sent: ") + std::strerror(errno));
    const bool six = packet[0] >> 4 == 6;
    std::array<std::uint8_t, 65536> got;  // NOLINT(cppcoreguidelines-pro-type-member-init): read before used
    while (true) {
        const ssize_t size = ::read(out, got.data(), got.size());
        if (size < 0) return Verdict::lost;
        // Ours, by its identification (IPv6: flow label): the kernel may have multicast of its own to send.
        const bool ours = size >= (six ? 40 : 20) && got[0] >> 4 == packet[0] >> 4 &&
                          (six ? std::memcmp(got.data() + 2, packet.data() + 2, 2) == 0
                               : std::memcmp(got.data() + 4, packet.data() + 4, 2) == 0);
        if (!ours) continue;
        const unsigned tos = six ? (got[0] & 15U) << 4 | got[1] >> 4 : got[1];
        const std::size_t tag = tos >> 2;
        return tag < tagged.size() ? tagged[tag] : Verdict::lost;
    }
}

}  // namespace sluice::differential
