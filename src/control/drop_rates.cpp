#include "drop_rates.hpp"

namespace sluice::control {

ReasonSums reason_sums(const Workers& workers) {
    ReasonSums out{};
    for (const WorkerHandle& worker : workers.all)
        for (std::size_t i = 0; i < reason_count; ++i) out[i] += worker.counters->reasons[i].read();
    return out;
}

void DropRates::look(const Workers& workers, Tick now) {
    if (has_looked_ && now - last_.at < ticks_per_second) return;
    const Look look{reason_sums(workers), now};
    before_ = has_looked_ ? last_ : look;
    last_ = look;
    has_looked_ = true;
}

ReasonSums DropRates::rates(const ReasonSums& sums, Tick now) const {
    ReasonSums out{};
    const Tick passed = now - before_.at;
    if (!has_looked_ || passed == 0) return out;
    for (std::size_t i = 0; i < reason_count; ++i)
        out[i] = ((sums[i] - before_.sums[i]) * ticks_per_second + passed / 2) / passed;
    return out;
}

}  // namespace sluice::control
