// What all fuzz targets share: an input read as numbers, and a way to say what did not hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace sluice::fuzz {

/// Ends the program with a line that says what did not hold. Input and seed are the driver's (or libFuzzer's)
/// to tell.
inline void require(bool holds, const char* what, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
    if (holds) return;
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort();
}

/// Whether a target should print what it makes of its input (SLUICE_FUZZ_TELL is set): for the one input that
/// failed.
[[nodiscard]] inline bool telling() {
    static const bool tell = std::getenv("SLUICE_FUZZ_TELL") != nullptr;
    return tell;
}

/// The input as a row of numbers. Behind its end there are zeros, so that every input means something.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

    [[nodiscard]] bool empty() const { return left_.empty(); }
    std::uint8_t u8() {
        if (left_.empty()) return 0;
        const std::uint8_t out = left_[0];
        left_ = left_.subspan(1);
        return out;
    }
    std::uint16_t u16() {
        const unsigned high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    bool flag() { return (u8() & 1U) != 0; }
    /// 0 to bound - 1; bound at most 256.
    unsigned below(unsigned bound) { return u8() % bound; }
    template <class T, std::size_t n>
    const T& one_of(const T (&choices)[n]) {
        return choices[below(n)];
    }
    /// The next `count` bytes, or those that are left.
    std::span<const std::uint8_t> bytes(std::size_t count) {
        const auto out = left_.first(std::min(count, left_.size()));
        left_ = left_.subspan(out.size());
        return out;
    }
    std::span<const std::uint8_t> rest() { return bytes(left_.size()); }

  private:
    std::span<const std::uint8_t> left_;
};

}  // namespace sluice::fuzz

extern "C" {
/// What each target defines; returns 0.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// What a target may define: changes the input in place, returns its new size, at most `max_size`.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed)
    __attribute__((weak));
/// The plain mutation of bytes, for those that do; from libFuzzer or the driver.
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
}
