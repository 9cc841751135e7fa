// `--write`: what would have left the box, as a capture. Packets come in the order in which they leave, with
// the timestamps, the link type and the bytes they came with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <pcap/pcap.h>

#include "sluice/base/result.hpp"

namespace sluice::app {

class CaptureWriter {
  public:
    /// Creates or empties the file. `data_link`: libpcap's DLT_ value. `microseconds`: keep them; else
    /// nanoseconds.
    [[nodiscard]] static Result<CaptureWriter> create(const std::string& path, int data_link,
                                                      bool microseconds);

    /// Times that a pcap file cannot hold (before 1970, after 2106) are clamped.
    void write(std::span<const std::uint8_t> bytes, std::uint32_t length, std::int64_t nanoseconds);
    /// Everything is in the file, or the error says why not. Call once, at the end.
    [[nodiscard]] Status close();

  private:
    struct Close {
        void operator()(pcap_t* handle) const { pcap_close(handle); }
        void operator()(pcap_dumper_t* dumper) const { pcap_dump_close(dumper); }
    };
    CaptureWriter(std::string path, std::unique_ptr<pcap_t, Close> handle,
                  std::unique_ptr<pcap_dumper_t, Close> dumper, bool microseconds)
        : path_(std::move(path)),
          handle_(std::move(handle)),
          dumper_(std::move(dumper)),
          microseconds_(microseconds) {}

    std::string path_;
    std::unique_ptr<pcap_t, Close> handle_;
    std::unique_ptr<pcap_dumper_t, Close> dumper_;
    bool microseconds_;
    int failure_ = 0;  ///< errno of the first write that failed
};

}  // namespace sluice::app
