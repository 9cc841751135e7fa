// Fixed memory, carved once. Who maps it (huge pages, NUMA node) is the caller's business.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace sluice::flow {

inline constexpr std::size_t cache_line_bytes = 64;

/// `bytes` rounded up to whole cache lines.
[[nodiscard]] constexpr std::size_t whole_lines(std::size_t bytes) {
    return (bytes + cache_line_bytes - 1) / cache_line_bytes * cache_line_bytes;
}

/// Bytes an array of `count` T takes of an arena.
template <class T>
[[nodiscard]] constexpr std::size_t arena_bytes(std::size_t count) {
    return whole_lines(count * sizeof(T));
}

/// Hands out arrays from the front of a zeroed span that is aligned to a cache line; each begins on a line.
/// The span must be long enough: callers sum arena_bytes() first.
class Arena {
  public:
    explicit Arena(std::span<std::byte> memory) : next_(memory.data()) {}

    /// Zeroed, and a `count` of 0 takes nothing.
    template <class T>
    [[nodiscard]] T* take(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= cache_line_bytes);
        auto* const array = reinterpret_cast<T*>(next_);
        next_ += arena_bytes<T>(count);
        return array;
    }

  private:
    std::byte* next_;
};

}  // namespace sluice::flow
