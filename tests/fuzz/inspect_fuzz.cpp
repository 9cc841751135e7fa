// A connection and some datagrams through a tracker that reads all of it. The input says what is sent, by
// whom, again and again, in which pieces and what order, with which flags, what is forged, what is lost
// behind us and when time passes. Two receivers put together what has left. Held against them:
//
// - what was found in a direction is what a plain search of the bytes finds that its receiver has read;
// - under a profile that blocks, no byte leaves in two versions, none before it was looked through, and no
//   pattern that is to be dropped leaves whole;
// - a datagram is found to have what a plain search finds in it, and none passes behind one that was dropped;
// - every packet leaves once or is dropped once, and when the flows are gone all memory is back.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz.hpp"
#include "pipeline/inspected_box.hpp"

namespace {

using namespace sluice;
using fuzz::require;
using policy::SignatureAction;
using tcp::Direction;
using test::InspectedBox;

/// The last two are dropped or reset where the profile may.
const std::vector<std::string> patterns{"ab", "bca", "aabb", "cacbab", "abcabc", "cccccc"};
constexpr std::size_t rare = 4;
constexpr char unknown = 0;  ///< a byte that has not left
constexpr std::uint8_t low_ttl = 5, believed_ttl = 10;
/// Other connections, whose acknowledgements come with each burst: so many are judged together.
constexpr std::uint16_t company = 3;
constexpr Tick longest = 6 * ticks_per_second;  ///< with what passes at the end, less than any flow lives

std::shared_ptr<const inspect::Database> database_for(SignatureAction action) {
    static std::map<SignatureAction, std::shared_ptr<const inspect::Database>> made;
    auto& database = made[action];
    if (database == nullptr) {
        auto all = test::signatures(patterns);
        for (std::size_t i = rare; i < all.size(); ++i) all[i].action = action;
        database = test::database_of(std::move(all));
    }
    return database;
}

/// How one input is read.
struct Plan {
    bool blocks, closed, liars, lossy, small, hurried, in_company;
    SignatureAction action;
    std::uint64_t budget;

    explicit Plan(fuzz::Input& input) {
        const unsigned mode = input.below(6), more = input.u8();
        blocks = mode >= 2;
        closed = blocks && mode != 5;
        liars = mode != 0;
        lossy =
            mode != 1;  // a liar whose bytes come first where nothing blocks and ours are lost is believed
        action = mode < 3    ? SignatureAction::alert
                 : mode == 4 ? SignatureAction::reset
                             : SignatureAction::drop;
        small = (more & 1U) != 0;
        hurried = (more & 2U) != 0;
        budget = (more & 12U) == 0 ? 100 : 0;
        in_company = (more & 16U) != 0;
    }
    [[nodiscard]] inspect::Terms terms() const {
        return {.blocking = blocks, .fail_open = !closed, .minimum_ttl = believed_ttl, .budget = budget};
    }
    [[nodiscard]] pipeline::Limits limits() const {
        pipeline::Limits out = InspectedBox::small_limits();
        out.ipv4_flows = out.ipv6_flows = 16;
        out.inspection.flows = 1 + company;
        if (small) {
            out.inspection.chunks = 2;
            out.inspection.chunks_per_direction = 2;
            out.inspection.held_packets = 3;
            out.inspection.held_per_direction = 2;
        }
        if (hurried) out.inspection.burst_bytes = 64;
        return out;
    }
};

/// Reads what is in the window it has promised, the first copy of each byte, in order.
class Receiver {
  public:
    void take(std::int32_t begin, const std::string& bytes, bool fin) {
        if (is_dead) return;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const std::int64_t at = begin + static_cast<std::int64_t>(i);
            if (at < next() || at >= edge || at >= end) continue;
            const auto place = static_cast<std::size_t>(at);
            if (early_.size() <= place) early_.resize(place + 1);
            if (!early_[place]) early_[place] = bytes[i];
        }
        while (text.size() < early_.size() && early_[text.size()]) text += *early_[text.size()];
        const std::int64_t behind = begin + static_cast<std::int64_t>(bytes.size());
        if (fin && behind == next() && end == never) end = behind;
    }
    [[nodiscard]] std::int64_t next() const { return static_cast<std::int64_t>(text.size()); }
    /// What it acknowledges, from its peer's first byte.
    [[nodiscard]] std::uint32_t acknowledges() const {
        return static_cast<std::uint32_t>(text.size()) + (next() == end ? 1 : 0);
    }

    static constexpr std::int64_t never = std::int64_t{1} << 40U;
    std::string text;
    std::int64_t edge = 3000, end = never;
    std::uint16_t window = 3000;
    bool is_dead = false;

  private:
    std::vector<std::optional<char>> early_;
};

class Conversation {
  public:
    explicit Conversation(fuzz::Input& input)
        : input_(input), plan_(input), box_(database_for(plan_.action), plan_.terms(), plan_.limits()) {
        std::uint32_t state = input.u16();
        for (std::string& data : data_) {
            data.resize(1 + std::size_t{input.u8()} * 4);
            for (char& c : data) {
                state = state * 1664525U + 1013904223U;
                c = static_cast<char>('a' + (state >> 24U) % 3);
            }
        }
        box_.window = 3000;
        if (plan_.in_company)
            for (std::uint16_t port = 1; port <= company; ++port) box_.open(port);
        box_.left.clear();
        feed(box_.from(Direction::original).sequence(isn(0)).window(3000).flags(packet::syn), 0);
        feed(segment(1, -1, packet::syn | packet::ack, ""), 1);
        feed(segment(0, 0, packet::ack, ""), 0);
        require(box_.left.size() == 3, "an honest handshake passes");
        account();
        box_.left.clear();
    }

    void step() {
        const unsigned what = input_.u8();
        side_ = (what >> 4U) & 1U;
        loses_ = plan_.lossy && (what & 32U) != 0;
        const bool waits = (what & 64U) != 0;
        has_old_acknowledgement_ = (what & 128U) != 0;
        switch (what & 15U) {
            case 7:
                send(segment(side_, end_of(side_), packet::ack, ""));
                break;
            case 8:
                send_reset();
                break;
            case 9:
                send_strange();
                break;
            case 10:
            case 11:
                send_datagram((what & 15U) == 11);
                break;
            case 12:
                pass(input_.u8() * 3U);
                break;
            case 13:
                pass(0);
                break;
            case 14:
                receiver_[1 - side_].window = std::array<std::uint16_t, 4>{0, 1, 50, 3000}[input_.below(4)];
                send(segment(side_, end_of(side_), packet::ack, ""));
                break;
            case 15:
                send_what_never_arrives();
                break;
            case 6:
                send_data(plan_.liars);
                break;
            default:
                send_data(false);
                break;
        }
        if (!waits) flush();
    }

    void finish() {
        flush();
        // Whatever waits has waited too long.
        for (unsigned i = 0; i < 20; ++i) {
            box_.poll(100);
            deliver();
        }
        box_.poll();
        deliver();
        if (!plan_.blocks && is_exact())
            for (const unsigned side : {0U, 1U}) compare(side, receiver_[side].text);
        require(box_.counted().held.read() == 0, "nothing is held for ever");
        for (unsigned i = 0; i < 8; ++i) box_.poll(500'000U / 8 * ticks_per_second);
        for (unsigned i = 0; i < 8; ++i) box_.poll();
        deliver();
        const pipeline::InspectionCounters& counted = box_.counted();
        require(counted.flows.read() == 0, "no flow is read when all are gone");
        require(counted.chunks.read() == 0, "no copy is kept when all flows are gone");
        require(box_.tracker().counters().held.read() == 0, "no packet is held when all flows are gone");
        for (const std::uint64_t packet : fed_)
            require(gone_[packet] == 1, "each packet leaves once or is dropped once");
    }

  private:
    fuzz::Input& input_;
    Plan plan_;
    InspectedBox box_;
    std::string data_[2], left_[2];
    std::uint32_t sent_[2] = {0, 0};
    Receiver receiver_[2];  ///< by the direction they read
    std::map<std::size_t, std::uint64_t> found_[2];
    std::vector<test::Bytes> burst_;
    std::vector<bool> burst_is_lost_;
    std::set<std::uint64_t> lost_;
    std::vector<std::uint64_t> fed_;
    std::vector<std::uint8_t> gone_;    ///< how often each packet left or was dropped
    std::map<unsigned, bool> blocked_;  ///< datagram flows that have begun
    unsigned burst_side_ = 0, side_ = 0;
    bool has_sent_fin_[2] = {false, false}, is_spent_[2] = {false, false};
    bool loses_ = false, has_old_acknowledgement_ = false, is_closing_ = false;
    Tick passed_ = 0;

    static std::uint32_t isn(unsigned side) { return InspectedBox::isn(static_cast<Direction>(side)); }
    /// Behind all that a side has sent.
    [[nodiscard]] std::int64_t end_of(unsigned side) const {
        return std::int64_t{sent_[side]} + (has_sent_fin_[side] ? 1 : 0);
    }

    /// Of a side, its first byte at `offset` of its data.
    test::PacketBuilder segment(unsigned side, std::int64_t offset, unsigned flags,
                                const std::string& bytes) {
        const Receiver& own = receiver_[1 - side];
        const std::uint32_t acknowledges = own.acknowledges() / (has_old_acknowledgement_ ? 2 : 1);
        return box_.from(static_cast<Direction>(side))
            .sequence(isn(side) + 1 + static_cast<std::uint32_t>(offset))
            .acknowledgement(isn(1 - side) + 1 + acknowledges)
            .window(has_old_acknowledgement_ ? std::uint16_t{0} : own.window)
            .flags(flags)
            .payload(InspectedBox::bytes(bytes));
    }

    /// Some of what a side has to send: near the end of what it has sent, or near what was read.
    struct Piece {
        std::uint32_t from;
        std::string bytes;
        bool is_last;
    };
    Piece piece() {
        const std::string& data = data_[side_];
        const std::uint8_t where = input_.u8();
        std::int64_t from = (where & 1U) != 0 ? sent_[side_] : receiver_[side_].next();
        from += static_cast<std::int8_t>(where) / 2 * ((where & 2U) != 0 ? 4 : 1);
        from = std::clamp<std::int64_t>(from, 0, static_cast<std::int64_t>(data.size()));
        std::int64_t end = from + input_.u8();
        const bool probes = from == receiver_[side_].edge;
        end = std::min(
            {end, probes ? from + 1 : receiver_[side_].edge, static_cast<std::int64_t>(data.size())});
        const auto begin = static_cast<std::uint32_t>(from);
        if (end < from) return {begin, "", false};
        const auto length = static_cast<std::size_t>(end - from);
        return {begin, data.substr(begin, length), begin + length == data.size()};
    }
    void send_reset() {
        is_closing_ = true;
        const auto off = static_cast<std::int8_t>(input_.u8());
        const unsigned ack = input_.flag() ? unsigned{packet::ack} : 0U;
        send(segment(side_, std::int64_t{receiver_[side_].acknowledges()} + off, packet::rst | ack, ""));
    }
    void send_data(bool lies) {
        Piece what = piece();
        if (lies)
            for (char& c : what.bytes) c = static_cast<char>('a' + input_.below(3));
        const bool fin = !lies && what.is_last && input_.flag();
        if (!lies)
            sent_[side_] = std::max(sent_[side_], what.from + static_cast<std::uint32_t>(what.bytes.size()));
        send(segment(side_, what.from, packet::ack | (fin ? unsigned{packet::fin} : 0U), what.bytes));
        note_closing(fin);
    }
    /// Data under any flags. A SYN only while none of the sides has closed: it would begin another
    /// connection.
    void send_strange() {
        const Piece what = piece();
        unsigned flags = input_.u8();
        if (is_closing_) flags &= ~unsigned{packet::syn};
        if (!what.is_last) flags &= ~unsigned{packet::fin};
        if ((flags & (packet::syn | packet::rst)) == 0 && (flags & packet::ack) != 0)
            sent_[side_] = std::max(sent_[side_], what.from + static_cast<std::uint32_t>(what.bytes.size()));
        send(segment(side_, what.from, flags, what.bytes));
        is_closing_ = is_closing_ || (flags & packet::rst) != 0;
        note_closing((flags & packet::fin) != 0);
    }
    void note_closing(bool fin) {
        is_closing_ = is_closing_ || fin;
        has_sent_fin_[side_] = has_sent_fin_[side_] || fin;
    }
    /// Other bytes that their receiver does not get, or does not believe.
    void send_what_never_arrives() {
        const Piece what = piece();
        auto packet = segment(side_, what.from, packet::ack, std::string(what.bytes.size(), 'c'));
        send(input_.flag() ? packet.hop_limit(low_ttl) : packet.wrong_transport_checksum());
    }

    void send(const test::PacketBuilder& packet) {
        if (burst_side_ != side_ || burst_.size() == 8) flush();
        burst_side_ = side_;
        burst_.push_back(packet.build());
        burst_is_lost_.push_back(loses_);
    }
    std::uint64_t feed(const test::PacketBuilder& packet, unsigned side) {
        fed_.push_back(box_.feed(packet, static_cast<Direction>(side)));
        return fed_.back();
    }
    void flush() {
        if (burst_.empty()) return;
        const auto direction = static_cast<Direction>(burst_side_);
        if (plan_.in_company)
            for (std::uint16_t port = 1; port <= company; ++port)
                burst_.push_back(box_.data(0, "", 0, direction, port).build());
        const std::uint64_t first = box_.burst(burst_, direction);
        for (std::size_t i = 0; i < burst_.size(); ++i) {
            fed_.push_back(first + i);
            if (i < burst_is_lost_.size() && burst_is_lost_[i]) lost_.insert(first + i);
        }
        burst_.clear();
        burst_is_lost_.clear();
        deliver();
    }
    void pass(Tick ticks) {
        flush();
        passed_ += ticks;
        box_.poll(passed_ < longest ? ticks : 0);
        deliver();
    }

    void account() {
        for (const auto* list : {&box_.left, &box_.dropped})
            for (const auto& gone : *list) {
                if (gone_.size() <= gone.number) gone_.resize(gone.number + 1, 0);
                ++gone_[gone.number];
            }
    }

    /// To its receiver, who says at once what it has read.
    void deliver() {
        for (unsigned round = 0; !box_.left.empty() || !box_.dropped.empty(); ++round) {
            require(round < 100, "receivers come to an end");
            account();
            const auto left = std::exchange(box_.left, {});
            for (const auto& gone : box_.dropped) {
                require(!is_company(gone), "nothing is against the others");
                tell(gone, "is dropped");
            }
            box_.dropped.clear();
            bool reads[2] = {false, false};
            for (const auto& gone : left) {
                if (gone.headers.protocol != packet::tcp || is_company(gone)) continue;
                const unsigned side = gone.headers.source_port == 80 ? 1 : 0;
                tell(gone, "leaves");
                note_left(gone, side);
                note_promise(gone, side);
                if (lost_.contains(gone.number) || gone.headers.hop_limit < believed_ttl) continue;
                reads[side] = take(gone, side) || reads[side];
            }
            collect_alerts();
            if (plan_.closed)
                for (const unsigned side : {0U, 1U}) compare(side, left_[side]);
            has_old_acknowledgement_ = false;
            for (const unsigned side : {0U, 1U})
                if (reads[side] && !receiver_[side].is_dead)
                    feed(segment(1 - side, end_of(1 - side), packet::ack, ""), 1 - side);
        }
        collect_alerts();
    }

    static bool is_company(const InspectedBox::Gone& gone) {
        return gone.headers.protocol == packet::tcp &&
               std::min(gone.headers.source_port, gone.headers.destination_port) <= company;
    }
    static void tell(const InspectedBox::Gone& gone, const char* what) {
        if (!fuzz::telling() || gone.headers.protocol != packet::tcp) return;
        const unsigned side = gone.headers.source_port == 80 ? 1 : 0;
        std::fprintf(stderr, "  %llu of side %u %s, %s: flags %02x at %d, acknowledges %d, \"%s\"\n",
                     static_cast<unsigned long long>(gone.number), side, what,
                     text_of(gone.decision.reason).name.data(), gone.headers.tcp.flags,
                     position_of(gone, side),
                     static_cast<std::int32_t>(gone.headers.tcp.acknowledgement - isn(1 - side) - 1),
                     gone.payload.c_str());
    }
    static std::int32_t position_of(const InspectedBox::Gone& gone, unsigned side) {
        return static_cast<std::int32_t>(gone.headers.tcp.sequence - isn(side) - 1);
    }

    /// What has left under a profile that blocks and fails closed.
    void note_left(const InspectedBox::Gone& gone, unsigned side) {
        const unsigned flags = gone.headers.tcp.flags;
        if (!plan_.closed || gone.payload.empty() || (flags & packet::rst) != 0) return;
        require((flags & packet::syn) == 0, "no SYN carries data");
        const auto budget = static_cast<std::int64_t>(plan_.budget);
        const Receiver& receiver = receiver_[side];
        std::string& text = left_[side];
        for (std::size_t i = 0; i < gone.payload.size(); ++i) {
            const std::int64_t at = position_of(gone, side) + static_cast<std::int64_t>(i);
            if (is_spent_[side] || (plan_.budget != 0 && at >= budget)) {
                is_spent_[side] = true;  // and so is no longer looked at, from its beginning on
                return;
            }
            if (at < receiver.next() || at >= receiver.end) continue;  // read already, or never to be
            if (at >= receiver.edge) {
                require(gone.payload.size() == 1, "nothing but a probe leaves for where no window is");
                continue;
            }
            const auto place = static_cast<std::size_t>(at);
            if (text.size() <= place) text.resize(place + 1, unknown);
            require(text[place] == unknown || text[place] == gone.payload[i],
                    "no second version of a byte leaves");
            text[place] = gone.payload[i];
        }
    }

    /// How far its sender wants to be sent: it may, once the other end was told.
    void note_promise(const InspectedBox::Gone& gone, unsigned side) {
        const unsigned flags = gone.headers.tcp.flags & (packet::ack | packet::syn | packet::rst);
        if (flags != packet::ack || gone.decision.reason != Reason::none) return;
        const std::uint32_t edge =
            gone.headers.tcp.acknowledgement + gone.headers.tcp.window - isn(1 - side) - 1;
        std::int64_t& known = receiver_[1 - side].edge;
        known = std::max(known, std::int64_t{static_cast<std::int32_t>(edge)});
    }

    /// Whether its receiver answers.
    bool take(const InspectedBox::Gone& gone, unsigned side) {
        Receiver& receiver = receiver_[side];
        const unsigned flags = gone.headers.tcp.flags;
        if ((flags & packet::rst) != 0) {
            is_closing_ = true;
            if (gone.headers.tcp.sequence == isn(side) + 1 + receiver.acknowledges()) receiver.is_dead = true;
            return false;
        }
        if ((flags & packet::syn) != 0 || (flags & packet::ack) == 0) return false;
        receiver.take(position_of(gone, side), gone.payload, (flags & packet::fin) != 0);
        return !gone.payload.empty() || (flags & packet::fin) != 0;
    }

    void collect_alerts() {
        for (const pipeline::Alert& alert : box_.alerts()) {
            require(alert.key4.protocol == packet::tcp, "what is found in a datagram is told with it");
            if (fuzz::telling())
                std::fprintf(
                    stderr, "  found: %s before byte %llu of side %u\n", patterns[alert.signature].c_str(),
                    static_cast<unsigned long long>(alert.position), static_cast<unsigned>(alert.direction));
            const bool is_new = found_[static_cast<unsigned>(alert.direction)]
                                    .emplace(alert.signature, alert.position)
                                    .second;
            require(is_new, "a pattern is found once in a direction");
        }
    }
    /// Whether nothing was given up for want of memory.
    [[nodiscard]] bool is_exact() {
        return box_.count(inspect::Event::no_memory) == 0 && box_.count(inspect::Event::gave_up) == 0;
    }
    /// What was found in a direction up to the end of `text` is what a plain search finds in it; what lies
    /// behind a byte that is not known may have been found earlier.
    void compare(unsigned side, std::string text) {
        if (plan_.budget != 0 && text.size() > plan_.budget) text.resize(plan_.budget);
        if (fuzz::telling()) std::fprintf(stderr, "  read of side %u: \"%s\"\n", side, text.c_str());
        for (std::size_t i = 0; i < patterns.size(); ++i) {
            const std::size_t at = text.find(patterns[i]);
            if (at == std::string::npos) continue;
            const auto found = found_[side].find(i);
            require(found != found_[side].end() && found->second <= at + patterns[i].size(),
                    "nothing leaves before it is looked through");
        }
        text.resize(std::min(text.find(unknown), text.size()));
        for (std::size_t i = 0; i < patterns.size(); ++i) {
            const std::size_t at = text.find(patterns[i]);
            const auto found = found_[side].find(i);
            if (at == std::string::npos) {
                require(found == found_[side].end() || found->second > text.size(),
                        "nothing is found that its receiver cannot read");
                continue;
            }
            require(found != found_[side].end(), "what a receiver can read was found");
            require(found->second == at + patterns[i].size(), "and where it is");
            require(plan_.action == SignatureAction::alert || !plan_.closed || i < rare,
                    "nothing leaves that is to be dropped");
        }
    }

    void send_datagram(bool icmp) {
        flush();
        const unsigned flow = input_.below(2) + (icmp ? 2U : 0U);
        std::string text(input_.below(40), 'a');
        for (char& c : text) c = static_cast<char>('a' + input_.below(3));
        const bool began = blocked_.contains(flow);
        const unsigned side = began ? side_ : 0;
        test::PacketBuilder packet;
        packet.ethernet().ip(side == 0 ? "10.0.0.1" : "10.0.0.2", side == 0 ? "10.0.0.2" : "10.0.0.1");
        const auto number = static_cast<std::uint16_t>(4000 + flow);
        if (icmp)
            packet.icmp(side == 0 ? 8 : 0, 0, number);
        else
            side == 0 ? packet.udp(number, 53) : packet.udp(53, number);
        const std::uint64_t which = feed(packet.payload(InspectedBox::bytes(text)), side);
        std::map<std::size_t, std::uint64_t> found;
        for (const pipeline::Alert& alert : box_.alerts()) found.emplace(alert.signature, alert.position);
        bool& blocked = blocked_[flow];
        bool blocks = blocked;
        for (std::size_t i = 0; i < patterns.size(); ++i) {
            const std::size_t at = text.find(patterns[i]);
            const bool is_there = !blocked && at != std::string::npos;
            require(found.contains(i) == is_there, "a datagram has what a plain search finds in it");
            if (!is_there) continue;
            require(found[i] == at + patterns[i].size(), "and where it is");
            blocks = blocks || (plan_.blocks && i >= rare && plan_.action != SignatureAction::alert);
        }
        blocked = blocks;
        require(box_.fate(which) == (blocked ? "signature" : "pass"),
                "and passes when nothing is against it");
        deliver();
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Conversation conversation(input);
    while (!input.empty()) conversation.step();
    conversation.finish();
    return 0;
}
