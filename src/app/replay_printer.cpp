#include "app/replay_printer.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "app/output.hpp"

namespace sluice::app {

void DescriptorSink::write(std::string_view text) {
    constexpr std::size_t buffer_bytes = 1U << 20;
    buffer_ += text;
    if (every_line_ || buffer_.size() >= buffer_bytes) drain();
}

void DescriptorSink::drain() {
    std::string_view left = buffer_;
    while (!left.empty() && failure_ == 0) {
        const ssize_t written = ::write(descriptor_, left.data(), left.size());
        if (written >= 0)
            left.remove_prefix(static_cast<std::size_t>(written));
        else if (errno != EINTR)
            failure_ = errno;
    }
    buffer_.clear();
}

Status DescriptorSink::flush() {
    drain();
    if (failure_ != 0 && !reader_left()) return Error{output_fault(failure_)};
    return success();
}

void ReplayPrinter::judged(const Judgement& judgement) {
    ++totals_.packets;
    ++totals_.by_state[static_cast<std::size_t>(judgement.decision.state)];
    ++totals_.by_reason[static_cast<std::size_t>(judgement.decision.reason)];
    const Frame& frame = *judgement.frame;
    if (judgement.decision.action == pipeline::Action::pass) {
        ++totals_.passed;
        if (writer_ != nullptr) writer_->write(frame.first, frame.length, frame.nanoseconds);
    }
    line_.clear();
    if (json_)
        append_json(line_, judgement);
    else
        human_.append(line_, judgement);
    const std::string_view line(line_.data(), line_.size());
    if (ordered_.waiting() && ordered_.decide(frame.number, line)) return;
    ordered_.line(line);
}

std::string summary_of(const ReplayTotals& totals, std::uint64_t flows) {
    std::string out = fmt::format("{} packet{}, {} flow{}: ", totals.packets, totals.packets == 1 ? "" : "s",
                                  flows, flows == 1 ? "" : "s");
    for (std::size_t i = 0; i < totals.by_state.size(); ++i)
        out += fmt::format("{}{} {}", i == 0 ? "" : ", ", totals.by_state[i],
                           pipeline::name_of(static_cast<pipeline::CtState>(i)));
    out += fmt::format("; {} passed, {} dropped\n", totals.passed, totals.packets - totals.passed);
    for (std::size_t i = 1; i < reason_count; ++i) {
        if (totals.by_reason[i] == 0) continue;
        const ReasonText& reason = reason_texts[i];
        out += fmt::format("{:>8} {:<20} {}\n", totals.by_reason[i], reason.name, reason.sentence);
    }
    return out;
}

}  // namespace sluice::app
