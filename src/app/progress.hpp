// How far long work has come: a line on standard error, when that is a terminal, which goes away again.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::app {

/// A line that is written over and over, and taken away at the end. Does nothing where standard error is no
/// terminal.
class StatusLine {
  public:
    StatusLine();
    ~StatusLine() { clear(); }
    StatusLine(const StatusLine&) = delete;
    StatusLine& operator=(const StatusLine&) = delete;

    [[nodiscard]] bool possible() const { return possible_; }
    /// As much of it as the terminal is wide.
    void show(std::string_view text);
    void clear();

  private:
    bool possible_, shown_ = false;
};

/// "what  [=====>     ]  42 %, 420 of 1,000 flows, 3 s left"; without a total what is done so far. At most
/// `width` characters.
[[nodiscard]] std::string progress_text(std::string_view what, std::string_view unit, std::uint64_t done,
                                        std::uint64_t total, double seconds, std::size_t width);

/// Work that goes on for long. What is over within a second shows nothing.
class Progress {
  public:
    enum class Output : std::uint8_t {
        elsewhere,  ///< the work prints nothing meanwhile
        rows  ///< it does, to standard output: where that is a terminal too, the rows are all that is seen
    };
    /// `unit`: "flows", "bytes". A `total` of 0: nobody knows.
    Progress(std::string what, std::string unit, std::uint64_t total, Output output);

    /// Whether anything is to be seen: there is a terminal for it.
    [[nodiscard]] bool possible() const { return possible_; }
    void set_total(std::uint64_t total) { total_ = total; }
    /// So much is done. Cheap as often as it is called: looks at the clock every so many calls.
    void at(std::uint64_t done) {
        if (possible_ && calls_++ % calls_a_look == 0) look(done);
    }
    /// The same for work that says so seldom: every time.
    void now_at(std::uint64_t done) {
        if (possible_) look(done);
    }
    /// Takes the line away.
    void end() { line_.clear(); }

  private:
    static constexpr std::uint32_t calls_a_look = 64;
    using Clock = std::chrono::steady_clock;
    void look(std::uint64_t done);

    StatusLine line_;
    bool possible_;
    std::string what_, unit_;
    std::uint64_t total_;
    std::uint32_t calls_ = 0;
    Clock::time_point began_, shown_;
};

}  // namespace sluice::app
