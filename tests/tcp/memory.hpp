// The whole memory of a connection in a line, so that a test can say what a segment leaves behind, to the
// last field.
#pragma once

#include <sstream>
#include <string>

#include "sluice/tcp/connection.hpp"

namespace sluice::test {

/// "AB" for 3, "A" for 1, "-" for 0.
inline std::string sides(unsigned bits) {
    if (bits == 0) return "-";
    return std::string((bits & 1U) != 0 ? "A" : "") + ((bits & 2U) != 0 ? "B" : "");
}

/// A side reads "end/max_end window ack"; what is off or zero is not mentioned.
inline std::string shown(const tcp::Connection& connection) {
    std::ostringstream out;
    const tcp::PairText& text = tcp::text_of(static_cast<tcp::Pair>(connection.pair));
    for (unsigned i = 0; i < 2; ++i) {
        const tcp::Side& side = connection.side[i];
        out << "AB"[i] << ' ' << side.end << '/' << side.max_end << " window " << side.max_window << " ack "
            << side.max_ack << "; ";
    }
    out << tcp::name_of(text.originator) << ',' << tcp::name_of(text.responder) << " seen "
        << sides(connection.seen);
    if (connection.scale_offered != 0 || connection.scale_original != 0 || connection.scale_reply != 0)
        out << " scale " << sides(connection.scale_offered) << ' ' << connection.scale_original << ','
            << connection.scale_reply;
    if (connection.sack_permitted != 0) out << " sack " << sides(connection.sack_permitted);
    if (connection.retransmissions != 0) out << " again " << connection.retransmissions;
    if (connection.picked_up != 0) out << " picked-up";
    if (connection.seen_reply != 0) out << " answered";
    if (connection.assured != 0) out << " assured";
    if (connection.pending_syn != 0) out << " pending";
    return out.str();
}

inline std::string shown(tcp::RememberedSyn syn, tcp::PendingSyn::Kind kind) {
    std::ostringstream out;
    out << (kind.reply_side != 0 ? "B " : "A ") << syn.sequence << '+' << syn.payload << " window "
        << syn.window;
    if (kind.scale_offered != 0 || kind.scale != 0) out << " scale " << unsigned{kind.scale};
    if (kind.scale_offered == 0 && kind.scale != 0) out << " (not offered)";
    if (kind.sack_permitted != 0) out << " sack";
    return out.str();
}

inline std::string shown(const tcp::PendingSyn& pending) {
    std::ostringstream out;
    if (pending.highest_kind.valid != 0)
        out << (pending.highest_answers != 0 ? "answer " : "highest ")
            << shown(pending.highest, pending.highest_kind) << "; ";
    if (pending.last_kind.valid != 0) out << "last " << shown(pending.last, pending.last_kind) << "; ";
    for (unsigned i = 0; i < 2; ++i)
        if ((pending.end_valid >> i & 1U) != 0)
            out << ((pending.end_is_fin >> i & 1U) != 0 ? "FIN of " : "data of ") << "AB"[i] << " to "
                << pending.tolerated_end[i] << "; ";
    if (pending.acknowledgement_valid != 0)
        out << "acknowledged " << pending.tolerated_acknowledgement << "; ";
    if (pending.replaced != 0) out << "replaced " << pending.last.sequence << "; ";
    const std::string all = out.str();
    return all.empty() ? "nothing" : all.substr(0, all.size() - 2);
}

}  // namespace sluice::test
