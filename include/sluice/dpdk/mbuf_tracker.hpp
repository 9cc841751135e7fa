// The tracker over mbufs: the one that the daemon runs.
#pragma once

#include "sluice/dpdk/mbuf_io.hpp"
#include "sluice/pipeline/tracker.hpp"

// Compiled once, in src/dpdk/mbuf_tracker.cpp.
extern template class sluice::pipeline::Tracker<sluice::dpdk::MbufIo>;

namespace sluice::dpdk {

using MbufTracker = pipeline::Tracker<MbufIo>;

}  // namespace sluice::dpdk
