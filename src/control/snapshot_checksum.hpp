// The checksum of a snapshot: BLAKE2b with 256 bits, taken piece by piece.
#pragma once

#include <sodium.h>

#include <string>
#include <string_view>

namespace sluice::control {

class SnapshotChecksum {
  public:
    static constexpr std::size_t bytes = 32;

    SnapshotChecksum() {
        // Picks the fastest code there is; any will do.
        [[maybe_unused]] const int chosen = sodium_init();
        crypto_generichash_init(&state_, nullptr, 0, bytes);
    }
    void add(std::string_view piece) {
        crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(piece.data()),
                                  piece.size());
    }
    /// Once, at the end.
    [[nodiscard]] std::string value() {
        std::string out(bytes, '\0');
        crypto_generichash_final(&state_, reinterpret_cast<unsigned char*>(out.data()), bytes);
        return out;
    }

  private:
    crypto_generichash_state state_;
};

}  // namespace sluice::control
