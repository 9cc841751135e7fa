// DPDK starts once a process: here, without huge pages, so that neither root nor preparation is needed.
#include <gtest/gtest.h>

#include <iostream>

#include "dpdk/eal.hpp"

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    sluice::dpdk::EalRequest request;
    request.processors = {0, 0, 0, 0};
    request.huge_pages = false;
    request.megabytes = 256;
    std::unique_ptr<sluice::dpdk::Eal> eal;
    {
        const sluice::dpdk::Hush hush(false);
        auto started = sluice::dpdk::Eal::start(request);
        if (started) {
            eal = std::move(*started);
            eal->quiet();
        } else {
            std::cerr << started.error() << '\n';
        }
    }
    if (eal == nullptr) return 1;
    return RUN_ALL_TESTS();
}
