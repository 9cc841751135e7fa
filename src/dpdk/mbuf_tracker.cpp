#include "sluice/dpdk/mbuf_tracker.hpp"

template class sluice::pipeline::Tracker<sluice::dpdk::MbufIo>;
