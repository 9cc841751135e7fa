#include "app/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::app {
namespace {

// stdio remembers that a write failed, but not why: a later flush may find nothing left to fail with.
int first_failure = 0;  ///< errno; 0: none
bool said = false;

}  // namespace

void print(std::string_view text) {
    errno = EIO;  // for a stream that has failed before and does not try again
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && first_failure == 0)
        first_failure = errno;
}

void print_error(std::string_view text) {
    (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

bool output_written(std::string_view program) {
    errno = EIO;
    if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && first_failure == 0) first_failure = errno;
    if (first_failure == 0) return true;
    if (const std::string fault = output_fault(first_failure); !said && !fault.empty())
        print_error(std::string(program) + ": " + fault + "\n");
    said = true;
    return false;
}

std::string output_fault(int failure) {
    if (failure == EPIPE) return "";
    return std::string("cannot write the output: ") + std::strerror(failure);
}

}  // namespace sluice::app
