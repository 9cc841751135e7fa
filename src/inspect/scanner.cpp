#include "sluice/inspect/scanner.hpp"

#include <hs/hs.h>

#include <array>
#include <string>
#include <vector>

namespace sluice::inspect {
namespace {

hs_database_t* database_of(void* handle) {
    return static_cast<hs_database_t*>(handle);
}
const char* text_of(std::span<const std::uint8_t> bytes) {
    return reinterpret_cast<const char*>(bytes.data());
}

}  // namespace

class HyperscanScanner final : public Scanner {
  public:
    explicit HyperscanScanner(std::shared_ptr<const Database> database) : Scanner(std::move(database)) {}
    HyperscanScanner(const HyperscanScanner&) = delete;
    HyperscanScanner& operator=(const HyperscanScanner&) = delete;
    ~HyperscanScanner() override;

    /// Once. What it made until it failed goes with this.
    [[nodiscard]] Status make(std::uint32_t streams);

    [[nodiscard]] Stream open(tcp::Direction direction) override;
    void discard(Stream stream) override;

  private:
    struct Direction {
        std::vector<hs_stream_t*> streams;
        std::vector<Stream> free;
    };
    void scan(Stream stream, std::span<const std::uint8_t> bytes, Callback callback) override;
    void end(Stream stream, Callback callback) override;
    void scan_datagram(tcp::Direction direction, std::span<const std::uint8_t> bytes,
                       Callback callback) override;
    static int pass_on(unsigned signature, unsigned long long begin, unsigned long long end, unsigned flags,
                       void* callback);
    [[nodiscard]] hs_stream_t* handle(Stream stream) const {
        return directions_[stream % 2].streams[stream / 2];
    }
    void give_back(Stream stream) { directions_[stream % 2].free.push_back(stream); }

    hs_scratch_t* scratch_ = nullptr;
    std::array<Direction, 2> directions_;
};

Result<std::unique_ptr<Scanner>> Scanner::create(std::shared_ptr<const Database> database,
                                                 std::uint32_t streams) {
    auto scanner = std::make_unique<HyperscanScanner>(std::move(database));
    if (const Status made = scanner->make(streams); !made) return Error{made.error()};
    return std::unique_ptr<Scanner>(std::move(scanner));
}

Status HyperscanScanner::make(std::uint32_t streams) {
    for (void* part : database().parts_) {
        if (part == nullptr) continue;
        const hs_error_t fault = hs_alloc_scratch(database_of(part), &scratch_);
        if (fault != HS_SUCCESS)
            return Error{"no scratch space for scanning: Hyperscan says " + std::to_string(fault)};
    }
    for (const auto direction : {tcp::Direction::original, tcp::Direction::reply}) {
        void* const part = database().part(false, direction);
        if (part == nullptr) continue;
        Direction& of = directions_[static_cast<std::size_t>(direction)];
        of.streams.reserve(streams);
        of.free.reserve(streams);
        for (std::uint32_t i = 0; i < streams; ++i) {
            hs_stream_t* stream = nullptr;
            if (hs_open_stream(database_of(part), 0, &stream) != HS_SUCCESS)
                return Error{"no memory for " + std::to_string(streams) + " streams of " +
                             std::to_string(database().stream_bytes(direction)) + " bytes"};
            of.streams.push_back(stream);
            of.free.push_back(i * 2 + static_cast<Stream>(direction));
        }
    }
    return success();
}

HyperscanScanner::~HyperscanScanner() {
    for (const Direction& direction : directions_)
        for (hs_stream_t* stream : direction.streams) hs_close_stream(stream, nullptr, nullptr, nullptr);
    hs_free_scratch(scratch_);
}

int HyperscanScanner::pass_on(unsigned signature, unsigned long long /*begin*/, unsigned long long end,
                              unsigned /*flags*/, void* callback) {
    const auto& to = *static_cast<const Callback*>(callback);
    to.call(to.context, signature, end);
    return 0;
}

Scanner::Stream HyperscanScanner::open(tcp::Direction direction) {
    Direction& of = directions_[static_cast<std::size_t>(direction)];
    if (of.streams.empty()) return database().looks_at_stream(direction) ? none : nothing;
    if (of.free.empty()) return none;
    const Stream stream = of.free.back();
    of.free.pop_back();
    return stream;
}

void HyperscanScanner::scan(Stream stream, std::span<const std::uint8_t> bytes, Callback callback) {
    hs_scan_stream(handle(stream), text_of(bytes), static_cast<unsigned>(bytes.size()), 0, scratch_, pass_on,
                   &callback);
}

void HyperscanScanner::end(Stream stream, Callback callback) {
    hs_reset_stream(handle(stream), 0, scratch_, pass_on, &callback);
    give_back(stream);
}

void HyperscanScanner::discard(Stream stream) {
    hs_reset_stream(handle(stream), 0, nullptr, nullptr, nullptr);
    give_back(stream);
}

void HyperscanScanner::scan_datagram(tcp::Direction direction, std::span<const std::uint8_t> bytes,
                                     Callback callback) {
    void* const part = database().part(true, direction);
    if (part == nullptr) return;
    hs_scan(database_of(part), text_of(bytes), static_cast<unsigned>(bytes.size()), 0, scratch_, pass_on,
            &callback);
}

}  // namespace sluice::inspect
