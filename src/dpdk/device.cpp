#include "device.hpp"

#include <net/if.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <regex>

namespace sluice::dpdk {
namespace {

/// The value of `key` in a devargs list ("iface=eth1,qpairs=1"); empty when it is not there.
std::string argument(const std::string& arguments, const std::string& key) {
    const std::string wanted = key + "=";
    std::size_t at = 0;
    while (at < arguments.size()) {
        const std::size_t end = std::min(arguments.find(',', at), arguments.size());
        if (arguments.compare(at, wanted.size(), wanted) == 0) {
            return arguments.substr(at + wanted.size(), end - at - wanted.size());
        }
        at = end + 1;
    }
    return {};
}

bool starts_with(const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
}

/// "af_xdp:eth1" and "af_packet:eth1".
Result<Device> from_short_form(Device device, unsigned number) {
    const std::size_t colon = device.given.find(':');
    device.kind = Device::Kind::interface;
    device.xdp = starts_with(device.given, "af_xdp:");
    device.interface = device.given.substr(colon + 1);
    if (device.interface.empty() || device.interface.size() >= IF_NAMESIZE ||
        device.interface.find_first_of(",= /") != std::string::npos) {
        return Error{"'" + device.given + "' names no interface: write " + device.given.substr(0, colon) +
                     ":IF, where IF is a name that `ip link` lists"};
    }
    device.name = (device.xdp ? "net_af_xdp" : "net_af_packet") + std::to_string(number);
    device.short_form = true;
    return device;
}

}  // namespace

Result<Device> parse_device(const std::string& given, unsigned number) {
    static const std::regex pci("([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7]");
    static const std::regex name("[A-Za-z][A-Za-z0-9_.-]{0,62}");
    Device device;
    device.given = given;
    if (starts_with(given, "af_xdp:") || starts_with(given, "af_packet:"))
        return from_short_form(device, number);

    const std::size_t comma = given.find(',');
    device.name = given.substr(0, comma);
    if (comma != std::string::npos) device.arguments = given.substr(comma + 1);

    if (std::regex_match(device.name, pci)) {
        device.kind = Device::Kind::pci;
        if (device.name.size() == 7) device.name = "0000:" + device.name;
        for (char& c : device.name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return device;
    }
    if (!std::regex_match(device.name, name)) {
        return Error{
            "'" + given +
            "' is no device: write a PCI address (0000:3b:00.0), af_xdp:IF, af_packet:IF, or a DPDK device "
            "with its arguments (net_tap0,iface=tap0)"};
    }
    if (starts_with(device.name, "net_af_xdp") || starts_with(device.name, "net_af_packet")) {
        device.kind = Device::Kind::interface;
        device.xdp = starts_with(device.name, "net_af_xdp");
        device.interface = argument(device.arguments, "iface");
        if (device.interface.empty()) {
            return Error{"'" + given + "' does not say which interface: add ,iface=IF"};
        }
    }
    return device;
}

std::string interface_arguments(const Device& device, unsigned channels, std::uint16_t mtu) {
    const std::string interface = "iface=" + device.interface;
    if (device.xdp) return interface + ",start_queue=0,queue_count=" + std::to_string(channels);
    // The kernel's own header lies before each frame. Blocks of 64 KiB (or one frame), and a ring of 4 MiB:
    // bulk transfers lost packets with the driver's default of one.
    constexpr std::uint32_t before_frame = 128;
    constexpr std::uint32_t around_mtu = 26;
    const std::uint32_t frame = std::bit_ceil(std::max<std::uint32_t>(2048, mtu + around_mtu + before_frame));
    const std::uint32_t block = std::max<std::uint32_t>(65'536, frame);
    const std::uint32_t frames = std::max<std::uint32_t>(2048 * 2048 / frame, block / frame * 4);
    return interface + ",qpairs=1,framesz=" + std::to_string(frame) + ",blocksz=" + std::to_string(block) +
           ",framecnt=" + std::to_string(frames);
}

Result<std::vector<Device>> parse_devices(const Options& options) {
    std::vector<Device> devices;
    for (const PairOptions& pair : options.pairs) {
        for (const PortOptions& port : pair.ports) {
            auto device = parse_device(port.device, static_cast<unsigned>(devices.size()));
            if (!device) return Error{"pair '" + pair.name + "': " + device.error()};
            for (const Device& other : devices) {
                const bool same =
                    device->kind == Device::Kind::interface && other.interface == device->interface;
                if (same || other.name == device->name) {
                    return Error{"pair '" + pair.name + "': '" + port.device +
                                 "' is already used as a port; each device can be one port only"};
                }
            }
            devices.push_back(std::move(*device));
        }
    }
    return devices;
}

}  // namespace sluice::dpdk
