// The page of metrics over HTTP. No thread of its own: the control thread gives it turns, so that the page is
// made where everything it shows may be read, and a scraper that is slow, or means ill, holds up nobody.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/control/listen_address.hpp"

namespace sluice::control {

/// Used by the control thread alone. Answers GET and HEAD of /metrics, everything else with a status and a
/// sentence. Bounded: `most_connections` at a time, each with `connection_bytes` for what it asks, closed
/// when it has neither asked nor read for `idle_seconds`.
class MetricsEndpoint {
  public:
    static constexpr unsigned most_connections = 16;
    static constexpr std::size_t connection_bytes = 16 * 1024;
    static constexpr unsigned idle_seconds = 10;

    /// Listens. `page` makes the page; it is called at most once a turn. `name` is the address for messages.
    /// Fails with a sentence when the address is not to be had.
    [[nodiscard]] static Result<std::unique_ptr<MetricsEndpoint>> open(const ListenAddress& address,
                                                                       const std::string& name,
                                                                       std::function<std::string()> page);
    ~MetricsEndpoint();
    MetricsEndpoint(const MetricsEndpoint&) = delete;
    MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

    /// Readable, for poll(), when turn() has something to do.
    [[nodiscard]] int descriptor() const;
    /// Does what can be done without waiting. Call it when the descriptor is readable, and every second.
    void turn();

  private:
    struct Parts;
    explicit MetricsEndpoint(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::control
