// Differences over the numbers of an ACK, data or a FIN once both SYNs have passed: who passes, and who
// learns.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool challenged(const Difference& d) {
    return is_plain(d) && before(d) == State::last_ack && tolerates(d.kernels) && syn_in_last_ack(d);
}
bool in_connection_past_its_opening(const Difference& d) {
    return is_plain(d) && !one_of(before(d), State::none, State::syn_sent, State::syn_sent2, State::close) &&
           (passes(d.ours) || passes(d.kernels)) && !before_third_segment(d) &&
           reason(d) != Reason::ack_not_of_syn && !challenged(d);
}
bool past_fin(const Difference& d) {
    return reason(d) == Reason::seq_after_window && tcp::fin_has_passed(pair(d), d.sight.direction) &&
           sluice::after(end_of(d), sender(d).end);
}

constexpr std::array list_of_windows{
    Class{"past-fin", "lets pass what lies behind its sender's FIN",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && past_fin(d) && passes(d.kernels);
          },
          true},
    Class{"old-duplicate-acknowledges-anything", "refuses an old duplicate by its acknowledgement",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && reason(d) == Reason::old_duplicate &&
                     refuses(d.kernels);
          }},
    Class{"fin-below-end", "takes a FIN that ends below what its sender has sent for its FIN",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && is_fin(d) && reason(d) == Reason::old_duplicate &&
                     accepts(d.kernels);
          }},
    Class{
        "window-grows", "lets the largest window grow with whatever overshoots it",
        [](const Difference& d) {
            return in_connection_past_its_opening(d) && passes(d.kernels) &&
                   ((!is_fin(d) && reason(d) == Reason::old_duplicate && accepts(d.kernels)) ||
                    (reason(d) == Reason::old_acknowledgement && accepts(d.kernels)) ||
                    (reason(d) == Reason::window_overshoot && accepts(d.kernels) && !d.kernels.overshoots) ||
                    (reason(d) == Reason::seq_after_window && !past_fin(d)));
        },
        true},
    Class{"overshoot-counts", "counts what overshoots the window as sent at once",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && reason(d) == Reason::window_overshoot &&
                     d.kernels.overshoots;
          }},
    Class{"overshoot-by-end", "measures how far a segment overshoots the window at its end",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && reason(d) == Reason::window_overshoot &&
                     refuses(d.kernels);
          }},
    Class{"offered-before", "forgets what a SYN offered once an ACK offers less",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) &&
                     ((accepts(d.ours) && d.kernels.overshoots) ||
                      (reason(d) == Reason::old_acknowledgement && refuses(d.kernels)));
          }},
    Class{"reaches-back-from-all-sent",
          "reaches one window back from all that was sent, and not from what was allowed",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && accepts(d.ours) && tolerates(d.kernels);
          }},
    Class{"answers-remembered-syn", "refuses what acknowledges a SYN believed by its receiver alone",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && reason(d) == Reason::before_syn_ack &&
                     !tolerates(d.kernels);
          }},
    Class{"acknowledges-tolerated", "refuses the acknowledgement of data it let pass",
          [](const Difference& d) {
              return in_connection_past_its_opening(d) && accepts(d.ours) && refuses(d.kernels);
          }},
    Class{"refused-lowers-timeout", "lowers the timeout to 300 s at a FIN or RST it refuses",
          [](const Difference& d) {
              return (is_plain(d) || is_rst(d)) && refuses(d.ours) && refuses(d.kernels) &&
                     only(d, differs_timeout) && d.kernels.entry->timeout < d.ours.entry->timeout;
          }},
    Class{"challenge-ack-passes", "lets any ACK pass after a SYN in LAST_ACK", challenged, true},
};

}  // namespace

std::span<const Class> classes_of_windows() {
    return list_of_windows;
}

}  // namespace sluice::differential
