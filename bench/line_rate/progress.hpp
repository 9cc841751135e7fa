// A line on standard error that says how far the run has come, when that is a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "app/progress.hpp"

namespace sluice::bench {

class ProgressLine {
  public:
    /// What is going on from now on: "established: tracker, round 2 of 5".
    void begin(const std::string& what);
    /// Packets that the box has taken and given since begin().
    void show(std::uint64_t sent, std::uint64_t received, std::uint64_t completed);

  private:
    app::StatusLine line_;
    std::string what_;
    std::uint64_t began_ = 0, shown_at_ = 0, sent_ = 0, received_ = 0;
};

}  // namespace sluice::bench
