// Memory as the daemon has it: huge pages where they are to be had, every page touched before it is used.
#pragma once

#include <cstddef>
#include <span>

namespace sluice::bench {

/// Zeroed memory aligned to 2 MiB: explicit huge pages if enough are reserved, else transparent ones,
/// advised.
class HugeMemory {
  public:
    static constexpr std::size_t page = 2 << 20;

    explicit HugeMemory(std::size_t bytes);
    ~HugeMemory();
    HugeMemory(const HugeMemory&) = delete;
    HugeMemory& operator=(const HugeMemory&) = delete;

    [[nodiscard]] std::span<std::byte> span() { return {data_, bytes_}; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// The share of it that lies in huge pages, 0 to 1, as the kernel says (of the mapping it lies in).
    [[nodiscard]] double huge_share() const;
    /// From the reserve of explicit huge pages.
    [[nodiscard]] bool is_explicit() const { return explicit_; }

  private:
    std::size_t bytes_;
    std::size_t mapped_bytes_;
    std::byte* mapped_ = nullptr;
    bool explicit_ = false;
    std::byte* data_ = nullptr;
};

}  // namespace sluice::bench
