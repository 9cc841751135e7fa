#include "app/replay_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "app/capture_reader.hpp"

namespace sluice::app {

Result<CaptureWriter> CaptureWriter::create(const std::string& path, int data_link, bool microseconds) {
    std::unique_ptr<pcap_t, Close> handle(pcap_open_dead_with_tstamp_precision(
        data_link, longest_frame, microseconds ? PCAP_TSTAMP_PRECISION_MICRO : PCAP_TSTAMP_PRECISION_NANO));
    if (!handle) return Error{"no memory to write a capture"};
    std::unique_ptr<pcap_dumper_t, Close> dumper(pcap_dump_open(handle.get(), path.c_str()));
    if (!dumper)
        return Error{fmt::format("cannot write the capture '{}': {}", path, pcap_geterr(handle.get()))};
    return CaptureWriter(path, std::move(handle), std::move(dumper), microseconds);
}

void CaptureWriter::write(std::span<const std::uint8_t> bytes, std::uint32_t length,
                          std::int64_t nanoseconds) {
    constexpr std::int64_t last = 0xFFFF'FFFFLL * 1'000'000'000;
    const std::int64_t time = std::clamp<std::int64_t>(nanoseconds, 0, last);
    pcap_pkthdr header{};
    header.ts.tv_sec = time / 1'000'000'000;
    header.ts.tv_usec = time % 1'000'000'000 / (microseconds_ ? 1000 : 1);
    header.caplen = static_cast<bpf_u_int32>(bytes.size());
    header.len = length;
    pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, bytes.data());
    // pcap_dump() itself reports nothing.
    if (failure_ == 0 && std::ferror(pcap_dump_file(dumper_.get())) != 0) failure_ = errno;
}

Status CaptureWriter::close() {
    if (pcap_dump_flush(dumper_.get()) != 0 && failure_ == 0) failure_ = errno;
    dumper_.reset();
    if (failure_ != 0)
        return Error{fmt::format("cannot write all of the capture '{}': {}", path_, std::strerror(failure_))};
    return success();
}

}  // namespace sluice::app
