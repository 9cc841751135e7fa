#include "touched_lines.hpp"

#include <cstdlib>
#include <cstring>

namespace sluice::dpdk::test {
namespace {

thread_local TouchedLines* recording = nullptr;

}  // namespace

std::size_t TouchedLines::place_of(std::uintptr_t line) const {
    std::size_t at = line * 0x9E37'79B9'7F4A'7C15 >> 48;
    static_assert(capacity == 1U << 16);
    while (slots_[at].line != 0 && slots_[at].line != line) at = (at + 1) % capacity;
    return at;
}

void TouchedLines::add(const volatile void* address, std::size_t bytes, bool write) {
    const std::uintptr_t last = line_of(static_cast<const volatile char*>(address) + bytes - 1);
    for (std::uintptr_t line = line_of(address); line <= last; ++line) {
        Slot& slot = slots_[place_of(line)];
        if (slot.line == 0 && ++used_ > capacity / 2) std::abort();  // a test that outgrew its record
        slot.line = line;
        slot.flags |= write ? writes : reads;
    }
}

std::size_t TouchedLines::lines_written(const void* start, std::size_t bytes) const {
    std::size_t count = 0;
    for (std::size_t at = 0; at < bytes; at += line_bytes)
        count += wrote(static_cast<const char*>(start) + at);
    return count;
}

std::vector<const void*> TouchedLines::written_and_touched_by(const TouchedLines& other) const {
    std::vector<const void*> out;
    for (const Slot& slot : slots_) {
        if ((slot.flags & writes) != 0 && other.flags_of(slot.line) != 0)
            // NOLINTNEXTLINE(performance-no-int-to-ptr): to be compared and printed, never followed
            out.push_back(reinterpret_cast<const void*>(slot.line * line_bytes));
    }
    return out;
}

Recording::Recording(TouchedLines& into) {
    recording = &into;
}
Recording::~Recording() {
    recording = nullptr;
}

}  // namespace sluice::dpdk::test

// The interface between the compiler's instrumentation and the thread sanitizer's run-time library
// (compiler-rt/lib/tsan/rtl/tsan_interface.h and tsan_interface_atomic.h).
namespace {

void note(const volatile void* address, std::size_t bytes, bool write) {
    using sluice::dpdk::test::recording;
    if (recording != nullptr) recording->add(address, bytes, write);
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): the compiler chose the names
#define SLUICE_PLAIN(bytes)                             \
    void __tsan_read##bytes(void* address) {            \
        note(address, bytes, false);                    \
    }                                                   \
    void __tsan_write##bytes(void* address) {           \
        note(address, bytes, true);                     \
    }                                                   \
    void __tsan_unaligned_read##bytes(void* address) {  \
        note(address, bytes, false);                    \
    }                                                   \
    void __tsan_unaligned_write##bytes(void* address) { \
        note(address, bytes, true);                     \
    }

#define SLUICE_ATOMIC(bits)                                                                                 \
    std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* from, int) {         \
        note(from, sizeof *from, false);                                                                    \
        return __atomic_load_n(from, __ATOMIC_SEQ_CST);                                                     \
    }                                                                                                       \
    void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* to, std::uint##bits##_t value, int) {    \
        note(to, sizeof *to, true);                                                                         \
        __atomic_store_n(to, value, __ATOMIC_SEQ_CST);                                                      \
    }                                                                                                       \
    std::uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile std::uint##bits##_t* to,                   \
                                                        std::uint##bits##_t value, int) {                   \
        note(to, sizeof *to, true);                                                                         \
        return __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST);                                             \
    }                                                                                                       \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile std::uint##bits##_t* to,                     \
                                                      std::uint##bits##_t* expected,                        \
                                                      std::uint##bits##_t value, int, int) {                \
        note(to, sizeof *to, true);                                                                         \
        return __atomic_compare_exchange_n(to, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }

extern "C" {
SLUICE_PLAIN(1)
SLUICE_PLAIN(2)
SLUICE_PLAIN(4)
SLUICE_PLAIN(8)
SLUICE_PLAIN(16)
SLUICE_ATOMIC(8)
SLUICE_ATOMIC(16)
SLUICE_ATOMIC(32)
SLUICE_ATOMIC(64)
void __tsan_read_range(void* address, unsigned long bytes) {
    if (bytes != 0) note(address, bytes, false);
}
void __tsan_write_range(void* address, unsigned long bytes) {
    if (bytes != 0) note(address, bytes, true);
}
void __tsan_vptr_update(void** address, void*) {
    note(address, sizeof *address, true);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_atomic_thread_fence(int) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
}
// NOLINTEND(bugprone-reserved-identifier)
