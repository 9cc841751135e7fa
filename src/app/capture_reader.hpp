// Captures from files or pipes: pcap and pcapng, through libpcap. Hostile content is expected: whatever the
// file says, a packet handed out lies wholly in memory and its length is bounded.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include <pcap/pcap.h>

#include "sluice/base/result.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::app {

/// A frame is never longer than this, whatever the file claims: libpcap's own bound on what may be captured.
inline constexpr std::uint32_t longest_frame = 262'144;

/// One packet of a capture.
struct CapturedPacket {
    std::span<const std::uint8_t> bytes;  ///< what was captured; valid until the next packet is read
    std::uint32_t length = 0;             ///< of the frame as it was on the wire, at least bytes.size()
    std::int64_t nanoseconds = 0;         ///< since 1970; times beyond the years 1678 to 2262 are clamped
};

/// One capture, read from the first packet to the last.
class CaptureReader {
  public:
    enum class Next : std::uint8_t { packet, end, failed };

    /// Opens `path` ("-": standard input). The error names what is wrong: missing, unreadable, no capture, or
    /// a link type that is not supported.
    [[nodiscard]] static Result<CaptureReader> open(const std::string& path);

    /// Reads the next packet. `failed`: the capture is cut short or damaged, and error() says where.
    [[nodiscard]] Next next(CapturedPacket& packet);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] packet::LinkLayer link() const { return link_; }
    /// libpcap's DLT_ value, for writing packets back with the link type they came with.
    [[nodiscard]] int data_link() const { return data_link_; }
    /// The file certainly keeps microseconds, no finer. False for nanosecond pcap, pcapng and pipes.
    [[nodiscard]] bool microseconds() const { return microseconds_; }
    [[nodiscard]] std::uint64_t packets_read() const { return packets_read_; }
    /// Of a regular file: how far it has been read, and how long it is; else 0.
    [[nodiscard]] std::uint64_t bytes_read() const;
    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] const std::string& error() const { return error_; }

  private:
    struct Close {
        void operator()(pcap_t* handle) const { pcap_close(handle); }
    };

    CaptureReader(std::string path, std::unique_ptr<pcap_t, Close> handle, packet::LinkLayer link,
                  bool microseconds)
        : path_(std::move(path)),
          handle_(std::move(handle)),
          link_(link),
          data_link_(pcap_datalink(handle_.get())),
          microseconds_(microseconds) {}

    std::string path_;
    std::unique_ptr<pcap_t, Close> handle_;
    packet::LinkLayer link_;
    int data_link_;
    bool microseconds_;
    std::uint64_t packets_read_ = 0;
    std::string error_;
};

/// What a message calls the capture at `path`: quoted, or "standard input".
[[nodiscard]] std::string name_of_capture(const std::string& path);

}  // namespace sluice::app
