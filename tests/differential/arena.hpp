// A network of the test's own: an anonymous network namespace with two TUN devices, A's and B's. A packet
// written to one is forwarded by the kernel, past conntrack, and read from the other before the write
// returns.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "judgement.hpp"
#include "sluice/base/result.hpp"

namespace sluice::differential {

class Arena {
  public:
    /// Moves this process into the new namespace for good. The error says what is missing: root,
    /// /dev/net/tun, `ip`, `nft`, or a part of the kernel.
    [[nodiscard]] static Result<std::unique_ptr<Arena>> build();
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// Lets one packet through and reads what conntrack calls it: the ruleset writes that into the DSCP
    /// field. `lost`: it did not come out.
    [[nodiscard]] Verdict pass(End from, std::span<const std::uint8_t> packet);

    /// Sets /proc/sys/net/`name` of the namespace. Throws std::runtime_error when it cannot.
    static void set(const std::string& name, unsigned value);
    [[nodiscard]] static bool try_set(const std::string& name, const std::string& value);

  private:
    Arena() = default;
    int device_a_ = -1, device_b_ = -1;
};

}  // namespace sluice::differential
