// Which cache lines a piece of code reads and writes, exactly: sources built with -fsanitize=thread call a
// function at every access to memory, and touched_lines.cpp has these functions in the thread sanitizer's
// place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::dpdk::test {

inline constexpr std::size_t line_bytes = 64;

/// The lines touched by the thread that records into this. A library that was built without the flag leaves
/// no trace.
class TouchedLines {
  public:
    TouchedLines() : slots_(capacity) {}

    void add(const volatile void* address, std::size_t bytes, bool write);

    [[nodiscard]] bool read(const void* address) const { return (flags_of(line_of(address)) & reads) != 0; }
    [[nodiscard]] bool wrote(const void* address) const { return (flags_of(line_of(address)) & writes) != 0; }
    /// How many lines of the bytes from `start` on were written.
    [[nodiscard]] std::size_t lines_written(const void* start, std::size_t bytes) const;
    /// The lines that this has written and the other has read or written.
    [[nodiscard]] std::vector<const void*> written_and_touched_by(const TouchedLines& other) const;

  private:
    static constexpr std::size_t capacity = 1U << 16;  ///< lines, a power of two
    static constexpr std::uint8_t reads = 1, writes = 2;
    struct Slot {
        std::uintptr_t line = 0;  ///< 0: free
        std::uint8_t flags = 0;
    };
    static std::uintptr_t line_of(const volatile void* address) {
        return reinterpret_cast<std::uintptr_t>(address) / line_bytes;
    }
    [[nodiscard]] std::size_t place_of(std::uintptr_t line) const;
    [[nodiscard]] std::uint8_t flags_of(std::uintptr_t line) const { return slots_[place_of(line)].flags; }

    std::vector<Slot> slots_;  ///< open addressing
    std::size_t used_ = 0;
};

/// Records what the calling thread touches, from construction to destruction.
class Recording {
  public:
    explicit Recording(TouchedLines& into);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
};

}  // namespace sluice::dpdk::test
