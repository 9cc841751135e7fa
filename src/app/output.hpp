// Standard output of the commands, and what becomes of it when it cannot be written.
#pragma once

#include <string>
#include <string_view>

namespace sluice::app {

/// Writes to standard output, through stdio's buffer.
void print(std::string_view text);

/// Writes to standard error, and does without when even that fails.
void print_error(std::string_view text);

/// Writes out what is still buffered. False when anything printed so far was lost; why is said once on
/// standard error ("PROGRAM: cannot write the output: No space left on device"), unless the reader has left.
[[nodiscard]] bool output_written(std::string_view program);

/// The sentence for a write to standard output that failed with `failure` (errno); empty for a pipe whose
/// reader has left, as `head` does when it has seen enough: there is nothing to complain of.
[[nodiscard]] std::string output_fault(int failure);

}  // namespace sluice::app
