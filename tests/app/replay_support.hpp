// Captures built in memory and put into files that vanish with the test.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::test {

/// A folder of the test's own, removed with all that is in it.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "sluice-replay-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

/// A pcap file, byte by byte, so that a test can make it wrong in any way.
class PcapBytes {
  public:
    static constexpr std::uint32_t microsecond_magic = 0xA1B2C3D4, nanosecond_magic = 0xA1B23C4D;

    explicit PcapBytes(std::uint32_t link_type, std::uint32_t magic = microsecond_magic) {
        put32(magic);
        put16(2);
        put16(4);
        put32(0);
        put32(0);
        put32(262'144);
        put32(link_type);
    }
    /// `length`: of the frame on the wire; 0: as captured.
    PcapBytes& packet(std::uint32_t seconds, std::uint32_t fraction, std::span<const std::uint8_t> bytes,
                      std::uint32_t length = 0) {
        put32(seconds);
        put32(fraction);
        put32(static_cast<std::uint32_t>(bytes.size()));
        put32(length == 0 ? static_cast<std::uint32_t>(bytes.size()) : length);
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    [[nodiscard]] std::vector<std::uint8_t>& bytes() { return bytes_; }
    void save(const std::string& path) const {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
    }

  private:
    void put16(std::uint32_t value) {
        bytes_.push_back(static_cast<std::uint8_t>(value));
        bytes_.push_back(static_cast<std::uint8_t>(value >> 8));
    }
    void put32(std::uint32_t value) {
        put16(value & 0xFFFF);
        put16(value >> 16);
    }
    std::vector<std::uint8_t> bytes_;
};

inline std::string contents_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace sluice::test
