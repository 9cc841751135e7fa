#include "tracker_box.hpp"

template class sluice::pipeline::Tracker<sluice::dpdk::MbufIo>;
