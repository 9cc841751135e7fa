// Compiles in a process of its own, with a budget of processor time and memory.
#pragma once

#include <string>

#include "compiler.hpp"

namespace sluice::inspect {

/// As compile_here(), and refuses what asks for more than the limits allow, naming the signature.
[[nodiscard]] Result<std::string> compile_in_child(const policy::SignatureSet& signatures,
                                                   const CompileLimits& limits);

}  // namespace sluice::inspect
