// The portable hash: AES's round without AES's instruction.
#include "sluice/flow/hash.hpp"

#include "sluice/base/aes.hpp"

namespace sluice::flow {
namespace {

struct PortableBlock {
    aes::PortableBlock value;

    static PortableBlock take(const void* from, std::size_t bytes) {
        aes::Words words{};
        std::memcpy(words.data(), from, bytes);
        return {aes::PortableBlock(words)};
    }
    static PortableBlock load(const void* from) { return take(from, 16); }
    static PortableBlock load_last4(const std::uint8_t* from) { return take(from, 3); }
    static PortableBlock load_last12(const std::uint8_t* from) { return take(from, 11); }
    [[nodiscard]] PortableBlock round(const PortableBlock& key) const { return {value.round(key.value)}; }
    [[nodiscard]] std::uint64_t low64() const { return value.words()[0]; }
    friend PortableBlock operator^(const PortableBlock& a, const PortableBlock& b) {
        return {a.value ^ b.value};
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
