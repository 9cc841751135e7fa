// Differences over a SYN.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

constexpr std::array list_of_syn{
    Class{"syn-of-responder", "refuses a SYN of the responder once the SYN,ACK has passed",
          [](const Difference& d) {
              return is_syn(d) && from_responder(d) && passes(d.ours) && refuses(d.kernels) &&
                     !d.sight.reopens && !one_of(before(d), State::syn_sent, State::syn_sent2);
          }},
    Class{"syn-after-rst", "does not let a SYN open a new flow after a RST",
          [](const Difference& d) {
              return is_syn(d) && before(d) == State::close && d.sight.reopens &&
                     after(d.kernels) == State::close;
          }},
    Class{"old-syn-overtakes", "believes an old SYN that overtakes a newer one",
          [](const Difference& d) {
              return is_syn(d) && before(d) == State::syn_sent && from_originator(d) &&
                     reason(d) == Reason::old_syn && accepts(d.kernels);
          }},
    Class{"syn-renews", "renews the timeout of SYN_SENT for other SYNs than sluice does",
          [](const Difference& d) {
              return is_syn(d) && before(d) == State::syn_sent && accepts(d.ours) && passes(d.kernels) &&
                     only(d, differs_timeout | differs_treatment);
          }},
    Class{"reuse-in-simultaneous-close",
          "lets a SYN take over TIME_WAIT while one end still waits for the ACK of its FIN",
          [](const Difference& d) {
              return is_syn(d) && before(d) == State::time_wait && reason(d) == Reason::syn_in_connection &&
                     accepts(d.kernels);
          }},
    Class{"another-syn-in-simultaneous-open",
          "begins a side anew with every SYN in SYN_SENT2, or refuses it by its numbers",
          [](const Difference& d) {
              return is_syn(d) && before(d) == State::syn_sent2 &&
                     only(d, differs_verdict | differs_treatment | differs_timeout);
          }},
};

}  // namespace

std::span<const Class> classes_of_syn() {
    return list_of_syn;
}

}  // namespace sluice::differential
