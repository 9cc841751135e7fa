// What DPDK's telemetry socket is to answer, from what the control thread may read.
#pragma once

#include <memory>

#include "sluice/control/workers.hpp"
#include "sluice/dpdk/telemetry.hpp"

namespace sluice::app {

[[nodiscard]] std::shared_ptr<const dpdk::TelemetryAnswers> telemetry_answers(
    const control::Workers& workers);

}  // namespace sluice::app
