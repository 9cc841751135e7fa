// Compiles signatures in a program of its own, for a process that must not fork.
//
// A daemon that forwards must not fork to compile: until the child is gone each page that a worker writes is
// copied on its first write, tables and packet buffers among them, and copying the page tables of gigabytes
// keeps a worker's own page faults waiting. So the daemon starts its own executable again with
// `compile_argument`, which copies no memory; that process, small and with one thread, forks the child that
// has the budget of time and memory (child.cpp). Signatures go in and the databases come out over one socket.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/inspect/database.hpp"

namespace sluice::inspect {

/// What an executable is started with that calls compile_program_main().
inline constexpr std::string_view compile_argument = "--compile-signatures";

/// A Compile (database.hpp) by `executable`. Waits for it in the calling thread, which may be any; asked to
/// stop, it ends the program within a tenth of a second and fails.
[[nodiscard]] Result<std::string> compile_by_program(const std::string& executable,
                                                     const policy::SignatureSet& signatures,
                                                     const CompileLimits& limits,
                                                     const std::stop_token& stop);

/// What that program does with standard input and output; its exit status.
[[nodiscard]] int compile_program_main();

}  // namespace sluice::inspect
