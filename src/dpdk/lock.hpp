// One daemon per device: two would each forward every packet. The lock is a name in the kernel's abstract
// socket space, which belongs to the network namespace as interfaces do, and goes when the process goes,
// however it ends.
#pragma once

#include <string>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

class Lock {
  public:
    /// Takes `device` for this process, or says which process has it.
    [[nodiscard]] static Result<Lock> take(const std::string& device);
    Lock(Lock&& other) noexcept;
    Lock& operator=(Lock&& other) noexcept;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();

  private:
    explicit Lock(int socket) : socket_(socket) {}
    int socket_;
};

}  // namespace sluice::dpdk
