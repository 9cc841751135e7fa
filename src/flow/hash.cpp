// AES's round without AES's instruction (FIPS 197, section 5.1), for the portable hash.
#include "sluice/flow/hash.hpp"

#include <bit>

namespace sluice::flow {
namespace {

using SubstitutionBox = std::array<std::uint8_t, 256>;

/// Twice a number in AES's field, GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
constexpr std::uint8_t twice(std::uint8_t x) {
    return static_cast<std::uint8_t>((x << 1) ^ ((x & 0x80) != 0 ? 0x1B : 0));
}

/// The box from its definition: the inverse in the field, then the affine map. 3 generates the field, so
/// walking its powers upwards and those of its inverse downwards meets every pair.
constexpr SubstitutionBox make_box() {
    SubstitutionBox box{};
    std::uint8_t power = 1;
    std::uint8_t inverse = 1;
    do {
        power = static_cast<std::uint8_t>(power ^ twice(power));  // times 3
        inverse = static_cast<std::uint8_t>(inverse ^ (inverse << 1));
        inverse = static_cast<std::uint8_t>(inverse ^ (inverse << 2));
        inverse = static_cast<std::uint8_t>(inverse ^ (inverse << 4));
        if ((inverse & 0x80) != 0) inverse ^= 0x09;  // divided by 3
        box[power] = static_cast<std::uint8_t>(inverse ^ std::rotl(inverse, 1) ^ std::rotl(inverse, 2) ^
                                               std::rotl(inverse, 3) ^ std::rotl(inverse, 4) ^ 0x63);
    } while (power != 1);
    box[0] = 0x63;
    return box;
}

constexpr SubstitutionBox box = make_box();
static_assert(box[0x00] == 0x63 && box[0x01] == 0x7C && box[0x53] == 0xED && box[0xFF] == 0x16,
              "FIPS 197, figure 7");

struct PortableBlock {
    std::array<std::uint8_t, 16> byte{};

    static PortableBlock take(const void* from, std::size_t bytes) {
        PortableBlock out;
        std::memcpy(out.byte.data(), from, bytes);
        return out;
    }
    static PortableBlock load(const void* from) { return take(from, 16); }
    static PortableBlock load_last4(const std::uint8_t* from) { return take(from, 3); }
    static PortableBlock load_last12(const std::uint8_t* from) { return take(from, 11); }

    [[nodiscard]] PortableBlock round(const PortableBlock& key) const {
        PortableBlock out;
        for (std::size_t column = 0; column < 4; ++column) {
            std::array<std::uint8_t, 4> in{};
            for (std::size_t row = 0; row < 4; ++row) in[row] = box[byte[4 * ((column + row) % 4) + row]];
            for (std::size_t row = 0; row < 4; ++row) {
                const std::uint8_t next = in[(row + 1) % 4];
                out.byte[4 * column + row] =
                    static_cast<std::uint8_t>(twice(in[row]) ^ twice(next) ^ next ^ in[(row + 2) % 4] ^
                                              in[(row + 3) % 4] ^ key.byte[4 * column + row]);
            }
        }
        return out;
    }
    [[nodiscard]] std::uint64_t low64() const {
        std::uint64_t out = 0;
        std::memcpy(&out, byte.data(), sizeof out);
        return out;
    }
    friend PortableBlock operator^(const PortableBlock& a, const PortableBlock& b) {
        PortableBlock out;
        for (std::size_t i = 0; i < 16; ++i) out.byte[i] = static_cast<std::uint8_t>(a.byte[i] ^ b.byte[i]);
        return out;
    }
};

}  // namespace

std::uint64_t hash_portable(const Key4& key, const Secret& secret) {
    return detail::hash_blocks<PortableBlock>(key, secret);
}
std::uint64_t hash_portable(const Key6& key, const Secret& secret) {
    return detail::hash_blocks<PortableBlock>(key, secret);
}

}  // namespace sluice::flow
