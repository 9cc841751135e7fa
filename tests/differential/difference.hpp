// A segment on which the judges differ, having agreed on everything before it.
#pragma once

#include <vector>

#include "judgement.hpp"
#include "sluice_judge.hpp"

namespace sluice::differential {

/// A segment both judges saw alike.
struct Past {
    Step step;
    Judgement judgement;  ///< ours; the kernel's is the same
};

struct Difference {
    const std::vector<Past>& past;
    const Step& step;
    const tcp::Settings& settings;
    const Judgement& ours;
    const Judgement& kernels;
    const Sight& sight;             ///< what our tracker knew before
    unsigned what;                  ///< Differs
    std::optional<Entry> before{};  ///< the flow before the segment, the same for both
};

}  // namespace sluice::differential
