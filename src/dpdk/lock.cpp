#include "lock.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sluice::dpdk {
namespace {

/// The process that listens on `address`, or 0.
pid_t owner_of(const sockaddr_un& address, socklen_t length) {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ucred owner{};
    socklen_t size = sizeof owner;
    const bool known = connect(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
                       getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0;
    close(socket);
    return known ? owner.pid : 0;
}

}  // namespace

Result<Lock> Lock::take(const std::string& device) {
    const std::string name = "sluice/port/" + device;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A leading zero byte makes the name abstract: no file.
    std::strncpy(address.sun_path + 1, name.c_str(), sizeof address.sun_path - 2);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                               std::min(name.size(), sizeof address.sun_path - 2));
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket >= 0 && bind(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
        listen(socket, 8) == 0) {
        return Lock(socket);
    }
    const int fault = errno;
    if (socket >= 0) close(socket);
    if (fault == EADDRINUSE) {
        const pid_t owner = owner_of(address, length);
        return Error{device + " is already in use by another sluiced" +
                     (owner != 0 ? " (process " + std::to_string(owner) + ")" : "") +
                     ": stop that one first, or give this one other ports"};
    }
    return Error{"cannot lock " + device + ": " + std::strerror(fault)};
}

Lock::Lock(Lock&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
Lock& Lock::operator=(Lock&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
}
Lock::~Lock() {
    if (socket_ >= 0) close(socket_);
}

}  // namespace sluice::dpdk
