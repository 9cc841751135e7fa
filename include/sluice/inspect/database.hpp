// Signatures compiled for scanning: immutable, shared by all workers, swapped whole.
//
// Compiling is done in a child process, because a pattern may ask for any amount of time and memory: the
// child has a budget of both and dies alone. What it compiled is kept in a folder, under the hash of the
// signatures, of the compiler's version and of the processor it compiled for; a file there that is not
// exactly what was written, or that others may write, is passed over and written anew.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/policy/signature.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::inspect {

/// What signatures may cost.
struct CompileLimits {
    std::uint32_t widest_match = 4096;           ///< bytes one match may span
    std::uint32_t pattern_milliseconds = 2'000;  ///< of processor time, for one pattern alone
    std::uint32_t set_seconds = 300;             ///< for all of them together
    std::size_t memory_bytes = 2UL << 30U;       ///< of the child, beyond what it inherits
    std::size_t database_bytes = 512UL << 20U;
    std::size_t stream_bytes = 128UL << 10U;  ///< state of one direction of a flow
};

/// Makes what a Database is loaded from, within the limits, where it pleases.
using Compile = std::function<Result<std::string>(const policy::SignatureSet&, const CompileLimits&)>;

/// A Compile in a child of this process: what is compiled by where nothing else is said. Refuses what asks
/// for more than the limits allow, naming the signature. `told`, which may be empty, is called ten times a
/// second with how many signatures have been looked at, each alone; it takes about as long again to compile
/// them together.
[[nodiscard]] Result<std::string> compile_in_child(const policy::SignatureSet& signatures,
                                                   const CompileLimits& limits,
                                                   const std::function<void(std::uint32_t)>& told = {});

class Database {
  public:
    /// `cache_folder` empty: nothing is kept. `compile` is called when nothing was; without one this forks:
    /// call it where that is allowed, with no lock held. The error has a line "FILE:LINE: pattern: …" for the
    /// first signature that is refused.
    [[nodiscard]] static Result<std::shared_ptr<const Database>> compile(policy::SignatureSet signatures,
                                                                         const CompileLimits& limits,
                                                                         const std::string& cache_folder,
                                                                         const Compile& compile = {});

    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    [[nodiscard]] const policy::SignatureSet& signatures() const { return signatures_; }
    /// Whether any signature looks at streams, or datagrams, of this direction.
    [[nodiscard]] bool looks_at_stream(tcp::Direction direction) const {
        return part(false, direction) != nullptr;
    }
    [[nodiscard]] bool looks_at_datagram(tcp::Direction direction) const {
        return part(true, direction) != nullptr;
    }
    /// Memory of one direction of one flow; 0: nothing looks at it.
    [[nodiscard]] std::size_t stream_bytes(tcp::Direction direction) const;
    [[nodiscard]] bool came_from_cache() const { return came_from_cache_; }
    /// Why nothing could be kept, for the log; empty: it was, or nobody asked.
    [[nodiscard]] const std::string& cache_fault() const { return cache_fault_; }

  private:
    friend class HyperscanScanner;
    /// Streams to the server and to the client, datagrams to the server and to the client.
    static constexpr std::size_t parts = 4;
    static constexpr std::size_t part_of(bool datagram, tcp::Direction direction) {
        return (datagram ? 2 : 0) + static_cast<std::size_t>(direction);
    }
    [[nodiscard]] void* part(bool datagram, tcp::Direction direction) const {
        return parts_[part_of(datagram, direction)];
    }

    explicit Database(policy::SignatureSet signatures) : signatures_(std::move(signatures)) {}
    /// From what the child made or a file of the cache said; false: it is damaged.
    [[nodiscard]] bool load(const std::string& compiled);

    policy::SignatureSet signatures_;
    std::array<void*, parts> parts_{};
    bool came_from_cache_ = false;
    std::string cache_fault_;
};

}  // namespace sluice::inspect
