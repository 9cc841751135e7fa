#include "sluice/control/http_endpoint.hpp"

#include <microhttpd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>

namespace sluice::control {
namespace {

constexpr int backlog = 64;
constexpr auto plain = "text/plain; charset=utf-8";

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

/// Whether a request's Host is an address or localhost, with a port or without.
bool names_an_address(const char* host) {
    if (host == nullptr) return false;
    const std::string text(host);
    const bool is_localhost = text == "localhost" || text.starts_with("localhost:");
    return is_localhost || parse_listen_address(text) || parse_listen_address(text + ":80");
}

}  // namespace

struct HttpEndpoint::Parts {
    struct Stop {
        void operator()(MHD_Daemon* running) const { MHD_stop_daemon(running); }
    };
    /// A page that was made in this turn.
    struct Made {
        const HttpPage* page;
        std::string since;
        std::string body;
    };
    HttpSite site;
    std::vector<Made> made;
    std::unique_ptr<MHD_Daemon, Stop> daemon;

    const std::string& make(const HttpPage& page, std::string_view since) {
        const auto known = std::find_if(made.begin(), made.end(), [&](const Made& one) {
            return one.page == &page && one.since == since;
        });
        if (known != made.end()) return known->body;
        return made.emplace_back(Made{&page, std::string(since), page.make(since)}).body;
    }

    MHD_Result respond(MHD_Connection* connection, unsigned status, std::string_view body,
                       const char* type = plain) const {
        // The library copies what is not kept for it; its interface has no const.
        MHD_Response* const response = MHD_create_response_from_buffer(
            body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
        if (response == nullptr) return MHD_NO;
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        for (const auto& [name, value] : site.headers)
            MHD_add_response_header(response, name.c_str(), value.c_str());
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        const MHD_Result queued = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return queued;
    }

    static MHD_Result answer(void* self, MHD_Connection* connection, const char* path, const char* method,
                             const char*, const char*, size_t*, void**) {
        auto& parts = *static_cast<Parts*>(self);
        if (parts.site.by_address_alone &&
            !names_an_address(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
            return parts.respond(connection, MHD_HTTP_MISDIRECTED_REQUEST,
                                 "ask by a numeric address or as localhost: other names are not answered\n");
        if (std::string_view(method) != MHD_HTTP_METHOD_GET &&
            std::string_view(method) != MHD_HTTP_METHOD_HEAD)
            return parts.respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
        const auto& pages = parts.site.pages;
        const auto page =
            std::find_if(pages.begin(), pages.end(), [&](const HttpPage& one) { return one.path == path; });
        if (page == pages.end())
            return parts.respond(connection, MHD_HTTP_NOT_FOUND, parts.site.elsewhere + '\n');
        const char* const since =
            page->takes_since ? MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "since")
                              : nullptr;
        return parts.respond(connection, MHD_HTTP_OK, parts.make(*page, since == nullptr ? "" : since),
                             page->content_type.c_str());
    }
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
HttpEndpoint::~HttpEndpoint() = default;

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::open(const ListenAddress& address,
                                                         const std::string& name, HttpSite site) {
    const std::string readers = site.readers;
    const int socket = listen_at(address);
    if (socket < 0)
        return Error{"cannot listen for " + readers + " at " + name + ": " + std::strerror(errno)};
    auto parts = std::make_unique<Parts>();
    parts->site = std::move(site);
    // From here on the socket is the library's.
    parts->daemon.reset(
        MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &Parts::answer, parts.get(),
                         MHD_OPTION_EXTERNAL_LOGGER, &say_nothing, nullptr, MHD_OPTION_LISTEN_SOCKET, socket,
                         MHD_OPTION_CONNECTION_LIMIT, most_connections, MHD_OPTION_CONNECTION_TIMEOUT,
                         idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes, MHD_OPTION_END));
    if (parts->daemon == nullptr) {
        close(socket);
        return Error{"cannot answer " + readers + " at " + name + ": no memory or no descriptors are left"};
    }
    return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(parts)));
}

int HttpEndpoint::descriptor() const {
    return MHD_get_daemon_info(parts_->daemon.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void HttpEndpoint::turn() {
    MHD_run(parts_->daemon.get());
    parts_->made.clear();
}

}  // namespace sluice::control
