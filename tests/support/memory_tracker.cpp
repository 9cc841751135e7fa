#include "memory_tracker.hpp"

template class sluice::pipeline::Tracker<sluice::pipeline::MemoryIo>;
