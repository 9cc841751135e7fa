// The classes of differences between sluice and nf_conntrack, each explained in docs/divergences.md under its
// name. A difference must fall into exactly one; it may fall into no class only if it is a defect.
//
// Some are circumstances: there conntrack holds nothing against its windows, or other numbers than ours. They
// are asked first, in their order. The others are parted by the kind of segment, the state of the flow and
// what the two make of the segment; of those, one holds and no other.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "difference.hpp"

namespace sluice::differential {

struct Class {
    std::string_view name;
    std::string_view sentence;  ///< "nf_conntrack …"
    bool (*holds)(const Difference&);
    bool sluice_may_refuse = false;  ///< sluice may refuse what conntrack lets pass; never in honest traffic
};

[[nodiscard]] std::span<const Class> circumstances();

// One list for each kind of segment.
[[nodiscard]] std::span<const Class> classes_of_syn();
[[nodiscard]] std::span<const Class> classes_of_syn_ack();
[[nodiscard]] std::span<const Class> classes_of_rst();
[[nodiscard]] std::span<const Class> classes_of_opening();
[[nodiscard]] std::span<const Class> classes_of_windows();
[[nodiscard]] std::span<const Class> classes_of_closing();

/// The circumstance a difference falls into, or else all the other classes.
[[nodiscard]] std::vector<const Class*> classes_of(const Difference& difference);

}  // namespace sluice::differential
