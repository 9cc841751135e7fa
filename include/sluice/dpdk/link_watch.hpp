// What is concluded from the state of links. Pure: time and what was seen come in, orders go out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace sluice::dpdk {

/// Notices that the interface behind a port is no longer the one that the port was opened on. Sockets stay
/// with the old one, so nothing passes any more, whatever link a new interface of the same name has.
class InterfaceWatch {
  public:
    InterfaceWatch() = default;
    /// `index`: the kernel's number of the interface when the port was opened.
    explicit InterfaceWatch(unsigned index) : index_(index) {}

    /// Given the number that the name has now, 0 when there is none: true once, when it first is another.
    [[nodiscard]] bool look(unsigned index) {
        if (gone_ || index == index_) return false;
        return gone_ = true;
    }
    /// For good, for an interface that was removed does not come back.
    [[nodiscard]] bool gone() const { return gone_; }

  private:
    unsigned index_ = 0;
    bool gone_ = false;
};

/// Carries the loss of a link over to the other port of its pair, so that the neighbours on both sides see
/// that the path is dead, as they would on a wire.
class LinkWatch {
  public:
    /// How long a port that was just told to come up may take before its silence counts as a loss of its own
    /// (autonegotiation takes one to three seconds).
    static constexpr std::uint64_t settle_milliseconds = 5000;

    struct Order {
        unsigned port;  ///< 0 or 1 of the pair
        bool up;
    };

    /// What to do, given which of the pair's links are up at `now` (milliseconds, any origin, growing).
    [[nodiscard]] std::optional<Order> look(std::array<bool, 2> up, std::uint64_t now) {
        for (const unsigned port : {0U, 1U}) {
            if (up[port]) settling_until_[port] = 0;
        }
        for (const unsigned port : {0U, 1U}) {
            const unsigned other = 1 - port;
            if (taken_down_[other] && up[port]) {
                taken_down_[other] = false;
                settling_until_[other] = now + settle_milliseconds;
                return Order{other, true};
            }
            const bool lost = !up[port] && !taken_down_[port] && now >= settling_until_[port];
            if (lost && up[other]) {
                taken_down_[other] = true;
                return Order{other, false};
            }
        }
        return std::nullopt;
    }

    /// The order for `port` could not be carried out (the device cannot): nothing was taken down.
    void refused(unsigned port) { taken_down_[port] = false; }
    [[nodiscard]] bool taken_down(unsigned port) const { return taken_down_[port]; }

  private:
    std::array<bool, 2> taken_down_{};
    std::array<std::uint64_t, 2> settling_until_{};
};

}  // namespace sluice::dpdk
