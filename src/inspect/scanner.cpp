#include "sluice/inspect/scanner.hpp"

#include <hs/hs.h>

namespace sluice::inspect {
namespace {

hs_stream_t* stream_of(void* handle) {
    return static_cast<hs_stream_t*>(handle);
}
hs_database_t* database_of(void* handle) {
    return static_cast<hs_database_t*>(handle);
}
const char* text_of(std::span<const std::uint8_t> bytes) {
    return reinterpret_cast<const char*>(bytes.data());
}

}  // namespace

Result<std::unique_ptr<Scanner>> Scanner::create(std::shared_ptr<const Database> database,
                                                 std::uint32_t streams) {
    std::unique_ptr<Scanner> scanner(new Scanner(std::move(database)));
    hs_scratch_t* scratch = nullptr;
    for (void* part : scanner->database_->parts_) {
        if (part == nullptr) continue;
        const hs_error_t fault = hs_alloc_scratch(database_of(part), &scratch);
        scanner->scratch_ = scratch;
        if (fault != HS_SUCCESS)
            return Error{"no scratch space for scanning: Hyperscan says " + std::to_string(fault)};
    }
    for (const auto direction : {tcp::Direction::original, tcp::Direction::reply}) {
        void* const part = scanner->database_->part(false, direction);
        if (part == nullptr) continue;
        Direction& of = scanner->directions_[static_cast<std::size_t>(direction)];
        of.streams.reserve(streams);
        of.free.reserve(streams);
        for (std::uint32_t i = 0; i < streams; ++i) {
            hs_stream_t* stream = nullptr;
            if (hs_open_stream(database_of(part), 0, &stream) != HS_SUCCESS)
                return Error{"no memory for " + std::to_string(streams) + " streams of " +
                             std::to_string(scanner->database_->stream_bytes(direction)) + " bytes"};
            of.streams.push_back(stream);
            of.free.push_back(i * 2 + static_cast<Stream>(direction));
        }
    }
    return scanner;
}

Scanner::~Scanner() {
    for (const Direction& direction : directions_)
        for (void* stream : direction.streams) hs_close_stream(stream_of(stream), nullptr, nullptr, nullptr);
    hs_free_scratch(static_cast<hs_scratch_t*>(scratch_));
}

int Scanner::pass_on(unsigned signature, unsigned long long /*begin*/, unsigned long long end,
                     unsigned /*flags*/, void* callback) {
    const auto& to = *static_cast<const Callback*>(callback);
    to.call(to.context, signature, end);
    return 0;
}

Scanner::Stream Scanner::open(tcp::Direction direction) {
    Direction& of = directions_[static_cast<std::size_t>(direction)];
    if (of.streams.empty()) return database_->looks_at_stream(direction) ? none : nothing;
    if (of.free.empty()) return none;
    const Stream stream = of.free.back();
    of.free.pop_back();
    return stream;
}

void Scanner::scan(Stream stream, std::span<const std::uint8_t> bytes, Callback callback) {
    hs_scan_stream(stream_of(handle(stream)), text_of(bytes), static_cast<unsigned>(bytes.size()), 0,
                   static_cast<hs_scratch_t*>(scratch_), pass_on, &callback);
}

void Scanner::end(Stream stream, Callback callback) {
    hs_reset_stream(stream_of(handle(stream)), 0, static_cast<hs_scratch_t*>(scratch_), pass_on, &callback);
    give_back(stream);
}

void Scanner::discard(Stream stream) {
    hs_reset_stream(stream_of(handle(stream)), 0, nullptr, nullptr, nullptr);
    give_back(stream);
}

void Scanner::scan_datagram(tcp::Direction direction, std::span<const std::uint8_t> bytes,
                            Callback callback) {
    void* const part = database_->part(true, direction);
    if (part == nullptr) return;
    hs_scan(database_of(part), text_of(bytes), static_cast<unsigned>(bytes.size()), 0,
            static_cast<hs_scratch_t*>(scratch_), pass_on, &callback);
}

}  // namespace sluice::inspect
