// The other end of the control socket, for the command and for tests.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/control/query.hpp"

namespace sluice::control {

/// Blocks. One request after the other.
class Client {
  public:
    static Result<std::unique_ptr<Client>> connect(const std::string& path);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Asks, hands each row over (with its line feed) and returns how the answer ended. An error: the
    /// connection broke.
    Result<End> ask(const Query& query, const std::function<void(std::string_view row)>& on_row);

    /// The same for rows that come as things happen. `on_pause` is called whenever all that came has been
    /// handed over: false ends it at once. `asked_to_stop` is asked ten times a second, and when a signal
    /// comes, whether the daemon is to be told that it was enough; what it still sends is handed over.
    Result<End> follow(const Query& query, const std::function<void(std::string_view row)>& on_row,
                       const std::function<bool()>& on_pause, const std::function<bool()>& asked_to_stop);

  private:
    explicit Client(int descriptor) : descriptor_(descriptor) {}
    void send_request(const Query& query);
    std::optional<End> hand_over(const std::function<void(std::string_view row)>& on_row);
    /// What recv() says, but for interruptions.
    std::ptrdiff_t receive();
    int descriptor_;
    std::string received_;
};

}  // namespace sluice::control
