// The two questions that only rtnetlink answers: where the other end of a link is, and what number a named
// network namespace has here.
#pragma once

#include <optional>
#include <string>

namespace sluice::dpdk {

/// The link at the other end of a veth.
struct LinkPeer {
    int index = 0;                  ///< in its own namespace
    std::optional<int> name_space;  ///< number of that namespace here; none: this one
};
[[nodiscard]] std::optional<LinkPeer> link_peer(const std::string& interface);

/// The number, here, of the namespace that `descriptor` (an open /run/netns file) stands for.
[[nodiscard]] std::optional<int> number_of_namespace(int descriptor);

}  // namespace sluice::dpdk
