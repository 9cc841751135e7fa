#include "sluice/tcp/explain.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "pending.hpp"
#include "sluice/base/words.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::tcp {
namespace {

/// How far `a` is ahead of `b`, or behind it, as a positive number.
std::string apart(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t ahead = a - b;
    return grouped(after(a, b) ? ahead : 0U - ahead);
}

std::string flag_names(std::uint8_t flags) {
    constexpr std::array<std::pair<Flag, const char*>, 4> named{
        {{Flag::syn, "SYN"}, {Flag::fin, "FIN"}, {Flag::rst, "RST"}, {Flag::ack, "ACK"}}};
    std::string out;
    for (const auto& [flag, name] : named)
        if ((flags & flag) != 0) out.append(out.empty() ? "" : "+").append(name);
    if (out.empty()) out.append("none of SYN, FIN, RST and ACK");
    return out;
}

std::string pair_names(Pair pair) {
    std::string out(name_of(text_of(pair).originator));
    return out.append(",").append(name_of(text_of(pair).responder));
}

/// The one place that knows what a sentence is made of.
class Sentence {
  public:
    Sentence(const Connection& before, const PendingSyn& pending, Direction direction, const Segment& segment,
             const Settings& settings)
        : connection_(before),
          pending_(before.pending_syn != 0 ? pending : PendingSyn{}),
          direction_(direction),
          segment_(segment),
          settings_(settings),
          span_(detail::span_of(before, direction, segment)) {}

    [[nodiscard]] std::string of(Reason reason) {
        switch (reason) {
            case Reason::old_duplicate:
                old_duplicate();
                break;
            case Reason::old_acknowledgement:
                old_acknowledgement();
                break;
            case Reason::window_overshoot:
            case Reason::seq_after_window:
                beyond_window(reason);
                break;
            case Reason::syn_in_connection:
                out_ << "a SYN with sequence " << span_.sequence << " inside a connection that is at "
                     << pair_names(pair()) << "; " << receiver_name() << " will challenge it";
                break;
            case Reason::rst_inexact:
                out_ << "sequence " << span_.sequence << " of the RST is "
                     << apart(span_.sequence, receiver().max_ack) << " beyond " << receiver().max_ack
                     << ", the one " << receiver_name() << " expects";
                break;
            case Reason::ack_not_of_syn:
                ack_not_of_syn();
                break;
            case Reason::old_syn:
                old_syn();
                break;
            case Reason::before_syn_ack:
                before_syn_ack();
                break;
            case Reason::rst_old:
                rst_old();
                break;
            case Reason::after_close:
                out_ << "the connection was reset and stands at " << pair_names(pair()) << "; "
                     << flag_names(segment_.flags) << " with sequence " << span_.sequence
                     << " is neither a SYN nor the answer to the last one, which alone open it again";
                break;
            case Reason::bad_flags:
                out_ << "no endpoint sends the flags " << flag_names(segment_.flags) << " (sequence "
                     << span_.sequence << ')';
                break;
            case Reason::ack_unsent:
                out_ << acknowledged() << " is " << apart(span_.sack, receiver().end) << " beyond "
                     << receiver().end << ", where what " << receiver_name() << " has sent ends";
                break;
            case Reason::rst_out_of_window:
                rst_out_of_window();
                break;
            case Reason::no_connection:
                no_connection();
                break;
            default:
                out_ << text_of(reason).sentence;
                break;
        }
        return out_.str();
    }

  private:
    const Connection& connection_;
    PendingSyn pending_;
    Direction direction_;
    const Segment& segment_;
    const Settings& settings_;
    Span span_;
    std::ostringstream out_;

    [[nodiscard]] Pair pair() const { return static_cast<Pair>(connection_.pair); }
    [[nodiscard]] const Side& sender() const {
        return connection_.side[static_cast<std::size_t>(direction_)];
    }
    [[nodiscard]] const Side& receiver() const {
        return connection_.side[static_cast<std::size_t>(opposite(direction_))];
    }
    [[nodiscard]] char sender_name() const { return direction_ == Direction::original ? 'A' : 'B'; }
    [[nodiscard]] char receiver_name() const { return direction_ == Direction::original ? 'B' : 'A'; }
    [[nodiscard]] bool dialling() const { return pair() == Pair::syn_sent__syn_rcvd; }

    /// How far the segment reaches: a SYN counts as one.
    [[nodiscard]] std::uint32_t end() const {
        return span_.end + ((segment_.flags & Flag::syn) != 0 ? 1 : 0);
    }

    void old_duplicate() {
        // Bound II reaches back from what was sent, but not from what was sent beyond the window.
        const bool within = before(sender().end, sender().max_end);
        const std::uint32_t from = within ? sender().end : sender().max_end;
        if ((segment_.flags & Flag::fin) != 0 && before(span_.end, sender().end) &&
            (!dialling() || !before(end(), from))) {
            out_ << "the FIN ends at " << span_.end << ", " << apart(span_.end, sender().end) << " before "
                 << sender().end << ", up to which " << sender_name() << " has sent already";
            return;
        }
        out_ << "it ends at " << end() << ", " << apart(end(), from) << " before " << from << ", up to which "
             << sender_name() << (within ? " has sent" : " may send") << ", and the window of "
             << receiver_name() << " never was larger than " << grouped(receiver().max_window);
    }

    /// The window check looks at the highest number acknowledged, which a SACK block may hold.
    [[nodiscard]] std::string acknowledged() const {
        return (span_.sack == span_.acknowledgement ? "acknowledgement " : "the SACK edge ") +
               std::to_string(span_.sack);
    }

    void old_acknowledgement() {
        out_ << acknowledged() << " is " << apart(span_.sack, receiver().end) << " behind " << receiver().end
             << ", up to which " << receiver_name() << " has sent; no more than "
             << grouped(std::max(max_ack_reach, sender().max_window)) << " may be under way";
    }

    void beyond_window(Reason reason) {
        if (fin_has_passed(pair(), direction_) && after(span_.end, sender().end)) {
            out_ << "it ends at " << span_.end << ", " << apart(span_.end, sender().end)
                 << " beyond the FIN of " << sender_name() << ", which ended at " << sender().end;
            return;
        }
        window_edge(sender().max_end);
        // One further window is tolerated (T3), but not together with an acknowledgement too old (T2).
        const std::uint32_t further = receiver().max_window;
        if (reason == Reason::window_overshoot) {
            out_ << ", but within a further window of " << grouped(further);
        } else if (span_.sequence - sender().max_end > further) {
            out_ << ", and beyond a further window of " << grouped(further);
        } else {
            out_ << "; and ";
            old_acknowledgement();
        }
    }

    void window_edge(std::uint32_t edge) {
        out_ << "sequence " << span_.sequence << " is " << apart(span_.sequence, edge)
             << " beyond the window " << receiver_name() << " offered, which ends at " << edge;
    }

    void ack_not_of_syn() {
        // While it is opening, what its side must acknowledge at the least is the peer's SYN.
        const bool opening = dialling() || spec::opening.has(pair());
        if (spec::opening.has(pair()) && (segment_.flags & Flag::syn) != 0 &&
            segment_.acknowledgement == sender().max_ack) {
            out_ << "sequence " << span_.sequence << " of the SYN,ACK is not " << receiver().max_ack - 1
                 << ", that of the SYN of " << sender_name();
            return;
        }
        out_ << "acknowledgement " << segment_.acknowledgement;
        if (opening && (!dialling() || direction_ == Direction::reply))
            out_ << " is not " << sender().max_ack << ", which would acknowledge the SYN of "
                 << receiver_name();
        else if (answers(pending_.highest, pending_.highest_kind) ||
                 answers(pending_.last, pending_.last_kind))
            out_ << " and sequence " << span_.sequence
                 << " may be those of a handshake that is over and comes again late";
        else
            out_ << " answers no SYN of " << receiver_name() << " that is waiting for an answer";
    }
    [[nodiscard]] bool answers(RememberedSyn syn, PendingSyn::Kind kind) const {
        return detail::is_of(kind, opposite(direction_)) && syn.answered_by(segment_.acknowledgement);
    }

    void old_syn() {
        const std::uint32_t newest =
            dialling() ? detail::newest_syn(pending_, connection_, direction_) : receiver().max_ack - 1;
        out_ << "sequence " << span_.sequence << " of the SYN is " << apart(span_.sequence, newest)
             << " below " << newest << ", that of a newer SYN";
    }

    void before_syn_ack() {
        const char unseen = dialling() ? 'B' : sender_name();
        out_ << "no SYN of " << unseen << " has been seen"
             << (dialling() ? "" : " for the connection this belongs to") << ", so that sequence "
             << span_.sequence << " and acknowledgement " << span_.acknowledgement
             << " have nothing to be held against";
    }

    void rst_old() {
        if (dialling() && direction_ == Direction::original) {
            out_ << "sequence " << span_.sequence
                 << " of the RST answers something older: nothing B sent in this "
                 << "connection has passed";
        } else if (dialling()) {
            out_ << "the RST with sequence " << span_.sequence;
            if ((segment_.flags & Flag::ack) != 0)
                out_ << " acknowledges " << segment_.acknowledgement << ", and "
                     << detail::newest_syn(pending_, connection_, Direction::original) + 1
                     << " would acknowledge the newest SYN of A";
            else
                out_ << " acknowledges nothing, and A is waiting for the answer to its SYN "
                     << detail::newest_syn(pending_, connection_, Direction::original);
        } else if (before(span_.sequence, receiver().max_ack)) {
            out_ << "sequence " << span_.sequence << " of the RST is "
                 << apart(span_.sequence, receiver().max_ack) << " below " << receiver().max_ack
                 << ", up to which " << receiver_name() << " has acknowledged";
        } else if (span_.sequence == 0 && (segment_.flags & Flag::ack) != 0) {
            out_ << "a RST with sequence 0 refuses a SYN, and this one, acknowledging "
                 << segment_.acknowledgement << ", an older one";
        } else if (pending_.acknowledgement_valid != 0 &&
                   span_.sequence == pending_.tolerated_acknowledgement) {
            out_ << "sequence " << span_.sequence << " of the RST answers a segment that was only tolerated";
        } else {
            out_ << "sequence " << span_.sequence
                 << " of the RST is of another connection on these ports than " << receiver().max_ack
                 << ", up to which " << receiver_name() << " has acknowledged";
        }
    }

    void rst_out_of_window() {
        if (dialling())
            out_ << "the RST acknowledges " << segment_.acknowledgement << ", "
                 << apart(segment_.acknowledgement, receiver().end) << " beyond the SYN of A, which ends at "
                 << receiver().end;
        else
            window_edge(later(sender().max_end, sender().end));
    }

    void no_connection() {
        out_ << "a segment with " << flag_names(segment_.flags) << " and sequence " << span_.sequence
             << " belongs to no flow and cannot start one";
        if (classify_flags(segment_.flags) == FlagClass::ack && !settings_.loose)
            out_ << " while flows are not picked up in mid-stream";
    }
};

}  // namespace

std::string explain(const Connection& before, const PendingSyn& pending, Direction direction,
                    const Segment& segment, const Verdict& verdict, const Settings& settings) {
    if (verdict.outcome == Outcome::accepted) return {};
    return Sentence(before, pending, direction, segment, settings).of(verdict.reason);
}

}  // namespace sluice::tcp
