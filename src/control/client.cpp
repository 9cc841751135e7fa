#include "sluice/control/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace sluice::control {

Result<std::unique_ptr<Client>> Client::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return Error{"the socket's path must hold 1 to 107 bytes"};
    std::memcpy(address.sun_path, path.data(), path.size());
    std::unique_ptr<Client> client(new Client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    if (client->descriptor_ < 0) return Error{std::string("no socket: ") + std::strerror(errno)};
    while (::connect(client->descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == EINTR) continue;
        if (errno == EACCES || errno == EPERM)
            return Error{"you may not talk to " + path +
                         ": be root, or join the group that the socket belongs to"};
        return Error{"no sluiced answers at " + path + ": is it running? (sluiced --config FILE)"};
    }
    return client;
}

Client::~Client() {
    if (descriptor_ >= 0) close(descriptor_);
}

void Client::send_request(const Query& query) {
    const std::string line = to_line(query) + "\n";
    for (std::size_t sent = 0; sent < line.size();) {
        const ssize_t taken = send(descriptor_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (taken < 0 && errno == EINTR) continue;
        if (taken < 0) break;  // it may have said why before it closed
        sent += static_cast<std::size_t>(taken);
    }
}

/// The rows that have come whole, and the end if it is among them.
std::optional<End> Client::hand_over(const std::function<void(std::string_view row)>& on_row) {
    std::size_t begin = 0;
    for (std::size_t end; (end = received_.find('\n', begin)) != std::string::npos; begin = end + 1) {
        const std::string_view row = std::string_view(received_).substr(begin, end + 1 - begin);
        if (auto closing = parse_end(row)) {
            received_.erase(0, end + 1);
            return closing;
        }
        on_row(row);
    }
    received_.erase(0, begin);
    return std::nullopt;
}

std::ptrdiff_t Client::receive() {
    char bytes[64 * 1024];
    ssize_t got;
    do got = recv(descriptor_, bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) received_.append(bytes, static_cast<std::size_t>(got));
    return got;
}

Result<End> Client::ask(const Query& query, const std::function<void(std::string_view row)>& on_row) {
    send_request(query);
    while (true) {
        if (const auto end = hand_over(on_row)) return *end;
        if (receive() <= 0) return Error{"the daemon closed the connection before its answer was complete"};
    }
}

Result<End> Client::follow(const Query& query, const std::function<void(std::string_view row)>& on_row,
                           const std::function<bool()>& on_pause,
                           const std::function<bool()>& asked_to_stop) {
    // A signal that comes just before the wait does not interrupt it.
    constexpr int patience_milliseconds = 100;
    send_request(query);
    bool told = false;
    while (true) {
        if (const auto end = hand_over(on_row)) return *end;
        if (!on_pause()) return End{};
        pollfd socket{descriptor_, POLLIN, 0};
        const int ready = poll(&socket, 1, patience_milliseconds);
        if (ready < 0 && errno != EINTR) return Error{std::string("cannot wait: ") + std::strerror(errno)};
        if (!told && asked_to_stop()) {
            shutdown(descriptor_, SHUT_WR);
            told = true;
        }
        if (ready > 0 && receive() <= 0)
            return Error{"the daemon closed the connection: it has stopped, or was started again"};
    }
}

}  // namespace sluice::control
