// Packets of a burst that belong to different known connections: judged together, a lane each. Part of
// tracker.hpp.
//
// The packet path's usual packet is arithmetic on ten words of its record and a look at the tables (tcp/
// usual.hpp), and eight of them cost little more than one. So such packets wait, up to eight of them; then
// the group is judged: in lanes those that are the first of their connection in the group, and whose
// connection is as usual; then the others, one by one, but for those of the same connections, which are a
// group of their own where they are several. Who waits has its place in the output already, so packets leave
// in the order in which they came. What a flow is read for follows when the lanes are done, a packet after
// the other.
//
// Another kind of packet overtakes those that wait when nothing can come of it: it belongs to none of their
// connections, and what it may add to the table finds room without pushing anything out. Otherwise they are
// judged first. (Which remembered SYNs push others out of their side table may differ. They are kept as long
// as there is room, and no longer, in any order.)
#pragma once

#include <bit>
#include <utility>

#include "sluice/base/lanes.hpp"
#include "sluice/guard/translation_lanes.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
class Tracker<Io, Observer>::Group {
  public:
    Group(Tracker& tracker, Now now, Output<Io>& out)
        : tracker_(tracker), flows_(tracker.table<AddressBytes>()), now_(now), out_(out) {}

    /// Lets `item`, a usual segment, wait when its flow seems to be known. False: it is for judge().
    [[nodiscard, gnu::always_inline]] bool take(Item& item) {
        if (item.candidate == flow::no_ref) [[unlikely]]
            return false;
        if (size_ == lane_count) judge_waiting();
        flags_ |= item.segment.flags;
        items_[size_] = &item;
        places_[size_++] = static_cast<std::uint32_t>(out_.size++);
        return true;
    }

    /// Judges eight such items that nobody waits before, one behind the other. False: some do.
    [[nodiscard, gnu::always_inline]] bool take_eight(Item* items) {
        if (size_ != 0) return false;
        items_[0] = items;
        places_[0] = static_cast<std::uint32_t>(out_.size);
        out_.size += lane_count;
        size_ = lane_count;
        judge_in_a_row();
        return true;
    }

    /// Whether a packet of the flow with this hash may be judged before those that wait.
    [[nodiscard]] bool may_overtake(std::uint64_t hash) const {
        if (size_ == 0) return true;
        for (unsigned i = 0; i < size_; ++i)
            if (items_[i]->hash == hash) return false;
        return tracker_.adds_quietly<AddressBytes>(hash);
    }

    /// Judges all that wait.
    [[gnu::always_inline]] void judge() {
        if (size_ != 0) judge_waiting();
    }

  private:
    using Flows = std::conditional_t<AddressBytes == 4, Table4, Table6>;

    static constexpr std::uint32_t lifetime_bits = 31;  ///< of the small fields

    /// From how many on the lanes are cheaper than one after the other.
    static constexpr unsigned worthwhile = 3;

    [[gnu::noinline]] void judge_waiting() {
        if (size_ < worthwhile)
            judge_alone();
        else if ((flags_ & tcp::Flag::fin) != 0)
            judge_any_pair();
        else if (tracker_.reads_) [[unlikely]]
            judge_read();
        else
            judge_in_lanes<tcp::Within::open_connection, false, false>();
        flags_ = 0;
    }
    /// Eight that lie one behind the other, as nearly all do: only the first is noted, and with it where all
    /// are, a pointer and two loads less for each.
    [[gnu::noinline]] void judge_in_a_row() {
        if (!tracker_.reads_) [[likely]]
            return judge_in_lanes<tcp::Within::open_connection, true, false>();
        note_all<true>();
        judge_read();
    }
    template <bool in_a_row>
    [[nodiscard, gnu::always_inline]] Item& item(unsigned lane) const {
        return in_a_row ? items_[0][lane] : *items_[lane];
    }
    /// For whatever looks at one of them.
    template <bool in_a_row>
    void note_all() {
        if constexpr (in_a_row)
            for (unsigned i = 1; i < lane_count; ++i) {
                items_[i] = items_[0] + i;
                places_[i] = places_[0] + i;
            }
    }

    /// One after the other.
    void judge_alone() {
        for (unsigned i = 0; i < size_; ++i) judge_alone(i);
        size_ = 0;
    }
    void judge_alone(unsigned lane) { settle(lane, tracker_.decide<AddressBytes>(*items_[lane], now_)); }
    void settle(unsigned lane, const Decision& decision) {
        Item& item = *items_[lane];
        if (tracker_.inspector_ != nullptr && tracker_.read<AddressBytes>(item, decision, now_))
            [[unlikely]] {
            leave_gap(lane);
            return;
        }
        tracker_.count(item, decision);
        out_.judged[places_[lane]] = {item.packet, decision};
    }

    /// From the start, as it turns out that they are more than open connections' data: rare, and what is
    /// likely keeps its registers.
    [[gnu::noinline]] void judge_any_pair() {
        for (unsigned i = 0; i < size_; ++i) flows_.prefetch_age(items_[i]->candidate);
        judge_in_lanes<tcp::Within::any_pair, false, true>();
    }
    /// Where flows are read, as in the group before.
    [[gnu::noinline]] void judge_read() { judge_in_lanes<tcp::Within::open_connection, false, true>(); }

    template <tcp::Within within, bool in_a_row, bool may_read>
    [[gnu::always_inline]] void judge_in_lanes() {
        // Lanes that nobody waits in repeat the first; nothing comes of them.
        if constexpr (!in_a_row)
            for (unsigned i = size_; i < lane_count; ++i) items_[i] = items_[0];
        typename Flows::EightRecords records;
        for (unsigned i = 0; i < lane_count; ++i) records[i] = flows_.address_of(item<in_a_row>(i).candidate);
        const auto words_at = [&]<std::size_t Words>(std::size_t offset) {
            return load_columns<Words>([&](unsigned lane) {
                return reinterpret_cast<const std::byte*>(&item<in_a_row>(lane)) + offset;
            });
        };
        typename Flows::Columns columns = Flows::columns(records);
        auto& words = columns.front;
        const auto numbers = words_at.template operator()<8>(offsetof(Item, segment));

        // Behind version and expiry: four words of the originator, four of the responder, the small fields.
        Lanes &expiry = words[1], &a_end = words[2], &a_max_end = words[3], &a_max_window = words[4],
              &a_max_ack = words[5], &b_end = words[6], &b_max_end = words[7], &b_max_window = words[8],
              &b_max_ack = words[9], &fields = words[10];
        tcp::SegmentOf<Lanes> segment = segment_of(numbers);
        const auto key_of = [&](unsigned lane) -> const auto& {
            return key<AddressBytes>(item<in_a_row>(lane));
        };
        const Lanes holds = Flows::holds(records, columns, key_of, now_.tick);
        Lanes read{};  // the bit that says so, of those that are read for signatures
        if constexpr (may_read) {
            if (tracker_.inspector_ != nullptr) [[unlikely]]
                read = find_read(fields);
            fields &= ~read;
        }
        if constexpr (within == tcp::Within::open_connection) {
            // Flags are asked for before where items are taken one by one; here for eight at once.
            const Lanes no_fin = is_equal(segment.fin, Lanes{});
            if (bits_of(tcp::is_plainly_open(fields) & holds & no_fin) != all_lane_bits) [[unlikely]] {
                note_all<in_a_row>();
                judge_any_pair();
                return;
            }
        } else if (bits_of(holds) != all_lane_bits) [[unlikely]] {
            // One of them may open a flow, and that push out another's.
            read_ = 0;
            judge_alone();
            return;
        }
        const typename Flows::Deadlines was{expiry, fields & lifetime_bits};
        const Lanes from_reply = is_from_high(numbers[7]) ^ Flows::original_from_high(columns);
        Lanes usual = ~repeats_earlier(numbers[6]);
        if constexpr (within == tcp::Within::any_pair) {
            usual &= tcp::is_usual(fields);
            // A fixed timeout may be a rule's, who has a word on what it is.
            if (tracker_.rules_.kept()) usual &= ~has_fixed_timeout(fields);
        }
        if (tracker_.guard_ != nullptr && tracker_.guard_->template any_proxied<AddressBytes>())
            [[unlikely]] {
            note_all<in_a_row>();
            const Proxied proxied = find_proxied();
            segment.acknowledgement -= proxied.delta & ~from_reply;
            segment.sack_highest -= proxied.delta & ~from_reply;
            usual &= ~proxied.others;
        }
        const auto mine = [&](const Lanes& a, const Lanes& b) { return select(from_reply, b, a); };
        const auto other = [&](const Lanes& a, const Lanes& b) { return select(from_reply, a, b); };
        tcp::SideOf<Lanes> sender{mine(a_end, b_end), mine(a_max_end, b_max_end),
                                  mine(a_max_window, b_max_window), mine(a_max_ack, b_max_ack)};
        tcp::SideOf<Lanes> receiver{other(a_end, b_end), other(a_max_end, b_max_end),
                                    other(a_max_window, b_max_window), other(a_max_ack, b_max_ack)};
        const tcp::StepOf<Lanes> step =
            tcp::step_usual<within>(sender, receiver, fields, from_reply, segment, tracker_.settings_->tcp);
        refresh<within>(expiry, fields, step);
        if constexpr (may_read) fields |= read;
        a_end = mine(sender.end, receiver.end);
        a_max_end = mine(sender.max_end, receiver.max_end);
        a_max_window = mine(sender.max_window, receiver.max_window);
        a_max_ack = mine(sender.max_ack, receiver.max_ack);
        b_end = other(sender.end, receiver.end);
        b_max_end = other(sender.max_end, receiver.max_end);
        b_max_window = other(sender.max_window, receiver.max_window);
        b_max_ack = other(sender.max_ack, receiver.max_ack);
        const unsigned waiting = in_a_row ? all_lane_bits : (1U << size_) - 1;
        const unsigned good = bits_of(step.accepted & usual) & waiting;
        if constexpr (within == tcp::Within::any_pair)
            if (tracker_.events_.wants(EventKind::updated)) [[unlikely]]
                tell_if_changed(expiry, fields, good);
        const unsigned replies = bits_of(from_reply);
        const auto counted_of = [&](unsigned lane) __attribute__((always_inline)) {
            const Item& one = item<in_a_row>(lane);
            return typename Flows::Counted{one.candidate, replies >> lane & 1U, one.network_bytes};
        };
        flows_.update(records, columns, was, {expiry, fields & lifetime_bits}, now_.tick, good, counted_of);
        if constexpr (within == tcp::Within::any_pair) count_completed(was.lifetime, fields, good);
        if (proxied_ != 0) [[unlikely]]
            translate_proxied(good, from_reply);
        unsigned at_once = good;
        if constexpr (may_read)
            if (read_ != 0) [[unlikely]]
                at_once &= ~read_accepted(good, bits_of(tcp::is_plainly_open(fields & ~read)), replies);
        pass<in_a_row>(at_once, from_reply, numbers[6]);
        count<in_a_row>(at_once);
        if (const unsigned others = waiting & ~good; others != 0) [[unlikely]] {
            note_all<in_a_row>();
            judge_others(others, good);
        } else {
            size_ = 0;
        }
    }

    /// Those that were not judged in lanes: the later ones of a connection together once more, where the last
    /// time was worthwhile, behind all others.
    [[gnu::noinline]] void judge_others(unsigned others, unsigned judged) {
        unsigned again = 0;
        if (static_cast<unsigned>(std::popcount(judged)) >= worthwhile)
            each_of(others, [&](unsigned lane) {
                if (is_later(lane)) again |= 1U << lane;
            });
        each_of(others & ~again, [&](unsigned lane) { judge_alone(lane); });
        size_ = 0;
        each_of(again, [&](unsigned lane) {
            items_[size_] = items_[lane];
            places_[size_++] = places_[lane];
        });
        judge_waiting();
    }
    /// Calls `f(lane)` for each whose bit is set; where few are.
    template <class F>
    static void each_of(unsigned bits, F&& f) {
        for (; bits != 0; bits &= bits - 1) f(static_cast<unsigned>(std::countr_zero(bits)));
    }
    /// Whether one before it is of the same connection.
    [[nodiscard]] bool is_later(unsigned lane) const {
        for (unsigned earlier = 0; earlier < lane; ++earlier)
            if (items_[earlier]->candidate == items_[lane]->candidate) return true;
        return false;
    }

    /// Of the words of Item::segment.
    [[nodiscard, gnu::always_inline]] static tcp::SegmentOf<Lanes> segment_of(
        const std::array<Lanes, 8>& numbers) {
        static_assert(offsetof(Item, from_high) == offsetof(Item, candidate) + 4 &&
                      offsetof(Item, candidate) == offsetof(Item, segment) + 24);
        static_assert(offsetof(tcp::Segment, flags) == 18 && offsetof(tcp::Segment, has_sack) == 22);
        return {.sequence = numbers[0],
                .acknowledgement = numbers[1],
                .payload_length = numbers[2],
                .window = numbers[4] & 0xFFFFU,
                .fin = numbers[4] >> 16 & std::uint32_t{tcp::Flag::fin},
                .sack_highest = numbers[3],
                .has_sack = is_negative(numbers[5] << 15)};
    }

    /// New deadlines and lifetimes, as judge_tcp() has them.
    template <tcp::Within within>
    [[gnu::always_inline]] void refresh(Lanes& expiry, Lanes& fields, const tcp::StepOf<Lanes>& step) const {
        fields = (fields & ~lifetime_bits) | step.lifetime;
        if constexpr (within == tcp::Within::open_connection) {
            const auto is = [&](Lifetime which) {
                return is_equal(step.lifetime, all_lanes(static_cast<std::uint32_t>(which)));
            };
            const auto until = [&](Lifetime which) {
                return all_lanes(now_.tick + tracker_.ticks_of(which));
            };
            expiry = select(is(Lifetime::established), until(Lifetime::established),
                            select(is(Lifetime::unacknowledged), until(Lifetime::unacknowledged),
                                   until(Lifetime::max_retrans)));
        } else {
            const Lanes wanted = now_.tick + each(step.lifetime, [&](std::uint32_t which) {
                                     return tracker_.intervals_[which];
                                 });
            const Lanes extends =
                is_equal(step.refresh, all_lanes(static_cast<std::uint32_t>(tcp::Refresh::extend)));
            const Lanes stays = extends & ~is_negative(expiry - wanted);
            expiry = select(stays | has_fixed_timeout(fields), expiry, wanted);
        }
    }

    /// Decides on those whose bit is set: both sides are known, so the flow has been answered.
    template <bool in_a_row>
    [[gnu::always_inline]] void pass(unsigned good, const Lanes& from_reply, const Lanes& refs) {
        using Judged = typename Output<Io>::Judged;
        static_assert(offsetof(Decision, direction) == 4 && offsetof(Decision, flow) == 8 &&
                          offsetof(Judged, decision) + sizeof(HalfLanes) == sizeof(Judged),
                      "a decision is three words of a row, and the fourth is nobody's");
        constexpr Decision decision{
            .action = Action::pass,
            .state = CtState::established,
            .family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6};
        const Quads rows = rows_of(all_lanes(load<std::uint32_t>(&decision)), from_reply & 1U, refs, Lanes{});
        const auto put = [&](unsigned lane, Judged& judged) __attribute__((always_inline)) {
            judged.packet = item<in_a_row>(lane).packet;
            store(reinterpret_cast<std::byte*>(&judged) + offsetof(Judged, decision), row(rows, lane));
        };
        Judged* const first = &out_.judged[places_[0]];
        if (in_a_row || places_[size_ - 1] - places_[0] == size_ - 1)
            for_each_lane(
                good, [&](unsigned lane) __attribute__((always_inline)) { put(lane, first[lane]); });
        else
            for_each_lane(
                good, [&](unsigned lane)
                          __attribute__((always_inline)) { put(lane, out_.judged[places_[lane]]); });
    }

    template <bool in_a_row>
    [[gnu::always_inline]] void count(unsigned good) {
        const auto packets = static_cast<unsigned>(std::popcount(good));
        std::uint64_t bytes = 0;
        for_each_lane(
            good, [&](unsigned lane) __attribute__((always_inline)) { bytes += item<in_a_row>(lane).bytes; });
        Counters& counters = tracker_.counters_;
        counters.packets.add(packets);
        counters.bytes.add(bytes);
        counters.passed.add(packets);
        counters.found.add(packets);
    }

    /// Those whose flows are read for the signatures in force, and for which no SYN is remembered: they are
    /// judged in lanes as all others, unless they are proxied and so read in other numbers than they came
    /// with. Masks of the bit that tells of both.
    [[nodiscard, gnu::noinline]] Lanes find_read(Lanes fields) {
        const Inspector<typename Io::Packet>& inspector = *tracker_.inspector_;
        const std::uint32_t bit = tcp::pending_bit();
        read_ = 0;
        const bool remembers_syns = !tracker_.template pending<AddressBytes>().is_empty();
        alignas(Lanes) std::array<std::uint32_t, lane_count> out{};
        for (unsigned lane = 0; lane < size_; ++lane) {
            if ((fields[lane] & bit) == 0) continue;
            const flow::Ref ref = items_[lane]->candidate;
            const inspect::FlowNumber number = inspector.template number_of<AddressBytes>(ref);
            if (number == inspect::no_flow || !inspector.is_current(number) ||
                (remembers_syns && tracker_.template pending<AddressBytes>().find(ref) != nullptr) ||
                tracker_.template is_proxied<AddressBytes>(ref))
                continue;
            out[lane] = bit;
            numbers_[lane] = number;
            read_ |= 1U << lane;
        }
        for (unsigned lane = size_; lane < lane_count; ++lane) out[lane] = out[0];  // they repeat the first
        tracker_.reads_ = read_ != 0;
        return load<Lanes>(out.data());
    }
    /// Those whose bit is set, when their flows are read; `open`: of those that are nothing but open. Which
    /// of them do not pass in their places.
    [[nodiscard, gnu::noinline]] unsigned read_accepted(unsigned good, unsigned open, unsigned replies) {
        tracker_.at_ = now_;
        unsigned gone = 0;
        each_of(good & std::exchange(read_, 0), [&](unsigned lane) {
            const auto direction = static_cast<tcp::Direction>(replies >> lane & 1U);
            // Behind one that has left its place none stays in its own.
            const bool is_short = (open >> lane & 1U) != 0 && !tracker_.has_gaps_;
            if (is_short &&
                tracker_.template read_next<AddressBytes>(*items_[lane], numbers_[lane], direction))
                return;
            const Decision decision{.action = Action::pass,
                                    .state = CtState::established,
                                    .family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6,
                                    .direction = direction,
                                    .flow = items_[lane]->candidate};
            if (!tracker_.template read<AddressBytes>(*items_[lane], decision, now_)) return;
            leave_gap(lane);
            gone |= 1U << lane;
        });
        return gone;
    }
    /// It stands for no packet.
    void leave_gap(unsigned lane) {
        out_.judged[places_[lane]].packet = nullptr;
        tracker_.has_gaps_ = true;
    }

    /// Packets of proxied flows. (By value: what is handed to a function by reference lies in memory for all
    /// the others, too, 4 instructions a packet.)
    struct Proxied {
        Lanes delta;   ///< what clients say of their server's numbers, minus the server's own
        Lanes others;  ///< masks: not to be translated here
    };
    [[nodiscard, gnu::noinline]] Proxied find_proxied() {
        const SynGuard& guard = *tracker_.guard_;
        alignas(Lanes) std::array<std::uint32_t, lane_count> delta{}, others{};
        for (unsigned lane = 0; lane < size_; ++lane) {
            if (!guard.template is_proxied<AddressBytes>(items_[lane]->candidate)) continue;
            const GuardRecord& record = guard.template record<AddressBytes>(items_[lane]->candidate);
            std::uint8_t* const header = tracker_.template plain_header<AddressBytes>(*items_[lane]);
            if (record.handshake != 0 || header == nullptr) {
                others[lane] = ~0U;
                continue;
            }
            delta[lane] = record.translation().sequence_delta;
            translated_[lane] = {header, reinterpret_cast<const std::byte*>(&record)};
            proxied_ |= 1U << lane;
        }
        return {load<Lanes>(delta.data()), load<Lanes>(others.data())};
    }
    /// Those whose bit is set, when they are proxied.
    [[gnu::noinline]] void translate_proxied(unsigned which, const Lanes& from_reply) {
        guard::translate(translated_, which & proxied_, from_reply);
        proxied_ = 0;
    }

    /// Those whose handshake is complete are half-open no more.
    void count_completed(const Lanes& was, const Lanes& fields, unsigned good) {
        if (tracker_.guard_ == nullptr) return;
        each_of(good, [&](unsigned lane) {
            if (is_half_open(was[lane]) && !is_half_open(fields[lane] & lifetime_bits))
                tracker_.count_gone<AddressBytes>(items_[lane]->candidate, guard::HalfOpenEnd::completed);
        });
    }

    /// Before the table has what is new of those whose bit is set.
    [[gnu::noinline]] void tell_if_changed(const Lanes& expiry, const Lanes& fields, unsigned good) {
        each_of(good, [&](unsigned lane) {
            FlowState state = flows_.record(items_[lane]->candidate).payload;
            store(reinterpret_cast<std::byte*>(&state) + sizeof state - sizeof(std::uint32_t),
                  std::uint32_t{fields[lane]});
            tracker_.tell_if_changed<AddressBytes>(items_[lane]->candidate, state, expiry[lane], now_);
        });
    }

    [[nodiscard, gnu::always_inline]] static Lanes has_fixed_timeout(const Lanes& fields) {
        return is_negative(fields << 24);
    }
    /// Of an item's words behind `candidate`.
    [[nodiscard]] static Lanes is_from_high(const Lanes& word) { return is_negative(word << 31); }

    Tracker& tracker_;
    Flows& flows_;
    Now now_;
    Output<Io>& out_;
    unsigned size_ = 0;
    std::uint8_t flags_ = 0;                        ///< the flags of those that wait
    std::array<Item*, lane_count> items_;           ///< those that wait
    std::array<std::uint32_t, lane_count> places_;  ///< theirs in the output
    unsigned read_ = 0;                             ///< a bit for each whose flow is read for signatures
    std::array<inspect::FlowNumber, lane_count> numbers_;  ///< of those
    unsigned proxied_ = 0;                                 ///< a bit for each that is to be translated
    std::array<guard::Translated, lane_count> translated_;
};

}  // namespace sluice::pipeline
