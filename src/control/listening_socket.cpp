#include "listening_socket.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

namespace sluice::control {
namespace {

constexpr int backlog = 1024;  ///< clients the kernel lets wait; it lowers this to net.core.somaxconn

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

std::string because() {
    return std::string(": ") + std::strerror(errno);
}

std::optional<gid_t> group_id(const std::string& name) {
    gid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) return number;
    std::array<char, 16384> buffer;
    struct group entry {};
    struct group* found = nullptr;
    if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return found->gr_gid;
}

}  // namespace

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open(const std::string& path, std::uint32_t mode,
                                                               const std::string& group) {
    if (path.empty()) return Error{"the control socket has no path"};
    if (path.size() >= sizeof(sockaddr_un::sun_path) || path.find('\0') != std::string::npos)
        return Error{"control socket " + path.substr(0, 200) +
                     ": a socket's path holds at most 107 bytes; choose a shorter one"};
    std::unique_ptr<ListeningSocket> socket(new ListeningSocket(path));
    for (const auto step : {&ListeningSocket::lock, &ListeningSocket::clear_path})
        if (auto done = (socket.get()->*step)(); !done) return Error{done.error()};
    if (auto done = socket->bind_and_listen(mode, group); !done) return Error{done.error()};
    return socket;
}

ListeningSocket::~ListeningSocket() {
    if (socket_ >= 0) close(socket_);
    if (bound_) unlink(path_.c_str());
    if (lock_ >= 0) {
        unlink((path_ + ".lock").c_str());  // while it is held: see lock()
        close(lock_);
    }
    if (made_folder_) rmdir(folder().c_str());  // fails, as it should, while somebody else uses it
}

std::string ListeningSocket::folder() const {
    return path_.substr(0, path_.rfind('/'));
}

/// Nothing makes /run/NAME for a daemon that is started by hand. Only the last folder is made: a path that is
/// wrong further up is a mistake to be told of. Another daemon may have made it since we looked.
bool ListeningSocket::make_folder() {
    constexpr mode_t mode = 0755;  // who may connect is for the socket's own mode to say
    const std::string name = folder();
    if (mkdir(name.c_str(), mode) != 0) return errno == EEXIST;
    made_folder_ = true;
    return chmod(name.c_str(), mode) == 0;  // whatever the umask is
}

/// Where the folder leads when it is a symbolic link to nowhere, which looks like a missing folder but cannot
/// be made; empty: it is none.
std::string ListeningSocket::dangling_target() const {
    const std::string name = folder();
    struct stat there {};
    if (stat(name.c_str(), &there) == 0 || errno != ENOENT) return "";
    std::array<char, 4096> target;
    const ssize_t length = readlink(name.c_str(), target.data(), target.size());
    return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : "";
}

/// Without the lock, a daemon that starts between another's bind and listen would take its socket for a stale
/// one.
Status ListeningSocket::lock() {
    const std::string path = path_ + ".lock";
    for (int attempt = 0; attempt < 10; ++attempt) {
        const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0 && errno == ENOENT) {
            if (const std::string target = dangling_target(); !target.empty())
                return Error{"control socket " + path_ + ": its directory " + folder() +
                             " is a symbolic link to " + target +
                             ", where nothing is; make that directory, or remove the link"};
            if (make_folder()) continue;
        }
        if (file < 0)
            return Error{"cannot make " + path + because() +
                         "; the directory of the control socket must be writable, or the one above it exist "
                         "and be writable"};
        if (flock(file, LOCK_EX | LOCK_NB) != 0) {
            close(file);
            return Error{"another sluiced holds the control socket " + path_ +
                         ": stop it first, or give this one another control.socket"};
        }
        // Its former holder may have removed the file between our open and our lock.
        struct stat ours {
        }, there{};
        if (fstat(file, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
            ours.st_dev == there.st_dev) {
            lock_ = file;
            return success();
        }
        close(file);
    }
    return Error{"cannot lock " + path + ": it keeps being removed"};
}

Status ListeningSocket::clear_path() {
    struct stat there {};
    if (lstat(path_.c_str(), &there) != 0) {
        if (errno == ENOENT) return success();
        return Error{"control socket " + path_ + because()};
    }
    if (!S_ISSOCK(there.st_mode))
        return Error{"control socket " + path_ +
                     ": something that is no socket lies there; remove it, or choose another control.socket"};
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return Error{"control socket " + path_ + because()};
    const sockaddr_un address = address_of(path_);
    const int outcome = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int why = errno;
    close(probe);
    if (outcome == 0 || why == EAGAIN)  // EAGAIN: its queue of clients is full, so somebody listens
        return Error{"a daemon answers at the control socket " + path_ +
                     " already: stop it first, or give this one another control.socket"};
    errno = why;
    if (why != ECONNREFUSED && why != ENOENT) return Error{"control socket " + path_ + because()};
    if (unlink(path_.c_str()) != 0 && errno != ENOENT)
        return Error{"cannot remove the stale control socket " + path_ + because()};
    return success();
}

Status ListeningSocket::bind_and_listen(std::uint32_t mode, const std::string& group) {
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) return Error{"control socket " + path_ + because()};
    const sockaddr_un address = address_of(path_);
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return Error{"cannot make the control socket " + path_ + because()};
    bound_ = true;
    // Until listen() every connect is refused, so nobody slips in before mode and group are right.
    if (!group.empty()) {
        const auto id = group_id(group);
        if (!id) return Error{"control socket " + path_ + ": there is no group \"" + group + "\""};
        if (chown(path_.c_str(), static_cast<uid_t>(-1), *id) != 0)
            return Error{"cannot give the control socket " + path_ + " to group " + group + because()};
    }
    if (chmod(path_.c_str(), static_cast<mode_t>(mode & 0777)) != 0)
        return Error{"cannot set the mode of the control socket " + path_ + because()};
    if (listen(socket_, backlog) != 0)
        return Error{"cannot listen at the control socket " + path_ + because()};
    return success();
}

}  // namespace sluice::control
