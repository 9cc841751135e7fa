// DPDK's environment abstraction layer, started once a process and kept quiet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

/// What decides the EAL's command line.
struct EalRequest {
    std::vector<unsigned> processors{};  ///< by lcore, 0 is the control thread's; may repeat
    bool huge_pages = true;
    std::size_t megabytes = 0;         ///< taken at start
    int node = -1;                     ///< NUMA node to take it from; -1: any
    std::vector<std::string> pci{};    ///< addresses of PCI ports; no other device is touched
    std::vector<std::string> extra{};  ///< the operator's, last
};

/// The arguments without a program name.
[[nodiscard]] std::vector<std::string> eal_arguments(const EalRequest& request);

/// Keeps what DPDK, its drivers and the libraries under them print away from people, to be shown if something
/// fails. Both standard output and standard error are redirected while it exists: drivers write where they
/// like.
class Hush {
  public:
    /// `loud`: redirects nothing (the operator asked for EAL's log).
    explicit Hush(bool loud);
    ~Hush();
    Hush(const Hush&) = delete;
    Hush& operator=(const Hush&) = delete;

    /// The last lines that were printed, at most 16 KiB; empty when nothing was.
    [[nodiscard]] std::string heard() const;

  private:
    int file_ = -1;
    int output_ = -1, error_ = -1;  ///< where they went before
};

class Eal {
  public:
    /// At most once a process. Must run inside a Hush, or DPDK talks to the terminal.
    [[nodiscard]] static Result<std::unique_ptr<Eal>> start(const EalRequest& request);
    /// Gives everything back, the folder under /run and files of huge pages included.
    ~Eal();
    /// DPDK's log goes nowhere from now on.
    void quiet();
    Eal(const Eal&) = delete;
    Eal& operator=(const Eal&) = delete;

  private:
    explicit Eal(bool shared) : shared_(shared) {}
    bool shared_;  ///< other processes may have attached
};

/// Refuses what would keep the EAL from starting without an error: another process type than primary (it
/// waits for a primary process that cannot be there, deaf to signals), and help (it ends the process, and
/// what it prints is hushed).
[[nodiscard]] Status check_eal_arguments(const std::vector<std::string>& extra);

/// Whether the operator lets other processes of DPDK's attach (dpdk-dumpcap, dpdk-pdump), which find our
/// memory in files: by saying that this is the primary one, --proc-type=primary.
[[nodiscard]] bool asks_for_company(const std::vector<std::string>& extra);

/// Whether the operator wants to see EAL's own log.
[[nodiscard]] bool asks_for_log(const std::vector<std::string>& extra);

}  // namespace sluice::dpdk
