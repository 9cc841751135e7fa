// DPDK started for the benchmark: which processor does what, and in what kind of memory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "dpdk/eal.hpp"
#include "line_rate/arguments.hpp"
#include "sluice/base/result.hpp"

namespace sluice::bench {

/// Processors by role.
struct Cores {
    std::vector<unsigned> generators, workers;
    unsigned main = 0;      ///< the main thread's, which mostly sleeps
    bool shared = false;    ///< two of them have to make do with one processor
    bool in_turns = false;  ///< the worker runs on the generator's thread: `workers` is empty

    [[nodiscard]] unsigned worker_lcore(unsigned worker) const { return 1 + worker; }
    [[nodiscard]] unsigned generator_lcore(unsigned generator) const {
        return static_cast<unsigned>(1 + workers.size() + generator);
    }
    /// Processors by lcore, 0 the main thread's.
    [[nodiscard]] std::vector<unsigned> by_lcore() const;
};

/// `generators` 0: one for each worker when there are processors enough, else one.
[[nodiscard]] Cores place_cores(const std::vector<unsigned>& processors, unsigned workers,
                                unsigned generators);

struct Environment {
    std::unique_ptr<dpdk::Eal> eal;
    Cores cores;
    bool huge_pages = false;

    /// `arena_bytes` will be taken from huge pages, when there are enough of them.
    [[nodiscard]] static Result<Environment> start(const Arguments& arguments, std::size_t arena_bytes);
};

}  // namespace sluice::bench
