#include "app/configuration_faults.hpp"

#include <algorithm>
#include <tuple>

namespace sluice::app {
namespace {

constexpr std::size_t most_shown = 50;

}  // namespace

void Faults::add(const Source& source, std::string_view key, std::string sentence) {
    ++found_;
    if (!full()) faults_.push_back({source, printable(key), std::move(sentence)});
}

bool Faults::full() const {
    return faults_.size() >= most_shown;
}

bool Faults::names(std::string_view key) const {
    return std::any_of(faults_.begin(), faults_.end(), [&](const Fault& fault) { return fault.key == key; });
}

std::string Faults::text() const {
    std::vector<Fault> sorted = faults_;
    const auto order = [](const Fault& fault) {
        return std::tuple(fault.source.is_override, fault.source.at.line, fault.source.at.column);
    };
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const Fault& a, const Fault& b) { return order(a) < order(b); });
    std::string out;
    for (const Fault& fault : sorted) {
        if (!out.empty()) out += '\n';
        if (fault.source.is_override) {
            out += "--set " + printable(fault.source.override_text) + ": ";
        } else {
            // What is missing from a file has no place of its own: the start stands for it.
            out += file_ + ':' + std::to_string(std::max(1U, fault.source.at.line)) + ':' +
                   std::to_string(std::max(1U, fault.source.at.column)) + ": ";
            if (!fault.key.empty()) out += fault.key + ": ";
        }
        out += fault.sentence;
    }
    if (found_ > sorted.size()) out += "\nand " + std::to_string(found_ - sorted.size()) + " more";
    return out;
}

}  // namespace sluice::app
