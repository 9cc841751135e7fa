// What the machine has: huge pages, processors, NUMA nodes. Read from /sys; the folder is a parameter so that
// tests can show another machine.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

/// Huge pages of one size.
struct HugePages {
    std::size_t page_bytes = 0;
    std::size_t total = 0;
    std::size_t free = 0;
};

class Machine {
  public:
    explicit Machine(std::string sys = "/sys") : sys_(std::move(sys)) {}

    /// Sizes that the kernel offers, largest pages first.
    [[nodiscard]] std::vector<HugePages> huge_pages() const;
    /// NUMA node of a PCI device or of the device behind an interface; -1: none or unknown.
    [[nodiscard]] int node_of_pci(const std::string& address) const;
    [[nodiscard]] int node_of_interface(const std::string& interface) const;
    /// Processors of a node; empty: unknown.
    [[nodiscard]] std::vector<unsigned> processors_of(int node) const;
    [[nodiscard]] bool has_pci(const std::string& address) const;
    /// The driver that a PCI device is bound to; empty: none.
    [[nodiscard]] std::string driver_of_pci(const std::string& address) const;

  private:
    std::string sys_;
};

/// Whether `pages` hold `bytes`; else a sentence with how many are missing and the command that reserves
/// them.
[[nodiscard]] Status check_huge_pages(const std::vector<HugePages>& pages, std::size_t bytes);

/// Processors this process may run on.
[[nodiscard]] std::vector<unsigned> allowed_processors();

/// "0-3,8" as the kernel and people write it. Nothing when it is not such a list.
[[nodiscard]] std::optional<std::vector<unsigned>> parse_processor_list(const std::string& text);

/// Which processor each lcore gets: element 0 is the control thread's, the rest the workers'. `wanted`: an
/// operator's choice for the workers, or empty; `near`: processors of the ports' node, or empty. The control
/// thread has one of its own where there are enough; where there are too few, lcores share.
[[nodiscard]] Result<std::vector<unsigned>> place(unsigned workers, const std::vector<unsigned>& wanted,
                                                  const std::vector<unsigned>& allowed,
                                                  const std::vector<unsigned>& near);

}  // namespace sluice::dpdk
