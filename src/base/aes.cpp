#include "sluice/base/aes.hpp"

namespace sluice::aes {
namespace {

/// Twice a number in AES's field, GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
constexpr std::uint8_t twice(std::uint8_t x) {
    return static_cast<std::uint8_t>((x << 1) ^ ((x & 0x80) != 0 ? 0x1B : 0));
}

/// The box from its definition: the inverse in the field, then the affine map. 3 generates the field, so
/// walking its powers upwards and those of its inverse downwards meets every pair.
constexpr std::array<std::uint8_t, 256> make_box() {
    std::array<std::uint8_t, 256> box{};
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

constexpr std::array<std::uint8_t, 256> box = make_box();
static_assert(box[0x00] == 0x63 && box[0x01] == 0x7C && box[0x53] == 0xED && box[0xFF] == 0x16,
              "FIPS 197, figure 7");

}  // namespace

// FIPS 197, section 5.2.
Key::Key(const Words& key) {
    bytes_[0] = std::bit_cast<std::array<std::uint8_t, 16>>(key);
    std::uint8_t constant = 1;
    for (std::size_t i = 1; i <= rounds; ++i, constant = twice(constant)) {
        const auto& former = bytes_[i - 1];
        auto& next = bytes_[i];
        for (std::size_t at = 0; at < 4; ++at)
            next[at] = static_cast<std::uint8_t>(former[at] ^ box[former[12 + (at + 1) % 4]]);
        next[0] = static_cast<std::uint8_t>(next[0] ^ constant);
        for (std::size_t at = 4; at < next.size(); ++at)
            next[at] = static_cast<std::uint8_t>(former[at] ^ next[at - 4]);
    }
}

// Section 5.1.
PortableBlock PortableBlock::round(const PortableBlock& key) const {
    PortableBlock out;
    for (std::size_t column = 0; column < 4; ++column) {
        std::array<std::uint8_t, 4> in{};
        for (std::size_t row = 0; row < 4; ++row) in[row] = box[bytes_[4 * ((column + row) % 4) + row]];
        for (std::size_t row = 0; row < 4; ++row) {
            const std::uint8_t next = in[(row + 1) % 4];
            out.bytes_[4 * column + row] =
                static_cast<std::uint8_t>(twice(in[row]) ^ twice(next) ^ next ^ in[(row + 2) % 4] ^
                                          in[(row + 3) % 4] ^ key.bytes_[4 * column + row]);
        }
    }
    return out;
}

PortableBlock PortableBlock::last_round(const PortableBlock& key) const {
    PortableBlock out;
    for (std::size_t column = 0; column < 4; ++column)
        for (std::size_t row = 0; row < 4; ++row)
            out.bytes_[4 * column + row] = static_cast<std::uint8_t>(
                box[bytes_[4 * ((column + row) % 4) + row]] ^ key.bytes_[4 * column + row]);
    return out;
}

}  // namespace sluice::aes
