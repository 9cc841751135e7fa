#include "app/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::app {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) close(number_);
    }
    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

std::string kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

}  // namespace

Result<std::string> read_regular_file(const std::string& path, const std::string& what,
                                      std::size_t most_bytes) {
    const auto unreadable = [&](const std::string& why) {
        return Error{path + ": cannot be read as " + what + ": " + why};
    };
    if (path.empty() || path.find('\0') != std::string::npos)
        return unreadable("expected the name of a file");
    // Non-blocking, so that opening a pipe without a writer returns and can be refused for what it is.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.number() < 0) return unreadable(std::strerror(errno));
    struct stat status {};
    if (fstat(file.number(), &status) != 0) return unreadable(std::strerror(errno));
    if (!S_ISREG(status.st_mode))
        return unreadable("expected a regular file, found " + kind_of(status.st_mode));
    const std::string too_large = "expected at most " + std::to_string(most_bytes) + " bytes, found more";
    std::string text;
    std::string chunk(64U << 10U, '\0');
    for (;;) {
        const ssize_t got = ::read(file.number(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return unreadable(std::strerror(errno));
        if (got == 0) return text;
        text.append(chunk, 0, static_cast<std::size_t>(got));
        if (text.size() > most_bytes) return unreadable(too_large);
    }
}

std::string beside(const std::string& configuration, const std::string& path) {
    const std::size_t folder = configuration.rfind('/');
    if (path.starts_with('/') || folder == std::string::npos) return path;
    return configuration.substr(0, folder + 1) + path;
}

}  // namespace sluice::app
