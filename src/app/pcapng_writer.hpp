// Captures with a comment for each packet, which libpcap's own format has no room for: pcapng
// (draft-ietf-opsawg-pcapng), of which three kinds of block are enough.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {

/// Makes the bytes; whoever owns it writes them.
class PcapngWriter {
  public:
    /// The beginning of every file: a section header block.
    [[nodiscard]] static std::string beginning(std::string_view program);
    /// An Ethernet frame. `port` is the interface, named "port N", which is described in front of its first
    /// packet. `length` is that of the frame, `bytes` what there is of it.
    [[nodiscard]] std::string packet(std::uint16_t port, std::uint64_t nanoseconds, std::uint32_t length,
                                     std::span<const std::uint8_t> bytes, std::string_view comment);

  private:
    std::vector<std::uint16_t> ports_;  ///< by interface number
};

}  // namespace sluice::app
