// The reader of captures and all of `sluice replay` behind it: the input is a file, pcap or pcapng or
// neither. Whatever it says, the replay ends, every packet read has its line, in order, and nothing stays
// held.
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>

#include "app/capture_reader.hpp"
#include "app/replay_engine.hpp"
#include "app/replay_printer.hpp"
#include "frame_repair.hpp"
#include "fuzz.hpp"

namespace {

using namespace sluice;
using namespace sluice::app;
using fuzz::require;

/// A file in memory that can be opened by name.
class MemoryFile {
  public:
    MemoryFile(const std::uint8_t* data, std::size_t size)
        : descriptor_(memfd_create("capture", MFD_CLOEXEC)) {
        require(descriptor_ >= 0 && write(descriptor_, data, size) == static_cast<ssize_t>(size),
                "a file in memory");
    }
    ~MemoryFile() { close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  private:
    int descriptor_;
};

struct Lines : LineSink {
    void write(std::string_view part) override { text += part; }
    std::string text;
};

void check_lines(const std::string& text, std::uint64_t packets) {
    std::uint64_t number = 0;
    for (std::size_t at = 0; at < text.size(); ++number) {
        const std::string prefix = "{\"n\":" + std::to_string(number + 1) + ",";
        require(text.compare(at, prefix.size(), prefix) == 0, "the lines are numbered");
        const std::size_t end = text.find('\n', at);
        require(end != std::string::npos && text[end - 1] == '}', "each is one JSON object");
        at = end + 1;
    }
    require(number == packets, "every packet has its line");
}

void replay(CaptureReader& reader, unsigned workers, const HumanLines::Style* style) {
    pipeline::Limits limits;
    limits.ipv4_flows = limits.ipv6_flows = 64;
    limits.fragment_datagrams = 4;
    const pipeline::Settings settings;
    Lines lines;
    ReplayPrinter printer(lines, style, nullptr);
    auto engine = ReplayEngine::create(limits, settings, workers, printer);
    require(engine.ok(), "there is memory for a small replay");
    (*engine)->set_link_layer(reader.link());
    CapturedPacket packet;
    while (reader.next(packet) == CaptureReader::Next::packet) {
        require(packet.length >= packet.bytes.size(), "no more is captured than there was");
        (*engine)->feed(packet);
    }
    (*engine)->finish();
    require((*engine)->held() == 0, "nothing stays held");
    require(printer.totals().packets == reader.packets_read(), "every packet read is judged once");
    if (style == nullptr) check_lines(lines.text, reader.packets_read());
}

/// Little-endian numbers of a pcap file.
std::uint32_t number(const std::uint8_t* at) {
    return at[0] | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const MemoryFile file(data, size);
    auto reader = CaptureReader::open(file.path());
    if (!reader) {
        require(!reader.error().empty(), "what cannot be read is said");
        return 0;
    }
    const HumanLines::Style style{false, 0};
    const bool people = size != 0 && (data[size - 1] & 1U) != 0;
    replay(*reader, 1 + static_cast<unsigned>(size % 3), people ? &style : nullptr);
    return 0;
}

/// Half of the mutations leave the file a capture: they change one frame and make its checksums fit again.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    constexpr std::size_t file_header = 24, record_header = 16;
    const bool little_endian_pcap = size > file_header && number(data) == 0xA1B2C3D4;
    if (seed % 2 == 0 || !little_endian_pcap) return LLVMFuzzerMutate(data, size, max_size);
    unsigned skip = (seed >> 1) % 16;
    for (std::size_t at = file_header; at + record_header <= size;) {
        const std::size_t captured = std::min<std::size_t>(number(data + at + 8), size - at - record_header);
        if (skip-- == 0 && captured > 0) {
            std::uint8_t* const frame = data + at + record_header;
            (void)LLVMFuzzerMutate(frame, captured, captured);
            if ((seed & 64U) != 0)
                fuzz::repair_frame({frame, captured}, number(data + 20) == 1 ? packet::LinkLayer::ethernet
                                                                             : packet::LinkLayer::raw_ip);
            break;
        }
        at += record_header + captured;
    }
    return size;
}
