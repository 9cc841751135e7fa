#include "cache.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace sluice::inspect {
namespace {

constexpr std::string_view magic = "sluice compiled signatures\n";
constexpr std::size_t hash_bytes = 32;
constexpr std::size_t most_bytes = 1UL << 30U;

std::string hash_of(std::string_view text) {
    std::string hash(hash_bytes, '\0');
    crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
    return hash;
}

std::string hexadecimal(std::string_view bytes) {
    std::string out(bytes.size() * 2 + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                   bytes.size());
    out.pop_back();
    return out;
}

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

/// Written by us or by root, and by nobody else.
bool is_trusted(int file) {
    struct stat status {};
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
           (status.st_uid == geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0 &&
           static_cast<std::size_t>(status.st_size) <= most_bytes;
}

std::optional<std::string> read_all(int file) {
    std::string out;
    std::string chunk(1U << 20U, '\0');
    for (;;) {
        const ssize_t got = ::read(file, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 || out.size() > most_bytes) return std::nullopt;
        if (got == 0) return out;
        out.append(chunk, 0, static_cast<std::size_t>(got));
    }
}

bool write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

CacheFile::CacheFile(const std::string& folder, const std::string& identity)
    : folder_(folder),
      path_(folder + "/signatures-" + hexadecimal(hash_of(identity)).substr(0, 32)),
      key_(hash_of(identity)) {}

std::optional<std::string> CacheFile::read() const {
    const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.number() < 0 || !is_trusted(file.number())) return std::nullopt;
    const auto text = read_all(file.number());
    if (!text || text->size() < magic.size() + 2 * hash_bytes || !text->starts_with(magic))
        return std::nullopt;
    std::string content = text->substr(magic.size() + 2 * hash_bytes);
    const std::string_view key = std::string_view(*text).substr(magic.size(), hash_bytes);
    const std::string_view sum = std::string_view(*text).substr(magic.size() + hash_bytes, hash_bytes);
    if (key != key_ || sum != hash_of(content)) return std::nullopt;
    return content;
}

Status CacheFile::write(const std::string& content) const {
    const auto fault = [this](const char* what) {
        return Error{folder_ + ": the compiled signatures cannot be kept: " + what + ": " +
                     std::strerror(errno)};
    };
    std::string temporary = path_ + ".XXXXXX";
    const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
    if (file.number() < 0) return fault("creating a file");
    const bool written = write_all(file.number(), magic) && write_all(file.number(), key_) &&
                         write_all(file.number(), hash_of(content)) && write_all(file.number(), content) &&
                         ::fsync(file.number()) == 0;
    if (written && ::rename(temporary.c_str(), path_.c_str()) == 0) return success();
    auto result = fault(written ? "renaming a file" : "writing a file");
    ::unlink(temporary.c_str());
    return result;
}

}  // namespace sluice::inspect
