#include "judgement.hpp"

#include <sstream>

namespace sluice::differential {

unsigned difference(const Step& step, const Judgement& ours, const Judgement& kernels) {
    unsigned out = ours.verdict != kernels.verdict ? differs_verdict : 0U;
    // A repeated SYN or SYN,ACK teaches neither anything, whatever they call it; nor does what follows a RST.
    const bool syn = step.tcp.size() > flags_at && (step.tcp[flags_at] & tcp::Flag::syn) != 0;
    const bool closed = ours.entry && ours.entry->state == State::close;
    const bool taught =
        kernels.treatment == Treatment::accepted || (ours.treatment == Treatment::accepted && !syn);
    if (ours.treatment != kernels.treatment && taught && !closed) out |= differs_treatment;
    if (ours.entry.has_value() != kernels.entry.has_value()) return out | differs_presence;
    if (!ours.entry) return out;
    const Entry& a = *ours.entry;
    const Entry& b = *kernels.entry;
    if (a.state != b.state) out |= differs_state;
    if (a.assured != b.assured) out |= differs_assured;
    if (a.originator != b.originator) out |= differs_originator;
    if (b.timeout != a.timeout && b.timeout + 1 != a.timeout) out |= differs_timeout;
    return out;
}

std::string describe(const Judgement& judgement) {
    std::ostringstream out;
    out << name_of(judgement.verdict);
    if (judgement.treatment == Treatment::tolerated) out << " (" << name_of(judgement.treatment) << ")";
    if (judgement.entry) {
        const Entry& entry = *judgement.entry;
        out << ' ' << name_of(entry.state) << ' ' << entry.timeout << (entry.assured ? " assured" : "")
            << (entry.originator == End::b ? " (B originator)" : "");
    } else {
        out << " no entry";
    }
    if (!judgement.why.empty()) out << " [" << judgement.why << "]";
    return out.str();
}

}  // namespace sluice::differential
