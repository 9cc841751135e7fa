// Differences that come from how the flow began, from a setting, or from where numbers lie.
#include <array>

#include "classes.hpp"
#include "facts.hpp"

namespace sluice::differential {
namespace {

bool in_connection(const Difference& d) {
    return is_plain(d) && !one_of(before(d), State::none, State::syn_sent, State::syn_sent2, State::close);
}
bool treated_differently(const Difference& d) {
    return d.ours.treatment != d.kernels.treatment;
}

constexpr std::array list{
    Class{"urgent-with-rst-or-syn-ack", "refuses URG together with RST or with SYN,ACK",
          [](const Difference& d) {
              return urgent(d) && refuses(d.kernels) &&
                     (kind(d) == FlagClass::rst || kind(d) == FlagClass::rst_ack ||
                      kind(d) == FlagClass::syn_ack);
          }},
    Class{"sack-on-syn-ack", "holds a SACK block on a SYN,ACK against what was sent",
          [](const Difference& d) {
              return is_syn_ack(d) && d.sight.segment.has_sack && accepts(d.ours) && !accepts(d.kernels);
          }},
    Class{"simultaneous-open-by-acks", "does not finish a simultaneous open by plain ACKs",
          [](const Difference& d) {
              return is_plain(d) &&
                     (before(d) == State::syn_sent2 ||
                      (before(d) == State::syn_recv && opened_simultaneously(d) && accepts(d.ours)));
          },
          true},
    Class{"picked-up-unchecked", "never checks the windows of a flow picked up in mid-stream",
          [](const Difference& d) {
              return in_connection(d) && !accepts(d.ours) && accepts(d.kernels) && began_in_mid_stream(d);
          },
          true},
    Class{"be-liberal-learns", "learns from segments outside the window when be_liberal is on",
          [](const Difference& d) {
              return in_connection(d) && !accepts(d.ours) && accepts(d.kernels) && d.settings.be_liberal;
          }},
    Class{"half-circle",
          "has other edges, so that a number half the circle away is behind for one and ahead for the other",
          [](const Difference& d) {
              return !is_rst(d) && before(d) != State::close && half_the_circle_away(d) &&
                     treated_differently(d);
          },
          true},
    Class{"several-syns",
          "takes numbers, window and options from the last SYN of a side, or from its first SYN,ACK",
          [](const Difference& d) {
              return in_connection(d) && several_syns(d) && reason(d) != Reason::ack_not_of_syn &&
                     (treated_differently(d) ||
                      (before(d) == State::syn_recv && (d.what & differs_state) != 0));
          },
          true},
};

}  // namespace

std::span<const Class> circumstances() {
    return list;
}

}  // namespace sluice::differential
