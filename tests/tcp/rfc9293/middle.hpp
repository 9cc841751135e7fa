// What one can know in the middle: from the segments that passed alone, every world they may have come from.
#pragma once

#include <set>
#include <vector>

#include "world.hpp"

namespace sluice::rfc9293 {

class Middle {
  public:
    /// `worlds` are those that may be before anything passed; their allowances bound what is thought possible
    /// between two segments.
    explicit Middle(std::vector<World> worlds) : worlds_(std::move(worlds)) {}

    /// A segment from A (0) or B (1) passes. False when no two correct endpoints could have made it pass: it
    /// is then as if it had not.
    bool pass(int sender, const Segment& segment);
    /// Whether `pass` would be true.
    [[nodiscard]] bool possible(int sender, const Segment& segment) const;

    /// Where both may stand once everything that passed is delivered, given that neither did anything that
    /// has yet to pass: the worlds in which the fewest segments were said in vain. Never empty.
    [[nodiscard]] std::set<Standing> standings() const;
    [[nodiscard]] std::size_t worlds() const { return worlds_.size(); }

  private:
    [[nodiscard]] std::vector<World> after(int sender, const Segment& segment) const;
    std::vector<World> worlds_;
};

}  // namespace sluice::rfc9293
