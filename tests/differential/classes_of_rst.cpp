// Differences over a RST.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool ours_closes(const Difference& d) {
    return accepts(d.ours) && after(d.ours) == State::close;
}
bool kernel_ends(const Difference& d) {
    return accepts(d.kernels) && one_of(after(d.kernels), State::close, State::none);
}

constexpr std::array list_of_rst{
    Class{"rst-ends-unanswered-flow", "forgets a flow without reply at a RST at once",
          [](const Difference& d) {
              return is_rst(d) && ours_closes(d) && accepts(d.kernels) && !d.kernels.entry;
          }},
    Class{"rst-in-syn-sent",
          "ends a flow in SYN_SENT by a RST that does not acknowledge the SYN, or refuses that RST",
          [](const Difference& d) {
              return is_rst(d) && before(d) == State::syn_sent && !ours_closes(d) &&
                     (kernel_ends(d) || (passes(d.ours) && refuses(d.kernels)));
          },
          true},
    Class{"rst-closes-unproven-flow", "closes a flow that is opening, closing or not assured by any RST",
          [](const Difference& d) {
              return is_rst(d) && !one_of(before(d), State::syn_sent, State::close) && !ours_closes(d) &&
                     kernel_ends(d) && !(before(d) == State::established && d.before->assured);
          },
          true},
    Class{"rst-behind-last-segment",
          "closes by a RST right behind its sender's last segment, or at the last acknowledgement",
          [](const Difference& d) {
              return is_rst(d) && before(d) == State::established && d.before->assured && !ours_closes(d) &&
                     kernel_ends(d);
          },
          true},
    Class{"rst-inexact-moves", "cuts the timeout to 10 s, and moves the window, at a RST that is not exact",
          [](const Difference& d) {
              return is_rst(d) && before(d) != State::close && !ours_closes(d) && passes(d.kernels) &&
                     !kernel_ends(d);
          },
          true},
    Class{"rst-exact-not-believed",
          "holds an exact RST against its windows, its acknowledgement and its sender's last segment",
          [](const Difference& d) {
              return is_rst(d) && before(d) != State::close && ours_closes(d) &&
                     after(d.kernels) == before(d);
          }},
    Class{"rst-old", "refuses a RST below what its receiver acknowledged",
          [](const Difference& d) {
              return is_rst(d) && !one_of(before(d), State::syn_sent, State::close) && !ours_closes(d) &&
                     reason(d) == Reason::rst_old && refuses(d.kernels);
          }},
    Class{"rst-acknowledgement",
          "refuses a RST in the window by its acknowledgement, or by windows it took over from a SYN",
          [](const Difference& d) {
              return is_rst(d) && !one_of(before(d), State::syn_sent, State::close) && passes(d.ours) &&
                     reason(d) == Reason::rst_inexact && refuses(d.kernels);
          }},
    Class{"ignore-invalid-rst",
          "refuses a RST beyond the window even with ignore_invalid_rst, which is about old ones",
          [](const Difference& d) {
              return is_rst(d) && !one_of(before(d), State::syn_sent, State::close) && tolerates(d.ours) &&
                     reason(d) == Reason::rst_out_of_window && refuses(d.kernels);
          }},
};

}  // namespace

std::span<const Class> classes_of_rst() {
    return list_of_rst;
}

}  // namespace sluice::differential
