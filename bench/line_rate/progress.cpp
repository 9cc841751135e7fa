#include "line_rate/progress.hpp"

#include <fmt/format.h>
#include <rte_cycles.h>

namespace sluice::bench {

void ProgressLine::begin(const std::string& what) {
    what_ = what;
    began_ = shown_at_ = rte_rdtsc();
    sent_ = received_ = 0;
}

void ProgressLine::show(std::uint64_t sent, std::uint64_t received, std::uint64_t completed) {
    if (!line_.possible()) return;
    const std::uint64_t now = rte_rdtsc();
    const auto seconds = [](std::uint64_t cycles) {
        return static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz());
    };
    const double since = seconds(now - shown_at_);
    const auto millions = [&](std::uint64_t more) { return static_cast<double>(more) / since * 1e-6; };
    std::string text =
        fmt::format("{}: {:.1f} s, {:.2f} M packets/s in, {:.2f} out", what_, seconds(now - began_),
                    millions(sent - sent_), millions(received - received_));
    if (completed != 0) text += fmt::format(", {} conversations", completed);
    line_.show(text);
    shown_at_ = now;
    sent_ = sent;
    received_ = received;
}

}  // namespace sluice::bench
