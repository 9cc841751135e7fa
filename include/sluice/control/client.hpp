// The other end of the control socket, for the command and for tests.
#pragma once

#include <functional>
#include <memory>
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

  private:
    explicit Client(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
    std::string received_;
};

}  // namespace sluice::control
