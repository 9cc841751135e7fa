// Differences over an ACK, data or a FIN while a flow opens.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool in_syn_recv(const Difference& d) {
    return is_plain(d) && before(d) == State::syn_recv;
}

constexpr std::array list_of_opening{
    Class{"before-syn-ack", "refuses what overtakes the SYN,ACK",
          [](const Difference& d) {
              return is_plain(d) && before(d) == State::syn_sent && tolerates(d.ours) && refuses(d.kernels);
          }},
    Class{"third-segment-inexact",
          "finishes the handshake by an ACK that is not of the SYN,ACK, or refuses it",
          [](const Difference& d) {
              return in_syn_recv(d) && reason(d) == Reason::ack_not_of_syn && !accepts(d.ours);
          }},
    Class{"before-third-segment",
          "holds what comes before the third segment from the side that waits for it against the end of that "
          "side's own SYN",
          before_third_segment, true},
    Class{"redial-with-lower-isn", "does not see by the ACK that an older SYN was the newer",
          [](const Difference& d) {
              return is_plain(d) && before(d) == State::syn_sent && accepts(d.ours) && refuses(d.kernels);
          }},
};

}  // namespace

std::span<const Class> classes_of_opening() {
    return list_of_opening;
}

}  // namespace sluice::differential
