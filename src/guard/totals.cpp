#include "sluice/guard/totals.hpp"

#include <algorithm>

namespace sluice::guard {

std::vector<ServiceSums> sum_services(std::span<const std::span<const ServiceCounters>> workers) {
    std::vector<ServiceSums> out(workers.empty() ? 0 : workers[0].size());
    for (std::size_t service = 0; service < out.size(); ++service) {
        ServiceSums& sums = out[service];
        std::uint64_t newest = 0;
        for (const auto& counters : workers) {
            const ServiceCounters& one = counters[service];
            sums.syns += one.syns.read();
            sums.answered += one.answered.read();
            sums.completed += one.completed.read();
            sums.refused += one.refused.read();
            sums.reset += one.reset.read();
            sums.limited += one.limited.read();
            sums.half_open += one.half_open.read();
            newest = std::max(newest, one.window.read());
        }
        DistinctEstimate estimate;
        for (const auto& counters : workers)
            if (counters[service].window.read() == newest) counters[service].sources.merge_into(estimate);
        sums.distinct_sources = estimate.sources();
    }
    return out;
}

std::vector<LoudSource> merge_sources(std::span<const SourceSketch* const> workers) {
    std::vector<LoudSource> out;
    for (const SourceSketch* worker : workers) {
        std::array<LoudSource, SourceSketch::most_loud> loud;
        out.insert(out.end(), loud.begin(), loud.begin() + worker->loud(loud));
    }
    std::sort(out.begin(), out.end(),
              [](const LoudSource& a, const LoudSource& b) { return a.source.word < b.source.word; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (kept != 0 && out[kept - 1].source == out[i].source) {
            out[kept - 1].count.syns += out[i].count.syns;
            out[kept - 1].count.completed += out[i].count.completed;
        } else {
            out[kept++] = out[i];
        }
    }
    out.resize(kept);
    std::sort(out.begin(), out.end(), [](const LoudSource& a, const LoudSource& b) {
        return std::pair(a.count.unfinished(), a.source.word) >
               std::pair(b.count.unfinished(), b.source.word);
    });
    return out;
}

}  // namespace sluice::guard
