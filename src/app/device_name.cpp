#include "app/device_name.hpp"

#include <algorithm>
#include <cctype>

namespace sluice::app {
namespace {

bool is_hexadecimal(char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// "3b:00.0" or "0000:3b:00.0", as lspci prints it: the full form in lower case.
std::optional<std::string> pci_address(std::string_view text) {
    std::string full(text);
    std::transform(full.begin(), full.end(), full.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view shape = "xxxx:xx:xx.x";
    constexpr std::string_view no_domain = "0000:";
    if (full.size() == shape.size() - no_domain.size()) full.insert(0, no_domain);
    if (full.size() != shape.size()) return std::nullopt;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] == 'x' ? !is_hexadecimal(full[i]) : full[i] != shape[i]) return std::nullopt;
    if (full.back() > '7') return std::nullopt;
    return full;
}

/// A name Linux would give an interface (IFNAMSIZ is 16 with the NUL).
bool is_interface(std::string_view name) {
    constexpr std::size_t longest = 15;
    if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != ','; });
}

/// The value of `iface=` among a virtual device's arguments.
std::optional<std::string_view> interface_argument(std::string_view arguments) {
    constexpr std::string_view key = "iface=";
    while (!arguments.empty()) {
        const std::string_view argument = arguments.substr(0, arguments.find(','));
        if (argument.starts_with(key)) return argument.substr(key.size());
        arguments.remove_prefix(std::min(arguments.size(), argument.size() + 1));
    }
    return std::nullopt;
}

std::string of_interface(std::string_view name) {
    return "interface " + std::string(name);
}

}  // namespace

std::optional<std::string> device_identity(std::string_view text) {
    constexpr std::size_t longest = 255;
    if (text.size() > longest) return std::nullopt;
    if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c >= 0x7f; }))
        return std::nullopt;
    for (const std::string_view prefix : {"af_xdp:", "af_packet:"})
        if (text.starts_with(prefix)) {
            const std::string_view name = text.substr(prefix.size());
            return is_interface(name) ? std::optional(of_interface(name)) : std::nullopt;
        }
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    const std::string_view arguments =
        comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (comma != std::string_view::npos && arguments.empty()) return std::nullopt;
    if (auto address = pci_address(name)) return address;
    constexpr std::string_view virtual_device = "net_";
    if (name.starts_with(virtual_device) && name.size() > virtual_device.size() &&
        std::all_of(name.begin(), name.end(), is_word)) {
        // net_tap makes the interface it names; the others open one that two devices must not share.
        const auto interface = interface_argument(arguments);
        if (!interface) return std::string(name);
        return is_interface(*interface) ? std::optional(of_interface(*interface)) : std::nullopt;
    }
    constexpr std::string_view auxiliary = "auxiliary:";
    if (name.starts_with(auxiliary) && name.size() > auxiliary.size()) return std::string(name);
    return std::nullopt;
}

std::string device_expectation(std::string_view text) {
    const bool like_interface =
        is_interface(text) && text.find('.') == std::string_view::npos &&
        std::all_of(text.begin(), text.end(), [](char c) { return is_word(c) || c == '-'; });
    if (like_interface) {
        const std::string name(text);
        return "a device: for the interface " + name + " write \"af_xdp:" + name +
               "\" or \"af_packet:" + name + "\"";
    }
    return "a device such as \"0000:3b:00.0\", \"af_xdp:eth1\", \"af_packet:eth1\" or "
           "\"net_tap0,iface=tap0\"";
}

}  // namespace sluice::app
