// Differences over a SYN,ACK.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool simultaneous(const Difference& d) {
    return before(d) == State::syn_sent2 || (before(d) == State::syn_recv && from_originator(d)) ||
           (before(d) == State::syn_recv && d.sight.flow && pair(d) == tcp::Pair::syn_rcvd__established);
}

constexpr std::array list_of_syn_ack{
    Class{"syn-ack-of-originator", "refuses every SYN,ACK of the originator but in an opening flow",
          [](const Difference& d) {
              return is_syn_ack(d) && from_originator(d) &&
                     !one_of(before(d), State::syn_recv, State::syn_sent2) && passes(d.ours) &&
                     refuses(d.kernels);
          }},
    Class{"syn-ack-not-of-syn",
          "believes a SYN,ACK that acknowledges up to 66,000 too little, and refuses others",
          [](const Difference& d) {
              return is_syn_ack(d) && from_responder(d) && before(d) == State::syn_sent &&
                     reason(d) == Reason::ack_not_of_syn && !tolerates(d.kernels);
          }},
    Class{"answer-not-believed",
          "does not believe the right SYN,ACK (or crossing SYN): a refused RST spoilt it, or a redial with a "
          "lower ISN",
          [](const Difference& d) {
              return (is_syn_ack(d) || is_syn(d)) && from_responder(d) && before(d) == State::syn_sent &&
                     accepts(d.ours) && after(d.kernels) == State::syn_sent;
          }},
    Class{"syn-ack-repeated", "does not renew the timeout for a SYN,ACK that comes again",
          [](const Difference& d) {
              return is_syn_ack(d) && from_responder(d) && before(d) == State::syn_recv && !simultaneous(d) &&
                     accepts(d.ours) && tolerates(d.kernels) && only(d, differs_timeout);
          }},
    Class{"simultaneous-open-by-syn-acks",
          "holds the SYN,ACKs of a simultaneous open against windows, not against the SYNs, and needs an ACK "
          "to finish",
          [](const Difference& d) { return is_syn_ack(d) && simultaneous(d); }},
    Class{"syn-remembered", "remembers a SYN only until the next segment",
          [](const Difference& d) {
              return is_syn_ack(d) &&
                     !one_of(before(d), State::syn_sent, State::syn_recv, State::syn_sent2, State::close) &&
                     accepts(d.ours) && after(d.ours) == State::syn_recv && after(d.kernels) == before(d) &&
                     !simultaneous(d) && tolerates(d.kernels) && from_responder(d);
          }},
    Class{"own-syn-ack-again-late",
          "begins an open connection anew when its own SYN and SYN,ACK come again late",
          [](const Difference& d) {
              return is_syn_ack(d) &&
                     !one_of(before(d), State::syn_sent, State::syn_recv, State::syn_sent2, State::close) &&
                     after(d.ours) == before(d) && accepts(d.kernels) && after(d.kernels) == State::syn_recv;
          }},
    Class{"syn-ack-after-rst",
          "does not let the SYN,ACK of the last SYN reopen a closed flow, or lets another",
          [](const Difference& d) {
              return is_syn_ack(d) && before(d) == State::close && from_responder(d) &&
                     (d.what & differs_state) != 0;
          }},
};

}  // namespace

std::span<const Class> classes_of_syn_ack() {
    return list_of_syn_ack;
}

}  // namespace sluice::differential
