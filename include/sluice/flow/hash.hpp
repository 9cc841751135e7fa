// The keyed hash of a flow key. Nobody outside can choose colliding flows without the secret (hash flooding).
#pragma once

#include <array>
#include <cstdint>

#include "sluice/flow/key.hpp"

namespace sluice::flow {

/// 32 bytes from the kernel's generator, drawn at start and the same for all workers (the hash also picks the worker).
/// Never printed.
struct Secret {
    std::array<std::uint64_t, 4> words{};
};

/// 64 bits: the low ones pick the bucket, others the fingerprint, the highest the worker. AES rounds where the machine
/// has them; the portable form gives the same value (tests compare them).
[[nodiscard]] std::uint64_t hash(const Key4& key, const Secret& secret);
[[nodiscard]] std::uint64_t hash(const Key6& key, const Secret& secret);

/// The portable form of the same function.
[[nodiscard]] std::uint64_t hash_portable(const Key4& key, const Secret& secret);
[[nodiscard]] std::uint64_t hash_portable(const Key6& key, const Secret& secret);

/// Which of `workers` owns a flow with this hash.
[[nodiscard]] constexpr unsigned owner_of(std::uint64_t hash, unsigned workers) {
    return static_cast<unsigned>(((hash >> 32) * workers) >> 32);
}

}  // namespace sluice::flow
