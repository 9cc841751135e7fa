// Differences over states and timeouts of open, closing and closed flows that no window decides.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool both_accept(const Difference& d) {
    return is_plain(d) && accepts(d.ours) && accepts(d.kernels) && !d.kernels.overshoots &&
           before(d) != State::syn_sent2 && !(before(d) == State::syn_recv && from_syn_rcvd(d));
}
bool moves_differently(const Difference& d) {
    return both_accept(d) && closing(before(d)) && (d.what & differs_state) != 0;
}
bool stays_open(const Difference& d) {
    return both_accept(d) && after(d.ours) == State::established && after(d.kernels) == State::established;
}

constexpr std::array list_of_closing{
    Class{"any-ack-moves", "moves a closing flow by any ACK, of the FIN or not, from either side",
          [](const Difference& d) { return moves_differently(d) && !is_fin(d); }},
    Class{"fin-again-moves",
          "moves a closing flow by a FIN that comes again, and by the second FIN whatever it acknowledges",
          [](const Difference& d) { return moves_differently(d) && is_fin(d); }},
    Class{"tolerated-fin-acknowledged",
          "does not take a FIN it ignored for one when the peer acknowledges it",
          [](const Difference& d) {
              return both_accept(d) && !closing(before(d)) && closing(after(d.ours)) &&
                     (d.what & differs_state) != 0;
          }},
    Class{"assured-while-closing", "does not make a flow assured by a FIN, or after one",
          [](const Difference& d) {
              return both_accept(d) && only(d, differs_assured) && d.ours.entry->assured &&
                     closing(after(d.ours));
          }},
    Class{"duplicate-acks-cut-timeout", "counts duplicate ACKs and keepalives as retransmissions",
          [](const Difference& d) {
              return stays_open(d) && only(d, differs_timeout) &&
                     d.ours.entry->timeout > d.kernels.entry->timeout &&
                     repeated_in_a_row(d) >= d.settings.max_retrans;
          }},
    Class{"retransmitted-data", "counts as a retransmission only the same segment, several times in a row",
          [](const Difference& d) {
              return stays_open(d) && only(d, differs_timeout) &&
                     d.ours.entry->timeout < d.kernels.entry->timeout &&
                     d.sight.lifetime == Lifetime::max_retrans;
          }},
    Class{"unacknowledged-data",
          "tells by what came last whether data is unacknowledged, and not by all that was sent and "
          "acknowledged",
          [](const Difference& d) {
              const bool ours_shorter = d.ours.entry && d.ours.entry->timeout < d.kernels.entry->timeout;
              return stays_open(d) && only(d, differs_timeout) &&
                     (ours_shorter ? d.sight.lifetime == Lifetime::unacknowledged
                                   : repeated_in_a_row(d) < d.settings.max_retrans);
          }},
    Class{"after-rst", "checks windows and renews the timeout after a RST",
          [](const Difference& d) {
              return (is_rst(d) || is_plain(d)) && before(d) == State::close &&
                     reason(d) == Reason::after_close &&
                     (refuses(d.kernels) || only(d, differs_timeout | differs_treatment));
          }},
};

}  // namespace

std::span<const Class> classes_of_closing() {
    return list_of_closing;
}

}  // namespace sluice::differential
