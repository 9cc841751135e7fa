#include "interface.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

#include "netlink.hpp"

namespace sluice::dpdk {
namespace {

/// A socket to put questions about interfaces to, for as long as one question.
class Inquiry {
  public:
    explicit Inquiry(const std::string& interface)
        : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        std::strncpy(request_.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    }
    ~Inquiry() {
        if (socket_ >= 0) close(socket_);
    }
    Inquiry(const Inquiry&) = delete;
    Inquiry& operator=(const Inquiry&) = delete;

    [[nodiscard]] bool ask(unsigned long what) { return ioctl(socket_, what, &request_) == 0; }
    template <class T>
    [[nodiscard]] bool ethtool(T& question) {
        request_.ifr_data = reinterpret_cast<char*>(&question);
        return ask(SIOCETHTOOL);
    }
    /// The value of one of ethtool's on-and-off questions; 0 when it cannot be asked.
    [[nodiscard]] std::uint32_t value(std::uint32_t command) {
        ethtool_value question{.cmd = command, .data = 0};
        return ethtool(question) ? question.data : 0;
    }
    [[nodiscard]] ifreq& request() { return request_; }

  private:
    int socket_;
    ifreq request_{};
};

std::string driver_of(const std::string& interface) {
    ethtool_drvinfo question{};
    question.cmd = ETHTOOL_GDRVINFO;
    return Inquiry(interface).ethtool(question) ? question.driver : "";
}

/// Fills in what a thread inside the peer's namespace sees. The calling thread must be in that namespace.
bool look_at(int index, Peer& peer) {
    char name[IF_NAMESIZE];
    if (if_indextoname(static_cast<unsigned>(index), name) == nullptr) return false;
    peer.name = name;
    peer.offloads = offloads_of(name);
    peer.visible = true;
    return true;
}

/// Searches the namespaces that `ip netns` knows for the one that is number `wanted` here, and looks from
/// inside.
void look_in_named_namespaces(int index, int wanted, Peer& peer) {
    const std::string folder = "/run/netns/";
    DIR* list = opendir(folder.c_str());
    if (list == nullptr) return;
    while (const dirent* entry = readdir(list)) {
        if (entry->d_name[0] == '.') continue;
        const int descriptor = open((folder + entry->d_name).c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) continue;
        if (number_of_namespace(descriptor) == wanted) {
            peer.name_space = entry->d_name;
            // A namespace is entered by a thread of its own, which ends there.
            std::thread([&] {
                if (setns(descriptor, CLONE_NEWNET) == 0) look_at(index, peer);
            }).join();
        }
        close(descriptor);
        if (peer.visible) break;
    }
    closedir(list);
}

/// "ethtool -K IF tx off tso off" for what is on and should not be; empty when all is well. The order is
/// ethtool's own.
std::string remedy(const std::string& interface, const std::string& name_space, const std::string& switches) {
    if (switches.empty()) return {};
    const std::string prefix = name_space.empty() ? "" : "ip netns exec " + name_space + " ";
    return prefix + "ethtool -K " + interface + switches;
}

std::string sending_switches(const Offloads& offloads) {
    return std::string(offloads.transmit_checksum ? " tx off" : "") +
           (offloads.segmentation ? " tso off" : "");
}
std::string receiving_switches(const Offloads& offloads) {
    return std::string(offloads.generic_receive ? " gro off" : "") +
           (offloads.large_receive ? " lro off" : "");
}

bool has_flags(const std::string& interface, int wanted) {
    Inquiry inquiry(interface);
    return inquiry.ask(SIOCGIFFLAGS) && (inquiry.request().ifr_flags & wanted) == wanted;
}

}  // namespace

unsigned index_of(const std::string& name) {
    return if_nametoindex(name.c_str());
}

Offloads offloads_of(const std::string& name) {
    Inquiry inquiry(name);
    const std::uint32_t flags = inquiry.value(ETHTOOL_GFLAGS);
    return {
        .transmit_checksum = inquiry.value(ETHTOOL_GTXCSUM) != 0,
        .segmentation = inquiry.value(ETHTOOL_GTSO) != 0,
        .generic_receive = inquiry.value(ETHTOOL_GGRO) != 0,
        .large_receive = (flags & ETH_FLAG_LRO) != 0,
        .vlan_on_transmit = (flags & ETH_FLAG_TXVLAN) != 0,
        .vlan_on_receive = (flags & ETH_FLAG_RXVLAN) != 0,
    };
}

unsigned channels_of(const std::string& name) {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (!Inquiry(name).ethtool(channels)) return 1;
    return std::max(1U, channels.rx_count + channels.combined_count);
}

std::uint16_t mtu_of(const std::string& name) {
    Inquiry inquiry(name);
    return inquiry.ask(SIOCGIFMTU) ? static_cast<std::uint16_t>(std::min(inquiry.request().ifr_mtu, 65535))
                                   : std::uint16_t{0};
}

bool set_mtu(const std::string& name, std::uint16_t mtu) {
    Inquiry inquiry(name);
    inquiry.request().ifr_mtu = mtu;
    return inquiry.ask(SIOCSIFMTU);
}

bool is_up(const std::string& name) {
    return has_flags(name, IFF_UP);
}

bool has_link(const std::string& name) {
    return has_flags(name, IFF_UP | IFF_RUNNING);
}

bool set_up(const std::string& name, bool up) {
    Inquiry inquiry(name);
    if (!inquiry.ask(SIOCGIFFLAGS)) return false;
    short& flags = inquiry.request().ifr_flags;
    flags = static_cast<short>(up ? flags | IFF_UP : flags & ~IFF_UP);
    return inquiry.ask(SIOCSIFFLAGS);
}

std::optional<Peer> peer_of(const std::string& name) {
    if (driver_of(name) != "veth") return std::nullopt;
    Peer peer;
    const auto link = link_peer(name);
    if (!link) return peer;
    if (link->name_space) {
        look_in_named_namespaces(link->index, *link->name_space, peer);
    } else {
        look_at(link->index, peer);
    }
    return peer;
}

Status check_offloads(const std::string& interface, bool xdp, std::vector<std::string>& warnings) {
    const Offloads own = offloads_of(interface);
    const auto peer = peer_of(interface);

    // What arrives on a veth is what its peer sent, so the peer's sending side counts. Where it cannot be
    // seen, our own end stands in for it: the two are usually set alike.
    const bool blind = peer && !peer->visible;
    const std::string here =
        remedy(interface, "", (blind ? sending_switches(own) : "") + receiving_switches(own));
    const std::string there =
        peer && peer->visible ? remedy(peer->name, peer->name_space, sending_switches(peer->offloads)) : "";

    const bool tags_lost =
        xdp && (peer ? peer->visible && peer->offloads.vlan_on_transmit : own.vlan_on_receive);
    if (tags_lost) {
        const std::string line =
            peer ? remedy(peer->name, peer->name_space, " txvlan off") : remedy(interface, "", " rxvlan off");
        warnings.push_back(interface +
                           " takes VLAN tags out of frames before af_xdp sees them: tagged traffic would be "
                           "taken for untagged; if there is any, type: " +
                           line);
    }
    if (here.empty() && there.empty()) return success();
    const std::string what = blind ? " (and the same at its other end, which cannot be seen from here)" : "";
    return Error{interface + " would hand over merged frames or unfinished checksums; type: " + here +
                 (here.empty() || there.empty() ? "" : " && ") + there + what +
                 ", or set ports.allow_offloads = true to start all the same"};
}

}  // namespace sluice::dpdk
