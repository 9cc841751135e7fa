// Neighbours in a burst that belong to different established connections: judged together, a lane each. Part
// of tracker.hpp.
//
// The packet path's usual packet needs no decision, only arithmetic on ten words of its record (tcp/
// established.hpp), and eight of them cost little more than one. So such packets wait, up to eight of them,
// until another kind of packet comes along or one of a connection that is waiting already; then the group is
// judged. Who waits has its place in the output already, so packets leave in the order in which they came.
#pragma once

#include <bit>

#include "sluice/base/lanes.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
class Tracker<Io, Observer>::EstablishedGroup {
  public:
    EstablishedGroup(Tracker& tracker, Now now, Output<Io>& out)
        : tracker_(tracker), flows_(tracker.table<AddressBytes>()), now_(now), out_(out) {}

    /// Lets `item`, a plain ACK, wait when its flow is plainly established. False: it is for judge().
    [[nodiscard, gnu::always_inline]] bool take(Item& item) {
        const flow::Ref ref = item.candidate;
        if (!flows_.holds(ref, key<AddressBytes>(item), now_.tick)) [[unlikely]]
            return false;
        const auto& record = flows_.record(ref);
        if (!tcp::is_plainly_established(tcp::small_fields(record.payload.tcp))) [[unlikely]]
            return false;
        if (size_ == lane_count || waits(ref)) judge();
        const tcp::Direction direction = direction_of(item.from_high, flows_.original_from_high(record));
        item.reply_mask = mask_of(direction == tcp::Direction::reply);
        refs_ = select(is_equal(lane_numbers, all_lanes(size_)), all_lanes(ref), refs_);
        items_[size_] = &item;
        places_[size_++] = static_cast<std::uint32_t>(out_.size);
        out_.add(item.packet, {.action = Action::pass,
                               .state = CtState::established,
                               .family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6,
                               .direction = direction,
                               .flow = ref});
        return true;
    }

    /// Judges all that wait.
    [[gnu::always_inline]] void judge() {
        if (size_ != 0) judge_waiting();
    }

  private:
    /// From how many on the lanes are cheaper than one after the other.
    static constexpr unsigned worthwhile = 3;

    [[nodiscard]] bool waits(flow::Ref ref) const {
        const Lanes same = is_equal(refs_, all_lanes(ref));
        return any_of(same);
    }

    [[gnu::noinline]] void judge_waiting() {
        if (size_ < worthwhile)
            for (unsigned i = 0; i < size_; ++i) judge_alone(i);
        else
            judge_together();
        size_ = 0;
        refs_ = all_lanes(flow::no_ref);
    }

    void judge_alone(unsigned lane) {
        const Decision decision = tracker_.judge_flow<AddressBytes>(*items_[lane], now_);
        tracker_.count(*items_[lane], decision);
        out_.judged[places_[lane]].decision = decision;
    }

    void judge_together() {
        // Lanes that nobody waits in repeat the first; nothing comes of them.
        std::array<flow::Ref, lane_count> refs;
        std::array<const tcp::Segment*, lane_count> segments;
        for (unsigned i = 0; i < lane_count; ++i) {
            const Item& item = *items_[i < size_ ? i : 0];
            refs[i] = item.candidate;
            segments[i] = &item.segment;
        }
        const auto row_of = [&](unsigned lane) { return reinterpret_cast<const std::byte*>(segments[lane]); };
        const auto numbers = load_columns(row_of);
        const auto rest = load_columns([&](unsigned lane) { return row_of(lane) + 16; });
        auto columns = flows_.columns(refs);

        // Behind version and expiry: four words of the originator, four of the responder, the small fields.
        auto& [version, expiry, a_end, a_max_end, a_max_window, a_max_ack, b_end, b_max_end, b_max_window,
               b_max_ack, fields, key_begins] = columns;
        const Lanes from_reply = rest[3];
        const auto deadlines = [&] { return typename Flows::Deadlines{expiry, fields & 31U}; };
        const auto was = deadlines();
        const auto mine = [&](const Lanes& a, const Lanes& b) { return select(from_reply, b, a); };
        const auto other = [&](const Lanes& a, const Lanes& b) { return select(from_reply, a, b); };
        tcp::SideOf<Lanes> sender{mine(a_end, b_end), mine(a_max_end, b_max_end),
                                  mine(a_max_window, b_max_window), mine(a_max_ack, b_max_ack)};
        tcp::SideOf<Lanes> receiver{other(a_end, b_end), other(a_max_end, b_max_end),
                                    other(a_max_window, b_max_window), other(a_max_ack, b_max_ack)};
        const Lanes accepted = tcp::step_established<Lanes>(
            sender, receiver, fields, from_reply, {numbers[0], numbers[1], numbers[2], rest[0] & 0xFFFFU},
            tracker_.settings_->tcp);
        const Lanes lifetime = fields & 31U;
        const auto until = [&](Lifetime which) { return all_lanes(now_.tick + tracker_.ticks_of(which)); };
        const auto is = [&](Lifetime which) {
            return is_equal(lifetime, all_lanes(static_cast<std::uint32_t>(which)));
        };
        expiry = select(is(Lifetime::established), until(Lifetime::established),
                        select(is(Lifetime::unacknowledged), until(Lifetime::unacknowledged),
                               until(Lifetime::max_retrans)));
        a_end = mine(sender.end, receiver.end);
        a_max_end = mine(sender.max_end, receiver.max_end);
        a_max_window = mine(sender.max_window, receiver.max_window);
        a_max_ack = mine(sender.max_ack, receiver.max_ack);
        b_end = other(sender.end, receiver.end);
        b_max_end = other(sender.max_end, receiver.max_end);
        b_max_window = other(sender.max_window, receiver.max_window);
        b_max_ack = other(sender.max_ack, receiver.max_ack);
        const unsigned waiting = (1U << size_) - 1;
        const unsigned good = bits_of(accepted) & waiting;
        flows_.update(refs, columns, was, deadlines(), now_.tick, good);
        count(good);
        for (unsigned bad = waiting & ~good; bad != 0; bad &= bad - 1)
            [[unlikely]] judge_alone(static_cast<unsigned>(std::countr_zero(bad)));
    }

    void count(unsigned good) {
        const auto packets = static_cast<unsigned>(std::popcount(good));
        std::uint32_t bytes = 0;
        for (unsigned i = 0; i < size_; ++i) {
            if ((good >> i & 1U) == 0) continue;
            const Item& item = *items_[i];
            bytes += item.bytes;
            flows_.account(item.candidate, item.reply_mask & 1U, item.network_bytes);
        }
        Counters& counters = tracker_.counters_;
        counters.packets.add(packets);
        counters.bytes.add(bytes);
        counters.passed.add(packets);
        counters.found.add(packets);
    }

    using Flows = std::conditional_t<AddressBytes == 4, Table4, Table6>;

    Tracker& tracker_;
    Flows& flows_;
    Now now_;
    Output<Io>& out_;
    unsigned size_ = 0;
    Lanes refs_ = all_lanes(flow::no_ref);          ///< of those that wait
    std::array<Item*, lane_count> items_;           ///< those that wait
    std::array<std::uint32_t, lane_count> places_;  ///< theirs in the output
};

}  // namespace sluice::pipeline
