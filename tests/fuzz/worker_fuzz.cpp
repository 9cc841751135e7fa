// One or two whole workers over memory, fed with bursts that a byte string describes: segments of real
// conversations with numbers near what is known, datagrams, fragments in any order, tags, LLC/SNAP, ICMP
// errors about them, frames with bytes changed, packets in several segments, clock jumps, requests through
// the mailbox, new settings. After every burst
//   - each packet given is passed, dropped, handed over or held, exactly once;
//   - the counters add up, and every drop has one reason;
//   - each decision and each flow, to the bit and the tick, is that of a plain tracker (plain_tracker.hpp);
//   - the tables hold no more than they may.
// In the end time passes every timeout and nothing is left. When flows had to be evicted (small tables) the
// plain tracker is no longer asked; the rest still is.
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "control/hand_made_flow.hpp"
#include "frame_repair.hpp"
#include "fuzz.hpp"
#include "plain_reassembly.hpp"
#include "plain_tracker.hpp"
#include "sluice/control/text.hpp"
#include "support/memory_tracker.hpp"
#include "support/packet_builder.hpp"

namespace {

using namespace sluice;
using fuzz::PlainDecision;
using fuzz::PlainFlow;
using fuzz::PlainKey;
using fuzz::require;
using packet::Family;
using pipeline::Action;
using pipeline::MemoryIo;
using pipeline::MemoryPacket;
using pipeline::Request;
using test::Bytes;
using test::PacketBuilder;
using Tracker = test::MemoryTracker;
using Output = pipeline::Output<MemoryIo>;

/// Packets are handed over at most twice: to who collects the fragments, and to who owns the flow.
constexpr unsigned most_hops = 3;

bool is_fragment_drop(Reason reason) {
    switch (reason) {
        case Reason::fragment_overlap:
        case Reason::fragment_too_long:
        case Reason::fragment_too_many:
        case Reason::fragment_duplicate:
        case Reason::fragment_timeout:
        case Reason::fragment_table_full:
            return true;
        default:
            return false;
    }
}

pipeline::Settings settings_from(fuzz::Input& input) {
    pipeline::Settings out;
    out.set_default_ether_types();
    const std::uint8_t tcp = input.u8(), rest = input.u8();
    out.tcp.loose = (tcp & 1U) == 0;
    out.tcp.be_liberal = (tcp & 2U) != 0;
    out.tcp.ignore_invalid_rst = (tcp & 4U) != 0;
    out.tcp.strict = (tcp & 8U) != 0;
    out.tcp.asymmetric = (tcp & 16U) != 0;
    out.tcp.max_retrans = tcp >> 5;
    out.checksum = (rest & 1U) == 0;
    out.drop_invalid = (rest & 2U) == 0;
    out.vlan_in_key = (rest & 4U) == 0;
    out.pass_other_ether_types = (rest & 8U) != 0;
    out.drop_when_full = (rest & 16U) == 0;
    if ((rest & 32U) != 0) out.half_open_limit = 2;
    if ((rest & 64U) != 0) out.timeouts = appliance_timeouts();
    out.zone[1] = 7;
    return out;
}

/// A worker and what its counters should say.
struct Worker {
    struct alignas(64) Line {
        std::byte bytes[64];
    };
    std::vector<Line> arena;
    std::unique_ptr<Tracker> tracker;
    std::uint64_t received = 0, passed = 0, dropped = 0, handed_over = 0;
    std::array<std::uint64_t, reason_count> reasons{};
};

class World {
  public:
    explicit World(fuzz::Input& input) : input_(input), plain_({}) {
        const std::uint8_t shape = input.u8();
        settings_.push_back(settings_from(input));
        plain_.obey(settings_.back());
        // Time begins anywhere: near the wrap, too.
        now_.tick = std::uint32_t{input.u8()} << 24 | 0x00FF'F000;
        limits_.ipv4_flows = limits_.ipv6_flows = (shape & 1U) != 0 ? 4 : 256;
        limits_.fragment_datagrams = (shape & 2U) != 0 ? 2 : 16;
        limits_.accounting = (shape & 4U) != 0;
        limits_.timestamps = (shape & 8U) != 0;
        const unsigned count = (shape & 16U) != 0 ? 2 : 1;
        for (unsigned i = 0; i < count; ++i) {
            pipeline::Steering steering;
            steering.workers = count;
            steering.self = i;
            Worker worker;
            worker.arena.resize(Tracker::bytes_needed(limits_) / 64 + 1);
            auto made = Tracker::create(limits_, settings_.back(), flow::Secret{{11, 22, 33, 44}}, steering,
                                        std::as_writable_bytes(std::span(worker.arena)));
            require(made.ok(), "a small tracker can be made");
            worker.tracker = std::move(*made);
            workers_.push_back(std::move(worker));
        }
    }

    void next() {
        const std::uint8_t what = input_.u8();
        switch (what & 15U) {
            default:
                add_tcp(what >> 4);
                break;
            case 7:
                add_datagram();
                break;
            case 8:
                add_error();
                break;
            case 9:
                add_other();
                break;
            case 10:
            case 11:
                process(what >> 4);
                break;
            case 12:
                process(what >> 4);
                pass_time();
                break;
            case 13:
                process(what >> 4);
                ask();
                break;
            case 14:
                add_tcp(what >> 4);
                process(0);
                break;
            case 15:
                add_tcp(what >> 4, true);
                break;
        }
    }

    void finish() {
        process(0);
        // Beyond every timeout there may be, one of 2,000,000 seconds set by hand included.
        for (int i = 0; i < 2; ++i) {
            now_.tick += max_lifetime_seconds * ticks_per_second;
            poll();
        }
        for (const Worker& worker : workers_) {
            require(worker.tracker->table4().size() == 0 && worker.tracker->table6().size() == 0,
                    "time passes and no flow is left");
            require(worker.tracker->counters().held.read() == 0, "nor a fragment");
            const auto& counters = worker.tracker->counters();
            require(counters.insert.read() ==
                        counters.expired.read() + counters.deleted.read() + counters.early_drop.read(),
                    "every flow that came has gone, for one reason");
        }
        for (const auto& one : packets_) require(one.times == 1, "every packet has left, once");
    }

  private:
    struct Packet : MemoryPacket {
        std::unique_ptr<std::uint8_t[]> first_bytes, rest_bytes;  ///< of their exact size
        Bytes whole;
        int times = 0;  ///< passed or dropped so often
    };

    fuzz::Input& input_;
    std::deque<pipeline::Settings> settings_;  ///< all there have been: workers keep pointers
    pipeline::Limits limits_;
    pipeline::Now now_{.tick = 0, .wall_nanoseconds = 1'700'000'000'000'000'000ULL};
    std::vector<Worker> workers_;
    fuzz::PlainTracker plain_;
    bool comparable_ = true;
    std::deque<Packet> packets_;
    std::vector<MemoryPacket*> burst_;
    std::array<Output, most_hops + 1> out_;
    PacketBuilder last_ = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2);

    // ---- Frames

    /// The eight places a conversation can be in: family, tags.
    PacketBuilder start(unsigned place, unsigned end) {
        static constexpr const char* hosts[2][2] = {{"10.0.0.1", "10.0.0.2"}, {"2001:db8::1", "2001:db8::2"}};
        PacketBuilder out;
        out.ethernet();
        if ((place & 2U) != 0) out.vlan(5);
        if ((place & 4U) != 0) out.vlan(6);
        out.ip(hosts[place & 1U][end], hosts[place & 1U][1 - end]);
        return out;
    }

    [[nodiscard]] const PlainFlow* known(unsigned place) {
        const bool tags = settings_.back().vlan_in_key;
        const std::uint16_t outer = !tags               ? flow::Domain::no_tag
                                    : (place & 2U) != 0 ? std::uint16_t{5}
                                    : (place & 4U) != 0 ? std::uint16_t{6}
                                                        : flow::Domain::no_tag;
        for (const auto& [key, flow] : plain_.flows())
            if (std::get<0>(key) == ((place & 1U) != 0 ? Family::ipv6 : Family::ipv4) &&
                std::get<1>(key) == packet::tcp && std::get<5>(key) == outer)
                return &flow;
        return nullptr;
    }

    /// The next segment of a handshake when `simple`; else anything near what is known.
    void add_tcp(unsigned where, bool simple = false) {
        using packet::ack;
        using packet::fin;
        using packet::rst;
        using packet::syn;
        const unsigned place = where & 7U, end = (where >> 3) & 1U;
        const std::uint32_t isn[2] = {0xFFFF'FFF0, 0x7FFF'FFF0};
        PacketBuilder out = start(place, end);
        end == 0 ? out.tcp(40'000, 80) : out.tcp(80, 40'000);
        const std::uint8_t kind = input_.u8();
        constexpr unsigned flags[] = {syn, syn | ack, ack, ack, fin | ack, rst, rst | ack, ack | packet::psh};
        out.flags(flags[kind & 7U]);
        if ((kind & 0xF0U) == 0xF0U) out.flags(input_.u8());

        const PlainFlow* flow = known(place);
        std::uint32_t sequence = isn[end] + ((kind & 7U) < 2 ? 0U : 1U), acknowledgement = isn[1 - end] + 1;
        if (flow != nullptr && !simple) {
            const unsigned self = (end == 1) == flow->from_high ? 0 : 1;
            const tcp::Side& own = flow->tcp.side[self];
            const tcp::Side& peer = flow->tcp.side[1 - self];
            const std::uint8_t numbers = input_.u8();
            const std::uint32_t sequences[] = {own.end,           peer.max_ack, own.end - 1,
                                               own.max_end,       sequence,     own.max_end + peer.max_window,
                                               own.end + 700'000, own.end};
            const std::uint32_t acks[] = {peer.end,
                                          own.max_ack,
                                          peer.end + 1,
                                          peer.end - 70'000,
                                          flow->pending.highest.sequence + 1,
                                          flow->pending.last.sequence + 1,
                                          peer.end,
                                          acknowledgement};
            sequence = sequences[numbers & 7U];
            acknowledgement = acks[(numbers >> 3) & 7U];
            if ((numbers & 64U) != 0) sequence += input_.u16();
            if ((numbers & 128U) != 0) acknowledgement -= input_.u16();
        }
        out.sequence(sequence).acknowledgement(acknowledgement).window(simple ? 5000 : input_.u16());
        if ((kind & 8U) != 0)
            out.option(test::option::window_scale(7)).option(test::option::sack_permitted());
        if ((kind & 7U) == 7) out.option(test::option::sack({{acknowledgement + 10, acknowledgement + 20}}));
        const unsigned lengths[] = {0, 0, 1, 200};
        out.payload(lengths[(kind >> 4) & 3U]);
        emit(out, simple ? 0 : input_.u8());
    }

    void add_datagram() {
        const std::uint8_t kind = input_.u8();
        const unsigned end = (kind >> 3) & 1U;
        PacketBuilder out = start(kind & 7U, end);
        const bool six = (kind & 1U) != 0;
        const auto number = static_cast<std::uint16_t>(7 + ((kind >> 6) & 1U));
        switch ((kind >> 4) & 3U) {
            case 0:
            case 1:
                end == 0 ? out.udp(number, 53) : out.udp(53, number);
                break;
            case 2: {
                const bool reply = (kind & 128U) != 0;
                six ? out.icmpv6(reply ? 129 : 128, 0, number) : out.icmp(reply ? 0 : 8, 0, number);
                break;
            }
            default:
                out.protocol(static_cast<std::uint8_t>(input_.u8()));
                break;
        }
        out.payload(input_.u8());
        emit(out, input_.u8());
    }

    /// About the last packet built, to its sender or somebody else.
    void add_error() {
        const std::uint8_t kind = input_.u8();
        const std::uint8_t code = input_.u8();
        PacketBuilder out;
        out.ethernet();
        const bool six = (kind & 1U) != 0;
        const char* routers[] = {"192.0.2.1", "2001:db8:9::1"};
        static constexpr const char* hosts[2][2] = {{"10.0.0.1", "10.0.0.2"}, {"2001:db8::1", "2001:db8::2"}};
        if ((kind & 2U) != 0) out.vlan(5);
        out.ip(routers[six ? 1 : 0], hosts[six ? 1 : 0][(kind >> 2) & 1U]);
        const auto type =
            static_cast<std::uint8_t>(six ? 1 + ((kind >> 3) & 3U) : 3 + ((kind >> 3) & 1U) * 8);
        out.icmp_error(type, code, last_, (kind & 128U) != 0 ? 28U : 576U);
        emit(out, input_.u8(), false);
    }

    void add_other() {
        const std::uint8_t kind = input_.u8();
        if ((kind & 1U) != 0) {
            constexpr std::uint16_t types[] = {0x0806, 0x88CC, 0x8847, 0x0026};
            PacketBuilder out;
            out.ethernet().ether_type_as(types[(kind >> 1) & 3U]).protocol(1).payload(40);
            emit(out, 0, false);
            return;
        }
        const auto bytes = input_.bytes(input_.u8());
        Bytes frame(bytes.begin(), bytes.end());
        if ((kind & 2U) != 0) fuzz::repair_frame(frame, packet::LinkLayer::ethernet);
        give(frame, 0);
    }

    /// As it is, with a byte changed, or in fragments; any of these with LLC/SNAP in front of IP, too.
    void emit(const PacketBuilder& plain, std::uint8_t how, bool remember = true) {
        if (remember) last_ = plain;
        PacketBuilder builder = plain;
        const bool changed_or_cut = (how & 7U) >= 1 && (how & 7U) <= 3;
        if ((how & 7U) == 4 || (changed_or_cut && (how & 128U) != 0)) builder.snap();
        switch (how & 7U) {
            case 1:
            case 2: {  // a byte is changed; and everything fits again
                Bytes frame = builder.build();
                const std::size_t at = input_.u8() % frame.size();
                frame[at] = static_cast<std::uint8_t>(frame[at] ^ input_.u8());
                if ((how & 7U) == 2) fuzz::repair_frame(frame, packet::LinkLayer::ethernet);
                give(frame, how >> 3);
                return;
            }
            case 3: {  // in fragments, some twice, some never, in some order
                PacketBuilder whole = builder;
                whole.identification(how >> 6);
                const auto pieces = whole.build_fragments(8U * (1 + input_.u8() % 32U));
                const std::uint8_t order = input_.u8();
                for (std::size_t i = 0; i < pieces.size() && i < 24; ++i) {
                    const std::size_t at = (order & 1U) != 0 ? pieces.size() - 1 - i : i;
                    if ((order & 2U) != 0 && i == (order >> 4)) continue;
                    give(pieces[at], how >> 3);
                    if ((order & 4U) != 0 && i == (order >> 4)) give(pieces[at], 0);
                }
                return;
            }
            default:
                give(builder.build(), how >> 3);
        }
    }

    /// Into the burst; `how`: in two segments, what the port says of its checksums, which port pair.
    void give(const Bytes& frame, unsigned how) {
        if (burst_.size() == pipeline::max_burst) process(0);
        Packet& one = packets_.emplace_back();
        one.whole = frame;
        const std::size_t split =
            (how & 1U) != 0 ? std::min<std::size_t>(1 + input_.u8(), frame.size()) : frame.size();
        one.first_bytes = std::make_unique<std::uint8_t[]>(split);
        one.rest_bytes = std::make_unique<std::uint8_t[]>(frame.size() - split);
        std::copy_n(frame.begin(), split, one.first_bytes.get());
        std::copy(frame.begin() + static_cast<std::ptrdiff_t>(split), frame.end(), one.rest_bytes.get());
        one.first = {one.first_bytes.get(), split};
        one.rest = {one.rest_bytes.get(), frame.size() - split};
        if ((how & 30U) == 2) one.checksum = pipeline::ChecksumState::good;
        if ((how & 30U) == 4) one.checksum = pipeline::ChecksumState::bad;
        if ((how & 30U) == 6) one.port_pair = 1;
        burst_.push_back(&one);
    }

    // ---- Bursts

    void process(unsigned choice) {
        const auto i = static_cast<unsigned>(choice % workers_.size());
        workers_[i].received += burst_.size();
        workers_[i].tracker->process(burst_, now_, out_[0]);
        burst_.clear();
        take(i, 0);
        check();
    }

    /// The worker has judged its own before anybody gets what it hands over.
    void take(unsigned i, unsigned hop) {
        for (const auto& judged : out_[hop].view())
            if (judged.decision.action != Action::handover) settle(workers_[i], judged);
        for (const auto& judged : out_[hop].view())
            if (judged.decision.action == Action::handover) hand_over(i, hop, judged);
    }

    static std::vector<Packet*> packets_of(const Output::Judged& judged) {
        std::vector<Packet*> out;
        for (MemoryPacket* one = judged.packet; one != nullptr;
             one = judged.decision.datagram ? one->next_fragment : nullptr) {
            out.push_back(static_cast<Packet*>(one));
            require(out.size() <= 2 * packet::max_fragments + 1, "a list of fragments has an end");
        }
        return out;
    }

    void hand_over(unsigned from, unsigned hop, const Output::Judged& judged) {
        const unsigned owner = judged.decision.owner;
        require(owner < workers_.size() && owner != from, "a packet is handed to another worker");
        require(hop + 1 < most_hops, "and not for ever");
        const std::size_t count = packets_of(judged).size();
        workers_[from].handed_over += count;
        workers_[owner].received += count;
        Tracker& tracker = *workers_[owner].tracker;
        MemoryPacket* const burst[] = {judged.packet};
        if (judged.decision.datagram)
            tracker.process_datagram(judged.packet, now_, out_[hop + 1]);
        else
            tracker.process(burst, now_, out_[hop + 1]);
        take(owner, hop + 1);
    }

    void settle(Worker& worker, const Output::Judged& judged) {
        const auto& decision = judged.decision;
        const auto packets = packets_of(judged);
        for (Packet* one : packets) ++one->times;
        (decision.action == Action::pass ? worker.passed : worker.dropped) += packets.size();
        if (decision.reason != Reason::none)
            worker.reasons[static_cast<std::size_t>(decision.reason)] += packets.size();
        require(decision.action == Action::pass || decision.reason != Reason::none, "a drop has a reason");
        if (fuzz::telling())
            std::fprintf(stderr, "  %zu packet(s) of %zu bytes => %s %s %s\n", packets.size(),
                         packets[0]->whole.size(), decision.action == Action::pass ? "pass" : "drop",
                         pipeline::name_of(decision.state).data(), text_of(decision.reason).name.data());
        if (decision.datagram && is_fragment_drop(decision.reason)) {
            require(decision.action == Action::drop, "fragments given up are dropped");
            return;
        }
        compare(decision, packets);
    }

    void compare(const pipeline::Decision& decision, const std::vector<Packet*>& packets) {
        watch_for_evictions();
        if (!comparable_) return;
        fuzz::PlainPacket plain{packets[0]->whole, packets[0]->port_pair, packets[0]->checksum};
        fuzz::PlainDatagram datagram;
        if (decision.datagram) {
            std::vector<std::span<const std::uint8_t>> frames;
            plain.checksum = pipeline::ChecksumState::unknown;
            for (const Packet* one : packets) {
                frames.emplace_back(one->whole);
                if (one->checksum == pipeline::ChecksumState::good) plain.checksum = one->checksum;
            }
            auto whole = fuzz::put_together(frames);
            if (!whole) {
                comparable_ = false;
                return;
            }
            datagram = std::move(*whole);
            plain.bytes = datagram.bytes;
            plain.first_fragment_transport = datagram.first_fragment_transport;
        }
        const PlainDecision meant = plain_.judge(plain, now_.tick);
        if (fuzz::telling() && meant.reason != decision.reason)
            std::fprintf(stderr, "    meant to be %s %s %s\n", meant.action == Action::pass ? "pass" : "drop",
                         pipeline::name_of(meant.state).data(), text_of(meant.reason).name.data());
        require(decision.reason == meant.reason, "the reason is the plain tracker's");
        require(decision.action == meant.action && decision.state == meant.state, "and the decision");
        require((decision.flow != flow::no_ref) == meant.has_flow, "and whether there is a flow");
        require(!meant.has_flow || decision.direction == meant.direction, "and its direction");
    }

    // ---- What must hold

    /// Whose flows had to go the plain tracker cannot know; nor what of the few pending SYNs was kept.
    void watch_for_evictions() {
        for (const Worker& worker : workers_) {
            const auto& counters = worker.tracker->counters();
            if (counters.early_drop.read() + counters.insert_failed.read() != 0) comparable_ = false;
        }
        if (plain_.pending() > 3) comparable_ = false;
    }

    void check() {
        for (const Worker& worker : workers_) {
            const auto& counters = worker.tracker->counters();
            require(counters.passed.read() == worker.passed && counters.dropped.read() == worker.dropped &&
                        counters.handed_over.read() == worker.handed_over,
                    "what was passed, dropped and handed over is counted");
            require(counters.packets.read() == worker.passed + worker.dropped,
                    "what was judged was passed or dropped");
            require(
                worker.received == worker.passed + worker.dropped + worker.handed_over + counters.held.read(),
                "what came in is out or held");
            for (std::size_t i = 0; i < reason_count; ++i)
                require(counters.reasons[i].read() == worker.reasons[i], "under its reason");
            require(worker.tracker->table4().size() <= limits_.ipv4_flows &&
                        worker.tracker->table6().size() <= limits_.ipv6_flows,
                    "a table holds no more than it may");
            const std::uint64_t there = worker.tracker->table4().size() + worker.tracker->table6().size();
            require(counters.insert.read() == there + counters.expired.read() + counters.deleted.read() +
                                                  counters.early_drop.read(),
                    "flows that came are there or gone");
        }
        watch_for_evictions();
        if (!comparable_) return;
        plain_.expire(now_.tick);
        std::size_t live = 0;
        for (const Worker& worker : workers_) {
            live += compare_table(worker.tracker->table4(), Family::ipv4);
            live += compare_table(worker.tracker->table6(), Family::ipv6);
        }
        require(live == plain_.flows().size(), "the tables hold the plain tracker's flows");
    }

    template <class KeyT>
    static PlainKey key_of(const KeyT& key, Family family) {
        std::array<packet::Address, 2> address{};
        for (unsigned i = 0; i < 2; ++i)
            std::memcpy(address[i].data(), key.address[i].data(), KeyT::address_bytes);
        const bool query = key.protocol == packet::icmp || key.protocol == packet::icmpv6;
        const flow::Domain domain{key.vlans_and_pair, key.zone};
        return {family,
                key.protocol,
                {address[0], query ? std::uint16_t{0} : key.port[0]},
                {address[1], query ? std::uint16_t{0} : key.port[1]},
                query ? std::uint32_t{key.port[0]} << 16 | key.port[1] : 0,
                domain.outer_vlan(),
                domain.inner_vlan(),
                domain.pair(),
                domain.zone};
    }

    static void tell_key(const PlainKey& key) {
        const auto& [family, protocol, low, high, query, outer, inner, pair, zone] = key;
        std::fprintf(stderr,
                     "    flow: protocol %u %s port %u, %s port %u query %x tags %x %x pair %u zone %u\n",
                     protocol, control::address_text(family, std::get<0>(low)).c_str(), std::get<1>(low),
                     control::address_text(family, std::get<0>(high)).c_str(), std::get<1>(high), query,
                     outer, inner, pair, zone);
    }

    template <class Table>
    std::size_t compare_table(const Table& table, Family family) {
        std::size_t live = 0;
        typename Table::Snapshot snapshot;
        for (flow::Ref ref = 0; ref < table.high_water(); ++ref) {
            if (!table.read(ref, snapshot) || reached(now_.tick, snapshot.record.expiry)) continue;
            ++live;
            const auto found = plain_.flows().find(key_of(snapshot.record.key, family));
            if (found == plain_.flows().end() && fuzz::telling()) {
                tell_key(key_of(snapshot.record.key, family));
                for (const auto& [key, flow] : plain_.flows()) tell_key(key);
            }
            require(found != plain_.flows().end(), "a flow is one of the plain tracker's");
            const PlainFlow& plain = found->second;
            require(Table::original_from_high(snapshot.record) == plain.from_high, "with its originator");
            require(snapshot.record.expiry == plain.expiry, "with its deadline");
            require(snapshot.mark == plain.mark, "with its mark");
            const pipeline::FlowState& state = snapshot.record.payload;
            if (snapshot.record.key.protocol == packet::tcp) {
                require(std::memcmp(&state.tcp, &plain.tcp, sizeof plain.tcp) == 0,
                        "with its state, bit by bit");
            } else {
                require(state.datagram.lifetime == plain.tcp.lifetime &&
                            state.datagram.seen_reply == plain.tcp.seen_reply &&
                            state.datagram.assured == plain.tcp.assured &&
                            state.datagram.fixed_timeout == plain.tcp.fixed_timeout &&
                            state.datagram.stream_since == plain.stream_since,
                        "with its status");
            }
            if (!limits_.accounting) continue;
            for (unsigned i = 0; i < 2; ++i)
                require(snapshot.account.packets[i] == plain.packets[i] &&
                            snapshot.account.bytes[i] == plain.bytes[i],
                        "with its accounts");
        }
        return live;
    }

    // ---- Time and requests

    void poll() {
        for (unsigned times = 0; times < 8; ++times)
            for (unsigned i = 0; i < workers_.size(); ++i) {
                workers_[i].tracker->poll(now_, out_[0]);
                take(i, 0);
            }
        check();
    }

    void pass_time() {
        constexpr Tick jumps[] = {1,       500,     2000,      10'000,      31'000, 61'000,
                                  121'000, 301'000, 7'201'000, 432'001'000, 29'999, 119'999};
        now_.tick += input_.one_of(jumps);
        poll();
    }

    void ask() {
        const std::uint8_t kind = input_.u8();
        switch (kind & 7U) {
            case 0:
                flush();
                break;
            case 1:
                settings_.push_back(settings_from(input_));
                for (Worker& worker : workers_) {
                    Request request;
                    request.kind = Request::Kind::settings;
                    request.settings = &settings_.back();
                    require(answer(worker, request).answer == Request::Answer::done, "settings are taken");
                }
                plain_.obey(settings_.back());
                break;
            case 2:
            case 3:
                insert(kind >> 3);
                break;
            default:
                change(kind);
                break;
        }
        check();
    }

    Request answer(Worker& worker, const Request& request) {
        require(worker.tracker->mailbox().post(request), "there is room in the mailbox");
        Request out;
        for (int polls = 0; !worker.tracker->mailbox().collect(out); ++polls) {
            require(polls < 8, "a request is answered");
            worker.tracker->poll(now_, out_[0]);
            take(static_cast<unsigned>(&worker - workers_.data()), 0);
        }
        return out;
    }

    void flush() {
        std::uint64_t removed = 0, there = 0;
        for (Worker& worker : workers_) {
            Request request;
            request.kind = Request::Kind::flush;
            there += worker.tracker->table4().size() + worker.tracker->table6().size();
            removed += answer(worker, request).changed;
            require(worker.tracker->table4().size() + worker.tracker->table6().size() == 0,
                    "a flush leaves nothing");
        }
        require(removed <= there, "a flush removes what is there");
        plain_.flows().clear();
    }

    void insert(unsigned what) {
        control::NewFlow wanted;
        const bool six = (what & 1U) != 0;
        wanted.family = six ? Family::ipv6 : Family::ipv4;
        wanted.protocol = (what & 2U) != 0 ? packet::tcp : packet::udp;
        const Bytes probe = start(six ? 1 : 0, 0).udp(1, 2).build();
        packet::Headers names;
        packet::parse({probe, probe.size()}, names);
        wanted.source = names.source;
        wanted.destination = names.destination;
        wanted.source_port = wanted.protocol == packet::tcp ? 40'000 : 7;
        wanted.destination_port = wanted.protocol == packet::tcp ? 80 : 53;
        wanted.status = (what >> 2) & 7U;
        wanted.timeout_seconds = 1 + input_.u16();
        wanted.mark = what;
        wanted.pair = static_cast<tcp::Pair>(input_.below(tcp::pair_count));
        const Request request = control::insertion_of(wanted, now_.tick);
        const PlainKey key = six ? key_of(request.key6, Family::ipv6) : key_of(request.key4, Family::ipv4);
        // Who owns the key is asked of the steering, as the control thread does.
        pipeline::Steering steering;
        steering.workers = static_cast<unsigned>(workers_.size());
        const auto& first = *workers_[0].tracker;
        const unsigned owner = six ? steering.owner(request.key6, first.table6().hash_of(request.key6))
                                   : steering.owner(request.key4, first.table4().hash_of(request.key4));
        const Request made = answer(workers_[owner], request);
        watch_for_evictions();
        if (!comparable_) return;
        plain_.expire(now_.tick);
        if (plain_.flows().count(key) != 0) {
            require(made.answer == Request::Answer::exists, "there is such a flow already");
            return;
        }
        if (made.answer == Request::Answer::no_room) {
            const Tracker& full = *workers_[owner].tracker;
            require(
                six ? full.table6().size() == limits_.ipv6_flows : full.table4().size() == limits_.ipv4_flows,
                "only a full table has no room");
            return;
        }
        require(made.answer == Request::Answer::done, "a flow can be made by hand");
        PlainFlow flow;
        flow.from_high = request.original_from_high;
        flow.tcp = request.state.tcp;
        if (wanted.protocol != packet::tcp) flow.stream_since = request.state.datagram.stream_since;
        flow.expiry = now_.tick + wanted.timeout_seconds * ticks_per_second;
        flow.mark = wanted.mark;
        plain_.flows()[key] = flow;
    }

    /// Finds a flow, then removes or updates it, or one that is not there.
    void change(std::uint8_t kind) {
        if (!comparable_) return;
        plain_.expire(now_.tick);
        if (plain_.flows().empty()) return;
        auto chosen = plain_.flows().begin();
        std::advance(chosen, input_.u8() % plain_.flows().size());
        Worker* owner = nullptr;
        Request request;
        for (Worker& worker : workers_) {
            if (!name_flow(worker, chosen->first, request)) continue;
            require(owner == nullptr, "a flow has one owner");
            owner = &worker;
        }
        require(owner != nullptr, "a flow has an owner");
        request.kind = Request::Kind::find;
        const Request found = answer(*owner, request);
        require(found.answer == Request::Answer::done && found.flow == request.flow &&
                    found.original_from_high == chosen->second.from_high,
                "a flow that is there is found");

        const bool wrong = (kind & 8U) != 0;
        if (wrong) request.flow ^= 1U;
        if ((kind & 7U) == 4) {
            request.kind = Request::Kind::remove;
        } else {
            request.kind = Request::Kind::update;
            request.set_mark = (kind & 16U) != 0;
            request.set_timeout = (kind & 32U) != 0;
            request.set_assured = (kind & 64U) != 0;
            request.set_fixed_timeout = (kind & 128U) != 0;
            request.set_seen_reply = (kind & 7U) == 5;
            request.reset_account = (kind & 7U) == 6;
            request.mark = kind;
            request.timeout_seconds = (kind & 7U) == 7 ? max_lifetime_seconds : 1U + input_.u16();
        }
        const Request answered = answer(*owner, request);
        require(answered.answer == (wrong ? Request::Answer::not_found : Request::Answer::done),
                "a request is about the flow it names");
        if (wrong) return;
        if (request.kind == Request::Kind::remove)
            plain_.flows().erase(chosen);
        else
            update(chosen->second, request);
    }

    void update(PlainFlow& flow, const Request& request) const {
        if (request.set_mark) flow.mark = request.mark;
        if (request.set_timeout) flow.expiry = now_.tick + request.timeout_seconds * ticks_per_second;
        if (request.set_assured) flow.tcp.assured = 1;
        if (request.set_fixed_timeout) flow.tcp.fixed_timeout = 1;
        if (request.set_seen_reply) flow.tcp.seen_reply = 1;
        if (!request.reset_account) return;
        for (unsigned i = 0; i < 2; ++i) flow.packets[i] = flow.bytes[i] = 0;
    }

    /// Fills in the record and key by which this worker knows a flow; false when it does not have it.
    bool name_flow(const Worker& worker, const PlainKey& key, Request& request) const {
        bool found = false;
        const auto look = [&](const auto& table, Family family, auto& into) {
            typename std::remove_cvref_t<decltype(table)>::Snapshot snapshot;
            for (flow::Ref ref = 0; ref < table.high_water(); ++ref) {
                if (!table.read(ref, snapshot) || reached(now_.tick, snapshot.record.expiry) ||
                    key_of(snapshot.record.key, family) != key)
                    continue;
                request.family = family;
                request.flow = ref;
                into = snapshot.record.key;
                found = true;
            }
        };
        look(worker.tracker->table4(), Family::ipv4, request.key4);
        look(worker.tracker->table6(), Family::ipv6, request.key6);
        return found;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    World world(input);
    for (unsigned count = 0; !input.empty() && count < 300; ++count) world.next();
    world.finish();
    return 0;
}
