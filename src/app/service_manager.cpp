#include "app/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace sluice::app {
namespace {

/// The whole of `text` as a number.
std::optional<std::uint64_t> number_of(const char* text) {
    if (text == nullptr) return std::nullopt;
    const char* const end = text + std::strlen(text);
    std::uint64_t value = 0;
    const auto [stopped, failure] = std::from_chars(text, end, value);
    if (failure != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

}  // namespace

void notify_service_manager(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path)
        return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path, std::strlen(path));
    if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return;
    (void)sendto(socket, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length);
    close(socket);
}

std::string status_line(std::string_view sentence) {
    return "STATUS=" + std::string(sentence.substr(0, sentence.find('\n')));
}

std::string reloading_lines(std::chrono::nanoseconds monotonic) {
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(monotonic).count();
    return "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds);
}

Watchdog::Watchdog(const char* microseconds, const char* process, pid_t self) {
    constexpr std::uint64_t longest = 86'400'000'000;  // a day; beyond it nobody watches
    if (process != nullptr && number_of(process) != static_cast<std::uint64_t>(self)) return;
    const auto allowed = number_of(microseconds);
    if (allowed) interval_ = std::chrono::microseconds(std::min(*allowed, longest) / 2);
}

bool Watchdog::due(Time now, std::span<const std::uint64_t> polls) {
    if (interval_.count() == 0 || now < next_) return false;
    const bool known = last_.size() == polls.size();
    for (std::size_t i = 0; known && i < polls.size(); ++i)
        if (polls[i] == last_[i]) return false;
    last_.assign(polls.begin(), polls.end());
    next_ = now + interval_;
    return true;
}

}  // namespace sluice::app
