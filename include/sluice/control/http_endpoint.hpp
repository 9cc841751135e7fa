// Pages over HTTP: the metrics, the web page. No thread of its own: the control thread gives it turns, so
// that pages are made where everything they show may be read, and a reader that is slow, or means ill, holds
// up nobody.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/control/listen_address.hpp"

namespace sluice::control {

/// What one path is answered with.
struct HttpPage {
    std::string path;          ///< "/metrics"
    std::string content_type;  ///< "text/plain; charset=utf-8"
    /// Makes it, at most once a turn; of a page that takes `since`, for each of them.
    std::function<std::string(std::string_view since)> make;
    /// Whether `since` is the argument of that name behind the path, which may be anything. "" where there is
    /// none, and for other pages.
    bool takes_since = false;
};

/// All that an address is answered with.
struct HttpSite {
    std::string readers;    ///< for messages: "scrapers"
    std::string elsewhere;  ///< the sentence for any other path
    std::vector<HttpPage> pages;
    std::vector<std::pair<std::string, std::string>> headers = {};  ///< of every answer, besides
    /// Only who asks for it by a numeric address or as localhost is answered. A name may be anybody's, who
    /// makes a page of theirs read ours by having it stand for this machine (DNS rebinding).
    bool by_address_alone = false;
};

/// Used by the control thread alone. Answers GET and HEAD of its pages, everything else with a status and a
/// sentence. Bounded: `most_connections` at a time, each with `connection_bytes` for what it asks, closed
/// when it has neither asked nor read for `idle_seconds`.
class HttpEndpoint {
  public:
    static constexpr unsigned most_connections = 16;
    static constexpr std::size_t connection_bytes = 16 * 1024;
    static constexpr unsigned idle_seconds = 10;

    /// Listens. `name` is the address for messages. Fails with a sentence when the address is not to be had.
    [[nodiscard]] static Result<std::unique_ptr<HttpEndpoint>> open(const ListenAddress& address,
                                                                    const std::string& name, HttpSite site);
    ~HttpEndpoint();
    HttpEndpoint(const HttpEndpoint&) = delete;
    HttpEndpoint& operator=(const HttpEndpoint&) = delete;

    /// Readable, for poll(), when turn() has something to do.
    [[nodiscard]] int descriptor() const;
    /// Does what can be done without waiting. Call it when the descriptor is readable, and every second.
    void turn();

  private:
    struct Parts;
    explicit HttpEndpoint(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::control
