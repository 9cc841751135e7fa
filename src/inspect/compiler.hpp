// Signatures to databases, in the process that calls it; what the child of Database::compile() does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/inspect/database.hpp"

namespace sluice::inspect {

/// What is being worked on: the number of a signature, or all of them together.
using Progress = std::atomic<std::uint32_t>;
inline constexpr std::uint32_t all_together = 0xFFFFFFFFU;

/// The four databases, serialised one behind the other, each behind its length (8 bytes, host order; 0:
/// nothing to look for). `begin` is called before each piece of work with the milliseconds it may take.
[[nodiscard]] Result<std::string> compile_here(const policy::SignatureSet& signatures,
                                               const CompileLimits& limits, Progress& progress,
                                               const std::function<void(std::uint32_t)>& begin);

/// What decides about the content of a compiled database: the same text, the same database.
[[nodiscard]] std::string identity_of(const policy::SignatureSet& signatures, const CompileLimits& limits);

}  // namespace sluice::inspect
