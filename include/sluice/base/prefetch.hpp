// Always inline, as must be whatever does nothing but call them, lambdas too: to GCC a function that only
// prefetches has no effect, and a call of it that is not inlined early is thrown away (seen with 12.2).
#pragma once

namespace sluice {

/// Brings one line towards L1 for writing; harmless on any address.
[[gnu::always_inline]] inline void prefetch_write(const void* address) {
    __builtin_prefetch(address, 1, 3);
}
/// Brings one line towards L1 for reading; harmless on any address.
[[gnu::always_inline]] inline void prefetch_read(const void* address) {
    __builtin_prefetch(address, 0, 3);
}

}  // namespace sluice
