// Takes the judgements of a replay and makes of them: lines on standard output in the order of the input, the
// capture of --write, and the summary.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/replay_engine.hpp"
#include "app/replay_format.hpp"
#include "app/replay_order.hpp"
#include "app/replay_writer.hpp"
#include "sluice/base/result.hpp"

namespace sluice::app {

/// A file descriptor with a large buffer. After the first failed write nothing more is written.
class DescriptorSink : public LineSink {
  public:
    /// `every_line`: hand over each line at once, for somebody who watches.
    DescriptorSink(int descriptor, bool every_line) : descriptor_(descriptor), every_line_(every_line) {}
    void write(std::string_view text) override;
    /// Writes what is buffered; the error names the first failure of all. That the reader left is none.
    [[nodiscard]] Status flush();
    [[nodiscard]] bool failed() const { return failure_ != 0; }
    /// The descriptor is a pipe that nobody reads any more.
    [[nodiscard]] bool reader_left() const { return failure_ == EPIPE; }

  private:
    void drain();

    int descriptor_;
    bool every_line_;
    int failure_ = 0;  ///< errno
    std::string buffer_;
};

/// What a replay adds up to.
struct ReplayTotals {
    std::uint64_t packets = 0;
    std::uint64_t passed = 0;
    std::array<std::uint64_t, 5> by_state{};  ///< by pipeline::CtState
    std::array<std::uint64_t, reason_count> by_reason{};
};

class ReplayPrinter : public JudgementSink {
  public:
    /// `style` is null for JSON. `writer` may be null.
    ReplayPrinter(LineSink& lines, const HumanLines::Style* style, CaptureWriter* writer)
        : ordered_(lines),
          json_(style == nullptr),
          human_(style ? *style : HumanLines::Style{}),
          writer_(writer) {}

    void judged(const Judgement& judgement) override;
    void held(const Frame& frame) override { ordered_.hold(frame.number); }

    [[nodiscard]] const ReplayTotals& totals() const { return totals_; }
    /// Fails when lines that had to wait could not be kept.
    [[nodiscard]] Status status() const { return ordered_.status(); }

  private:
    OrderedLines ordered_;
    bool json_;
    HumanLines human_;
    CaptureWriter* writer_;
    TextBuffer line_;
    ReplayTotals totals_;
};

/// Several lines: packets, flows, verdicts, then a line for each reason met.
[[nodiscard]] std::string summary_of(const ReplayTotals& totals, std::uint64_t flows);

}  // namespace sluice::app
