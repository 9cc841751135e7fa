// Puts lines back into the order of the input. Nearly every packet is decided at once; a fragment is held by
// the tracker until its datagram is, and meanwhile the lines of later packets wait behind it.
//
// What waits is a queue of held packets, each with the lines that follow it up to the next held packet:
//
//     held 17 [decided: line]  +  lines of 18, 19, 20   |   held 21 [not yet]  +  lines of 22 …
//
// From the front, whatever is complete goes out. A slow datagram in a fast capture may hold back a great many
// lines, so memory for them is bounded: beyond `memory_limit` they go to an unnamed temporary file and come
// back from there.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"

namespace sluice::app {

/// Where lines end up: standard output, or a string in tests.
class LineSink {
  public:
    LineSink() = default;
    LineSink(const LineSink&) = delete;
    LineSink& operator=(const LineSink&) = delete;
    virtual ~LineSink() = default;
    virtual void write(std::string_view text) = 0;
};

class OrderedLines {
  public:
    static constexpr std::size_t default_memory_limit = 64U << 20;

    explicit OrderedLines(LineSink& sink, std::size_t memory_limit = default_memory_limit)
        : sink_(sink), memory_limit_(memory_limit) {}

    /// The line of the packet that has just come in, decided at once.
    void line(std::string_view text);
    /// The packet that has just come in was not decided: its place is kept.
    void hold(std::uint64_t number);
    /// The line of a packet held before. False when no such packet is held.
    [[nodiscard]] bool decide(std::uint64_t number, std::string_view text);

    /// Whether anything waits for a packet that is held.
    [[nodiscard]] bool waiting() const { return !places_.empty(); }
    /// Packets held and not decided.
    [[nodiscard]] std::size_t held() const { return undecided_; }
    /// Fails when the temporary file could not be made, written or read.
    [[nodiscard]] Status status() const;

  private:
    struct Place {
        std::uint64_t number;
        bool decided = false;
        std::string text;     ///< its own line
        std::string after;    ///< lines behind it, in memory …
        long spilled_at = 0;  ///< … and those behind them, in the file
        std::size_t spilled = 0;
    };
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void release();
    void spill(Place& place, std::string_view text);
    void emit_spilled(const Place& place);

    LineSink& sink_;
    std::size_t memory_limit_;
    std::size_t waiting_bytes_ = 0;  ///< in memory
    std::size_t undecided_ = 0;
    std::deque<Place> places_;
    std::unique_ptr<std::FILE, Close> file_;
    std::string failure_;
};

}  // namespace sluice::app
