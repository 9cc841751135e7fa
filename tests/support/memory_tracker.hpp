// The tracker over packets in memory, as the tests use it.
#pragma once

#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"

// Compiled once, in memory_tracker.cpp: it takes longer to compile than the tests that use it.
extern template class sluice::pipeline::Tracker<sluice::pipeline::MemoryIo>;

namespace sluice::test {

using MemoryTracker = pipeline::Tracker<pipeline::MemoryIo>;

}  // namespace sluice::test
