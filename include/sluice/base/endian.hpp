// Network byte order as a type: no implicit conversion either way, so that a
// forgotten swap does not compile (the habit is BESS's).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

template <class Host>
class BigEndian {
  public:
    BigEndian() = default;
    explicit constexpr BigEndian(Host host) : raw_(swap(host)) {}

    /// The value in host order.
    [[nodiscard]] constexpr Host host() const { return swap(raw_); }
    /// The bytes as they lie on the wire, read as one host word: for keys and checksums, where order is
    /// irrelevant.
    [[nodiscard]] constexpr Host raw() const { return raw_; }

    static constexpr BigEndian from_raw(Host raw) {
        BigEndian out;
        out.raw_ = raw;
        return out;
    }
    friend constexpr bool operator==(BigEndian, BigEndian) = default;

  private:
    static constexpr Host swap(Host v) {
        if constexpr (sizeof(Host) == 2) return static_cast<Host>(__builtin_bswap16(v));
        if constexpr (sizeof(Host) == 4) return static_cast<Host>(__builtin_bswap32(v));
        if constexpr (sizeof(Host) == 8) return static_cast<Host>(__builtin_bswap64(v));
        return v;
    }
    Host raw_;
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;
static_assert(sizeof(be16) == 2 && sizeof(be32) == 4);

/// Reads a wire structure from any address, aligned or not.
template <class T>
[[nodiscard]] inline T load(const void* from) {
    T out;
    std::memcpy(&out, from, sizeof out);
    return out;
}

template <class T>
inline void store(void* to, const T& value) {
    std::memcpy(to, &value, sizeof value);
}

}  // namespace sluice
