// A tracker that watches honest conversations: every segment is shown to it, what it says is tallied, and the
// last segments are kept for the report of a failure.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "honest_network.hpp"
#include "sluice/base/reason.hpp"

namespace sluice::test {

struct Tally {
    std::size_t conversations = 0, segments = 0, refused = 0;
    /// Segments that found no flow any more (R8), or the flow of a later connection: theirs had expired. Not
    /// refused by the rules of a connection.
    std::size_t without_flow = 0;
    /// Moments at which the pair was compared with the endpoints.
    std::size_t compared = 0;
    std::map<Reason, std::size_t> tolerated;
    Coverage coverage;

    [[nodiscard]] std::size_t tolerated_in_all() const {
        std::size_t sum = 0;
        for (const auto& [reason, count] : tolerated) sum += count;
        return sum;
    }
    [[nodiscard]] std::string text() const {
        std::ostringstream out;
        out << conversations << " conversations, " << segments << " segments, " << refused << " refused, "
            << tolerated_in_all() << " tolerated, " << without_flow << " without a flow, pair compared "
            << compared << " times\n";
        for (const auto& [reason, count] : tolerated)
            out << "  " << text_of(reason).name << " " << count << "\n";
        return out.str();
    }
};

/// One conversation through `Backend`. `blind_ms`: the tracker looks only from then on.
class Watched {
  public:
    Watched(Backend& backend, const tcp::Settings& settings, Tally& tally, double blind_ms = 0)
        : backend_(backend), tally_(tally), blind_ms_(blind_ms) {
        backend_.reset(settings);
        ++tally_.conversations;
    }
    /// With timestamps (RFC 7323) on every segment; they change nothing but the bytes.
    void use_timestamps() { timestamps_ = true; }

    /// False when it was refused.
    bool see(End from, const tcp::Segment& segment, double now) {
        if (now < blind_ms_) return true;
        ScriptSegment scripted;
        scripted.tcp = segment;
        scripted.timestamps = timestamps_;
        scripted.timestamp_value = scripted.timestamp_echo = static_cast<std::uint32_t>(now);
        scripted.fast_open = (segment.flags & tcp::Flag::syn) != 0 && segment.payload_length != 0;
        last_ = backend_.send(from, scripted, now / 1000);
        const bool syn = (segment.flags & (tcp::Flag::syn | tcp::Flag::ack)) == tcp::Flag::syn;
        if (last_.flow != flow_) {
            if (now >= deadline_ms_) expired_ends_ = ends_;
            ends_ = {};
            originator_ = from;
            opened_by_duplicate_ = syn && syns_.contains(segment.sequence);
        }
        if ((segment.flags & tcp::Flag::syn) != 0) syns_.insert(segment.sequence);
        flow_ = last_.flow;
        deadline_ms_ = now + 1000.0 * last_.timeout.value_or(0);
        log_.push_back({from, segment, now, last_});
        if (log_.size() > 60) log_.pop_front();
        ++tally_.segments;
        const std::size_t sender = from == End::a ? 0 : 1;
        const bool of_expired = expired_ends_[sender] == segment.sequence;
        if (last_.outcome == Outcome::accepted) {
            const std::uint32_t end = segment.sequence + segment.payload_length;
            ends_[sender] = later(ends_[sender].value_or(end), end);
        }
        if (last_.pair) ++tally_.coverage.pairs[static_cast<std::size_t>(*last_.pair)];
        if (last_.outcome == Outcome::tolerated) ++tally_.tolerated[last_.reason];
        if (last_.outcome != Outcome::refused) return true;
        if (!last_.pair || of_expired) {
            ++tally_.without_flow;
            return true;
        }
        ++tally_.refused;
        return false;
    }

    /// Whether the pair is where the endpoints stand. True too when there is no flow to be asked, or one that
    /// an old duplicate of a SYN opened: it speaks of a connection that never was (O7, O13).
    bool agrees(Standing a, Standing b, double now) {
        if (!last_.pair || now >= deadline_ms_ || opened_by_duplicate_) return true;
        if (originator_ == End::b) std::swap(a, b);
        const tcp::PairText& pair = tcp::text_of(*last_.pair);
        ++tally_.compared;
        const bool same = same_state(pair.originator, a) && same_state(pair.responder, b);
        if (!same)
            stand_ = "the endpoints stand at " + text_of_standing(a) + "," + text_of_standing(b) + "\n";
        return same;
    }

    /// The conversation as far as it is kept, and where the endpoints stood when the pair disagreed.
    [[nodiscard]] std::string log() const {
        std::string out;
        for (const Entry& entry : log_) out += text_of_entry(entry) + "\n";
        return out + stand_;
    }

  private:
    struct Entry {
        End from;
        tcp::Segment segment;
        double now;
        Observation seen;
    };
    Backend& backend_;
    Tally& tally_;
    double blind_ms_;
    bool timestamps_ = false;
    std::deque<Entry> log_;
    Observation last_;
    std::uint64_t flow_ = 0;
    double deadline_ms_ = 0;
    std::array<std::optional<std::uint32_t>, 2> ends_,
        expired_ends_;  ///< what each end sent, and in a flow before
    End originator_ = End::a;
    std::set<std::uint32_t> syns_;  ///< the sequence numbers of all SYNs that passed
    bool opened_by_duplicate_ = false;
    std::string stand_;

    /// Nobody can tell from outside whether an end without a connection listens; and who left without a word
    /// may since have said so in a RST.
    static bool same_state(tcp::EndpointState shown, Standing end) {
        const auto without = [](tcp::EndpointState s) {
            return s == tcp::EndpointState::closed || s == tcp::EndpointState::listen;
        };
        return shown == end.visibly || (without(shown) && (without(end.visibly) || without(end.really)));
    }
    static std::string text_of_standing(Standing end) {
        return std::string(tcp::name_of(end.visibly)) + " (" + std::string(tcp::name_of(end.really)) + ")";
    }

    static std::string text_of_entry(const Entry& entry) {
        std::ostringstream out;
        const tcp::Segment& s = entry.segment;
        out << entry.now << (entry.from == End::a ? " A>B " : " B>A ");
        for (const auto& [bit, letter] :
             {std::pair{tcp::syn, 'S'}, {tcp::fin, 'F'}, {tcp::rst, 'R'}, {tcp::ack, 'A'}})
            if ((s.flags & bit) != 0) out << letter;
        out << " seq " << s.sequence << " ack " << s.acknowledgement << " len " << s.payload_length << " win "
            << s.window;
        if (s.has_sack) out << " sack " << s.sack_highest;
        out << " -> ";
        if (entry.seen.pair)
            out << tcp::name_of(tcp::text_of(*entry.seen.pair).originator) << ","
                << tcp::name_of(tcp::text_of(*entry.seen.pair).responder) << " ";
        out << text_of(entry.seen.reason).name;
        return out.str();
    }
};

/// SLUICE_SEED, else 1: of the first conversation; the next has the next.
inline std::uint64_t first_seed() {
    const char* from = std::getenv("SLUICE_SEED");
    return from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
}
/// SLUICE_SEGMENTS, else `usual`: how many are to be judged, at least.
inline std::size_t segments_wanted(std::size_t usual) {
    const char* from = std::getenv("SLUICE_SEGMENTS");
    return from != nullptr ? std::strtoull(from, nullptr, 10) : usual;
}

}  // namespace sluice::test
