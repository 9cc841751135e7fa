// The listening end of the control socket: made with care for what already lies at its path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/base/result.hpp"

namespace sluice::control {

class ListeningSocket {
  public:
    /// Nobody can connect before the mode and the group are as asked for. A second daemon at the same path is
    /// kept out by a lock on `path`.lock, held until this is destroyed; both files are removed then. Their
    /// folder is made (mode 0755) if it alone is missing, and one that was made here goes with them.
    static Result<std::unique_ptr<ListeningSocket>> open(const std::string& path, std::uint32_t mode,
                                                         const std::string& group);
    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int descriptor() const { return socket_; }

  private:
    explicit ListeningSocket(std::string path) : path_(std::move(path)) {}
    [[nodiscard]] std::string folder() const;
    bool make_folder();
    [[nodiscard]] std::string dangling_target() const;
    Status lock();
    Status clear_path();
    Status bind_and_listen(std::uint32_t mode, const std::string& group);

    std::string path_;
    int lock_ = -1;
    int socket_ = -1;
    bool bound_ = false;
    bool made_folder_ = false;
};

}  // namespace sluice::control
