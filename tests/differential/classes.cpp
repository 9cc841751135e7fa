#include "classes.hpp"

namespace sluice::differential {

std::vector<const Class*> classes_of(const Difference& difference) {
    for (const Class& one : circumstances())
        if (one.holds(difference)) return {&one};
    std::vector<const Class*> out;
    for (const auto list : {classes_of_syn(), classes_of_syn_ack(), classes_of_rst(), classes_of_opening(),
                            classes_of_windows(), classes_of_closing()})
        for (const Class& one : list)
            if (one.holds(difference)) out.push_back(&one);
    return out;
}

}  // namespace sluice::differential
