#include "sluice/flow/table_config.hpp"

#include <string>

namespace sluice::flow {

Status check(const TableConfig& config) {
    const auto out_of_range = [](const std::string& what, std::uint64_t value, std::uint64_t low,
                                 std::uint64_t high) {
        return Error{what + " is " + std::to_string(value) + "; it must lie between " + std::to_string(low) +
                     " and " + std::to_string(high)};
    };
    if (config.capacity < 1 || config.capacity > max_capacity) {
        return out_of_range("the flow table's capacity", config.capacity, 1, max_capacity);
    }
    if (config.lifetimes < 1 || config.lifetimes > max_lifetimes) {
        return out_of_range("the flow table's number of lifetimes", config.lifetimes, 1, max_lifetimes);
    }
    for (unsigned i = 0; i < config.lifetimes; ++i) {
        const std::string which = " of lifetime " + std::to_string(i);
        if (config.eviction_class[i] >= max_classes) {
            return out_of_range("the eviction class" + which, config.eviction_class[i], 0, max_classes - 1);
        }
        if (config.interval[i] < 1 || config.interval[i] > max_interval) {
            return out_of_range("the timeout in ticks" + which, config.interval[i], 1, max_interval);
        }
    }
    return success();
}

}  // namespace sluice::flow
