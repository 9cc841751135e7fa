#include "sluice/control/metrics_endpoint.hpp"

#include <microhttpd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string_view>
#include <utility>

namespace sluice::control {
namespace {

constexpr int backlog = 64;

/// Listens at the address; or -1 and errno.
int listen_at(const ListenAddress& address) {
    const int made = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return -1;
    // A connection of a daemon that is gone lingers for a minute: that is no reason not to start.
    const int yes = 1;
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(made, reinterpret_cast<const sockaddr*>(&address.socket), address.length) == 0 &&
        listen(made, backlog) == 0)
        return made;
    const int fault = errno;
    close(made);
    errno = fault;
    return -1;
}

void say_nothing(void*, const char*, va_list) {}

MHD_Result respond(MHD_Connection* connection, unsigned status, std::string_view body, const char* type) {
    // The library copies what is not kept for it; its interface has no const.
    MHD_Response* const response =
        MHD_create_response_from_buffer(body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    const MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

}  // namespace

struct MetricsEndpoint::Parts {
    struct Stop {
        void operator()(MHD_Daemon* running) const { MHD_stop_daemon(running); }
    };
    std::function<std::string()> make_page;
    std::string page;
    bool is_made = false;  ///< in this turn
    std::unique_ptr<MHD_Daemon, Stop> daemon;

    static MHD_Result answer(void* self, MHD_Connection* connection, const char* path, const char* method,
                             const char*, const char*, size_t*, void**) {
        constexpr auto plain = "text/plain; charset=utf-8";
        auto& parts = *static_cast<Parts*>(self);
        if (std::string_view(method) != MHD_HTTP_METHOD_GET &&
            std::string_view(method) != MHD_HTTP_METHOD_HEAD)
            return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n",
                           plain);
        if (std::string_view(path) != "/metrics")
            return respond(connection, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n", plain);
        if (!std::exchange(parts.is_made, true)) parts.page = parts.make_page();
        return respond(connection, MHD_HTTP_OK, parts.page, "text/plain; version=0.0.4; charset=utf-8");
    }
};

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
MetricsEndpoint::~MetricsEndpoint() = default;

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::open(const ListenAddress& address,
                                                               const std::string& name,
                                                               std::function<std::string()> page) {
    const int socket = listen_at(address);
    if (socket < 0) return Error{"cannot listen for scrapers at " + name + ": " + std::strerror(errno)};
    auto parts = std::make_unique<Parts>();
    parts->make_page = std::move(page);
    // From here on the socket is the library's.
    parts->daemon.reset(
        MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &Parts::answer, parts.get(),
                         MHD_OPTION_EXTERNAL_LOGGER, &say_nothing, nullptr, MHD_OPTION_LISTEN_SOCKET, socket,
                         MHD_OPTION_CONNECTION_LIMIT, most_connections, MHD_OPTION_CONNECTION_TIMEOUT,
                         idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes, MHD_OPTION_END));
    if (parts->daemon == nullptr) {
        close(socket);
        return Error{"cannot answer scrapers at " + name + ": no memory or no descriptors are left"};
    }
    return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(parts)));
}

int MetricsEndpoint::descriptor() const {
    return MHD_get_daemon_info(parts_->daemon.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void MetricsEndpoint::turn() {
    parts_->is_made = false;
    MHD_run(parts_->daemon.get());
}

}  // namespace sluice::control
