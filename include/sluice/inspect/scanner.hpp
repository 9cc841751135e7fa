// Scans streams and datagrams for the signatures of a database. One per worker, with a scratch space of its
// own and a fixed number of streams, all made at the start: scanning allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "sluice/base/result.hpp"
#include "sluice/inspect/database.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::inspect {

/// A StreamScanner (reassembly.hpp). One thread. Pure, so that whoever scans with one that others made need
/// not link Hyperscan.
class Scanner {
  public:
    /// Of a direction and its number there.
    using Stream = std::uint32_t;
    static constexpr Stream none = 0xFFFFFFFFU;
    static constexpr Stream nothing = 0xFFFFFFFEU;

    /// `streams` of each direction that any signature looks at. Links Hyperscan.
    [[nodiscard]] static Result<std::unique_ptr<Scanner>> create(std::shared_ptr<const Database> database,
                                                                 std::uint32_t streams);
    Scanner(const Scanner&) = delete;
    Scanner& operator=(const Scanner&) = delete;
    virtual ~Scanner() = default;

    [[nodiscard]] virtual Stream open(tcp::Direction direction) = 0;
    /// Whichever flow it is for.
    [[nodiscard]] Stream open(std::uint32_t /*flow*/, tcp::Direction direction) { return open(direction); }
    /// `on_match(number of the signature in its set, position behind the match)`: at most once per signature
    /// and stream.
    template <class OnMatch>
    void scan(Stream stream, std::span<const std::uint8_t> bytes, OnMatch&& on_match) {
        scan(stream, bytes, callback(on_match));
    }
    /// The data end here: what is anchored to the end matches. The stream goes back.
    template <class OnMatch>
    void end(Stream stream, OnMatch&& on_match) {
        end(stream, callback(on_match));
    }
    virtual void discard(Stream stream) = 0;

    template <class OnMatch>
    void scan_datagram(tcp::Direction direction, std::span<const std::uint8_t> bytes, OnMatch&& on_match) {
        scan_datagram(direction, bytes, callback(on_match));
    }

    [[nodiscard]] const Database& database() const { return *database_; }

  protected:
    struct Callback {
        void* context;
        void (*call)(void* context, std::uint32_t signature, std::uint64_t end);
    };

    explicit Scanner(std::shared_ptr<const Database> database) : database_(std::move(database)) {}

  private:
    template <class OnMatch>
    static Callback callback(OnMatch& on_match) {
        return {const_cast<void*>(static_cast<const void*>(&on_match)),
                [](void* context, std::uint32_t signature, std::uint64_t end) {
                    (*static_cast<std::remove_reference_t<OnMatch>*>(context))(signature, end);
                }};
    }
    virtual void scan(Stream stream, std::span<const std::uint8_t> bytes, Callback callback) = 0;
    virtual void end(Stream stream, Callback callback) = 0;
    virtual void scan_datagram(tcp::Direction direction, std::span<const std::uint8_t> bytes,
                               Callback callback) = 0;

    std::shared_ptr<const Database> database_;
};

}  // namespace sluice::inspect
