// The little of netlink that the kernel judge needs: one flow of conntrack read, its timeout set, the flow
// deleted; and the sentences in which conntrack says why a packet is invalid. Linux' own headers, no library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "judgement.hpp"
#include "sluice/base/result.hpp"

namespace sluice::differential {

/// A netlink socket of the netfilter family in the network namespace in which it was opened. Closed with the
/// object.
class NetlinkSocket {
  public:
    NetlinkSocket();
    ~NetlinkSocket();
    NetlinkSocket(const NetlinkSocket&) = delete;
    NetlinkSocket& operator=(const NetlinkSocket&) = delete;

    /// Sends a message and waits for one answer. Throws std::runtime_error when the kernel does not answer.
    const std::vector<std::uint8_t>& ask(const std::vector<std::uint8_t>& message);
    /// What has arrived unasked, one datagram a call; nothing when there is none. Never waits.
    const std::vector<std::uint8_t>* poll();

  private:
    int socket_ = -1;
    std::vector<std::uint8_t> buffer_;
};

/// The flows of conntrack, one at a time.
class ConntrackSocket {
  public:
    /// The flow between the ends, in whichever direction it began. Throws std::runtime_error on any error but
    /// that there is none.
    [[nodiscard]] std::optional<Entry> find(const Ends& ends);
    void set_timeout(const Ends& ends, std::uint32_t seconds);
    void remove(const Ends& ends);  ///< no error when there is none

  private:
    NetlinkSocket socket_;
};

/// Conntrack's own remarks on packets it refuses or ignores (nf_conntrack_log_invalid through nfnetlink_log).
class InvalidLog {
  public:
    /// The error says what the kernel lacks.
    [[nodiscard]] Status open();
    /// What was said since the last call, sentences joined by "; ".
    [[nodiscard]] std::string take();

  private:
    NetlinkSocket socket_;
};

}  // namespace sluice::differential
