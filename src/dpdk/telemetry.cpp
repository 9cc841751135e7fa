#include "sluice/dpdk/telemetry.hpp"

#include <rte_telemetry.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <mutex>
#include <string_view>

namespace sluice::dpdk {
namespace {

/// DPDK's commands are functions without an argument of ours: what they answer from is one for the process.
struct Published {
    std::mutex mutex;
    std::shared_ptr<const TelemetryAnswers> answers;
};
Published& published() {
    static Published one;
    return one;
}
std::shared_ptr<const TelemetryAnswers> published_now() {
    const std::scoped_lock lock(published().mutex);
    return published().answers;
}

constexpr int refused = -1;

int show(const TelemetryNumbers& numbers, rte_tel_data* out) {
    rte_tel_data_start_dict(out);
    const std::size_t shown = std::min<std::size_t>(numbers.size(), RTE_TEL_MAX_DICT_ENTRIES);
    for (std::size_t i = 0; i < shown; ++i)
        rte_tel_data_add_dict_u64(out, numbers[i].first.c_str(), numbers[i].second);
    return 0;
}

template <TelemetryNumbers TelemetryAnswers::*numbers>
int show_all(const char*, const char*, rte_tel_data* out) {
    const auto answers = published_now();
    return answers == nullptr ? refused : show((*answers).*numbers, out);
}

/// Without a number the numbers that there are, as DPDK's own commands for lists do.
int show_workers(const char*, const char* parameters, rte_tel_data* out) {
    const auto answers = published_now();
    if (answers == nullptr) return refused;
    const auto& workers = answers->workers;
    const std::string_view wanted = parameters == nullptr ? "" : parameters;
    if (wanted.empty()) {
        rte_tel_data_start_array(out, RTE_TEL_INT_VAL);
        for (std::size_t i = 0; i < workers.size(); ++i) rte_tel_data_add_array_int(out, static_cast<int>(i));
        return 0;
    }
    std::size_t worker = 0;
    const auto read = std::from_chars(wanted.data(), wanted.data() + wanted.size(), worker);
    if (read.ec != std::errc{} || read.ptr != wanted.data() + wanted.size() || worker >= workers.size())
        return refused;
    return show(workers[worker], out);
}

}  // namespace

bool asks_for_telemetry(const std::vector<std::string>& eal_arguments) {
    bool asked = false;
    for (const std::string& word : eal_arguments) {
        if (word == "--telemetry") asked = true;
        if (word == "--no-telemetry") asked = false;
    }
    return asked;
}

Status register_telemetry() {
    const struct {
        const char* name;
        telemetry_cb answer;
        const char* help;
    } commands[] = {
        {"/sluice/stats", show_all<&TelemetryAnswers::stats>, "What all workers counted together."},
        {"/sluice/drops", show_all<&TelemetryAnswers::drops>, "Packets refused or dropped, by reason."},
        {"/sluice/floods", show_all<&TelemetryAnswers::floods>, "What the guard counted; empty without one."},
        {"/sluice/workers", show_workers, "The workers; what one counted. Parameters: int worker"},
    };
    for (const auto& command : commands)
        if (const int failed = rte_telemetry_register_cmd(command.name, command.answer, command.help);
            failed != 0)
            return Error{std::string("DPDK's telemetry does not take the command ") + command.name + ": " +
                         std::strerror(-failed)};
    return success();
}

void publish_telemetry(std::shared_ptr<const TelemetryAnswers> answers) {
    const std::scoped_lock lock(published().mutex);
    published().answers = std::move(answers);
}

}  // namespace sluice::dpdk
