#include "app/capture_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <sys/stat.h>

namespace sluice::app {
namespace {

constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;

using FileHandle = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// The link types a tracker understands. Numbers and names: https://www.tcpdump.org/linktypes.html. Raw IP
/// has three numbers for historical reasons: 12 and 14 are what different systems call DLT_RAW, 101 is what
/// files carry.
std::optional<packet::LinkLayer> link_layer_of(int data_link) {
    constexpr int raw_on_openbsd = 14;
    constexpr int raw_in_files = 101;
    constexpr int raw_here = 12;
    switch (data_link) {
        case DLT_EN10MB:
            return packet::LinkLayer::ethernet;
        case raw_here:
        case raw_on_openbsd:
        case raw_in_files:
        case DLT_IPV4:
        case DLT_IPV6:
            return packet::LinkLayer::raw_ip;
        case DLT_LINUX_SLL:
            return packet::LinkLayer::linux_cooked_v1;
        case DLT_LINUX_SLL2:
            return packet::LinkLayer::linux_cooked_v2;
        case DLT_NULL:
        case DLT_LOOP:
            return packet::LinkLayer::bsd_loopback;
        default:
            return std::nullopt;
    }
}

/// The first bytes of a regular file tell its kind. Pipes are not looked into.
enum class Kind : std::uint8_t { other, microsecond_pcap, compressed, empty };

Kind kind_of(std::FILE* file) {
    struct stat status {};
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) return Kind::other;
    if (status.st_size == 0) return Kind::empty;
    std::array<unsigned char, 4> magic{};
    const std::size_t got = std::fread(magic.data(), 1, magic.size(), file);
    std::rewind(file);
    if (got < magic.size()) return Kind::other;
    constexpr std::array<std::array<unsigned char, 4>, 2> microsecond_magic{
        {{0xA1, 0xB2, 0xC3, 0xD4}, {0xD4, 0xC3, 0xB2, 0xA1}}};
    if (magic == microsecond_magic[0] || magic == microsecond_magic[1]) return Kind::microsecond_pcap;
    constexpr std::array<unsigned char, 4> zstd{0x28, 0xB5, 0x2F, 0xFD};
    constexpr std::array<unsigned char, 4> xz{0xFD, '7', 'z', 'X'};
    const bool gzip = magic[0] == 0x1F && magic[1] == 0x8B;
    return gzip || magic == zstd || magic == xz ? Kind::compressed : Kind::other;
}

std::int64_t time_of(const timeval& time) {
    constexpr std::int64_t most_seconds =
        std::numeric_limits<std::int64_t>::max() / nanoseconds_per_second - 5;
    const std::int64_t seconds = std::clamp<std::int64_t>(time.tv_sec, -most_seconds, most_seconds);
    // libpcap hands over what the file says, even a fraction of more than a second.
    const std::int64_t fraction = std::clamp<std::int64_t>(time.tv_usec, 0, 4 * nanoseconds_per_second);
    return seconds * nanoseconds_per_second + fraction;
}

}  // namespace

std::string name_of_capture(const std::string& path) {
    return path == "-" ? std::string("standard input") : fmt::format("'{}'", path);
}

Result<CaptureReader> CaptureReader::open(const std::string& path) {
    const std::string name = name_of_capture(path);
    FileHandle file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) return Error{fmt::format("cannot open the capture {}: {}", name, std::strerror(errno))};
    const Kind kind = kind_of(file.get());
    if (kind == Kind::empty) return Error{fmt::format("{} is empty: not a capture", name)};
    if (kind == Kind::compressed)
        return Error{fmt::format(
            "{} is compressed: unpack it first, or pipe it in (zcat {} | sluice replay -)", name, name)};

    std::array<char, PCAP_ERRBUF_SIZE> message{};
    std::unique_ptr<pcap_t, Close> handle(
        pcap_fopen_offline_with_tstamp_precision(file.get(), PCAP_TSTAMP_PRECISION_NANO, message.data()));
    if (!handle)
        return Error{fmt::format("{} is not a readable pcap or pcapng capture: {}", name, message.data())};
    (void)file.release();  // libpcap closes it from now on

    const int data_link = pcap_datalink(handle.get());
    const auto link = link_layer_of(data_link);
    if (!link) {
        const char* known = pcap_datalink_val_to_description(data_link);
        return Error{
            fmt::format("{} has link type {} ({}), which is not supported: Ethernet, raw IP, Linux cooked "
                        "v1 and v2 and BSD loopback are",
                        name, data_link, known != nullptr ? known : "unknown")};
    }
    return CaptureReader(path, std::move(handle), *link, kind == Kind::microsecond_pcap);
}

std::uint64_t CaptureReader::bytes_read() const {
    const auto at = ftello(pcap_file(handle_.get()));
    return at < 0 ? 0 : static_cast<std::uint64_t>(at);
}

std::uint64_t CaptureReader::bytes() const {
    struct stat status {};
    const bool regular = fstat(fileno(pcap_file(handle_.get())), &status) == 0 && S_ISREG(status.st_mode);
    return regular ? static_cast<std::uint64_t>(status.st_size) : 0;
}

CaptureReader::Next CaptureReader::next(CapturedPacket& packet) {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    const int got = pcap_next_ex(handle_.get(), &header, &bytes);
    if (got == 1) {
        const std::uint32_t captured = std::min(header->caplen, longest_frame);
        packet.bytes = {bytes, captured};
        packet.length = std::clamp(header->len, captured, longest_frame);
        packet.nanoseconds = time_of(header->ts);
        ++packets_read_;
        return Next::packet;
    }
    if (got == PCAP_ERROR_BREAK) return Next::end;
    error_ = fmt::format("the capture {} is damaged or cut short after packet {}: {}", name_of_capture(path_),
                         packets_read_, pcap_geterr(handle_.get()));
    return Next::failed;
}

}  // namespace sluice::app
