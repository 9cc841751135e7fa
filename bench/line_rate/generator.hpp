// One generator: makes packets, sends them to the box, takes back what comes out. Everything of it belongs to
// one core; the main thread reads what it publishes.
//
// Two ways to offer packets. Without a rate, as fast as the box takes them: what finds no room waits, nothing
// is lost on the way in, and the queues to the box are full whenever the box is slower. At a rate, without
// looking at the box: what finds no room is lost, as it is when a card's queue is full, and counts as missed.
//
// Where the worker has no thread of its own, the generator fills the queues, has the worker empty them, and
// takes out what came, in turns. Time then passes only while the worker works. Turns in which the thread was
// switched away from, and those after them, which find cold caches, are left out of the window.
#pragma once

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "line_rate/frame.hpp"
#include "line_rate/station.hpp"
#include "line_rate/traffic.hpp"

namespace sluice::bench {

template <class Traffic>
class Generator {
  public:
    Generator(const Station& station, Traffic& traffic, Progress& progress)
        : station_(station), traffic_(traffic), progress_(progress), feeds_(station.workers.size()) {
        for (std::size_t i = 0; i < feeds_.size(); ++i) feeds_[i].worker = station.workers[i];
    }

    Catch run(const Schedule& schedule) {
        const std::uint64_t drops_before = station_.read_drops();
        begin_ = last_ = heard_at_ = time();
        const std::uint64_t open = begin_ + schedule.warm_up, close = open + schedule.window;
        per_cycle_ = schedule.packets_per_second / static_cast<double>(rte_get_tsc_hz());
        milli_ = rte_get_tsc_hz() / 1000;
        switches_.fill(switches_of_this_thread());
        const Tally at_start = read();
        std::uint64_t opened = 0;
        Tally at_open;
        for (std::uint64_t now = begin_;; now = time()) {
            if (opened == 0 && now >= open) {
                opened = now;
                at_open = read();
                latency_ = {};
                broken_ = {};
                turns_ = 0;
            }
            if (schedule.until_done ? traffic_.done() || silent(now)
                                    : now >= close && enough(at_open, now - close)) {
                catch_.window = read() - at_open;
                catch_.window_cycles = time() - opened;
                if (!schedule.until_done) leave_out_broken_turns();
                catch_.latency = latency_;
                break;
            }
            const unsigned moved = station_.turn_worker
                                       ? take_turns()
                                       : drain() + (per_cycle_ == 0 ? offer() : offer_at_rate(now));
            look_up(now, moved);
        }
        for (Feed& feed : feeds_) {
            while (feed.first != feed.behind) traffic_.unpick(feed.picks[feed.first++]);
        }
        settle(drops_before, at_start.settled);
        catch_.total = read() - at_start;
        catch_.dropped = station_.read_drops() - drops_before;
        return catch_;
    }

  private:
    static constexpr unsigned burst = 32, batch = 2 * burst;
    static constexpr unsigned forfeit_microseconds = 100;
    /// A window in which hardly anything came, because threads were held up, is made longer, to a limit.
    static constexpr std::uint64_t least_flat_out = 16'384, least_at_rate = 256,
                                   longest_extension_milliseconds = 2000,
                                   longest_silence_milliseconds = 10'000;

    /// Packets written and not yet taken by the box.
    struct Lane {
        std::array<rte_mbuf*, batch> packets;
        unsigned first = 0, behind = 0;
        [[nodiscard]] unsigned size() const { return behind - first; }
    };
    /// One worker: what is to be sent to it next, and the lanes to its two queues.
    struct Feed {
        unsigned worker = 0;
        std::array<Pick, batch> picks;
        unsigned first = 0, behind = 0;
        std::array<Lane, 2> lanes;
    };

    /// Cycles: of the counter or, in turns, those that the worker had.
    [[nodiscard]] std::uint64_t time() const { return station_.turn_worker ? worked_ : rte_rdtsc(); }

    /// The queues filled as far as they go, emptied by the worker, and all that came out taken back.
    unsigned take_turns() {
        const Tally before = read();
        while (offer() != 0) {
        }
        const std::uint64_t cycles = station_.turn_worker();
        unsigned received = 0;
        while (const unsigned more = drain()) received += more;
        worked_ += cycles;
        ++turns_;
        const long switches = switches_of_this_thread();
        if (switches != switches_[0]) {
            broken_.tally += read() - before;
            broken_.cycles += cycles;
            ++broken_.turns;
        }
        switches_ = {switches_[1], switches};
        return received;
    }

    /// How often the thread lost its processor.
    static long switches_of_this_thread() {
        rusage use{};
        getrusage(RUSAGE_THREAD, &use);
        return use.ru_nvcsw + use.ru_nivcsw;
    }

    void leave_out_broken_turns() {
        catch_.turns = turns_;
        catch_.broken_turns = broken_.turns;
        if (broken_.turns == turns_) return;  // they are all there is; the figure is void
        catch_.window -= broken_.tally;
        catch_.window_cycles -= broken_.cycles;
    }

    /// Nothing has come back for so long that nothing will.
    [[nodiscard]] bool silent(std::uint64_t now) {
        if (tally_.all_received() != heard_) {
            heard_ = tally_.all_received();
            heard_at_ = now;
        }
        return now > heard_at_ && now - heard_at_ > longest_silence_milliseconds * milli_;
    }

    [[nodiscard]] bool enough(const Tally& at_open, std::uint64_t late) const {
        const std::uint64_t least = per_cycle_ == 0 ? least_flat_out : least_at_rate;
        return tally_.all_received() - at_open.all_received() >= least ||
               late >= longest_extension_milliseconds * milli_;
    }

    // ---- Sending

    /// A batch to each worker whose last one is gone.
    unsigned offer() {
        unsigned sent = 0;
        for (Feed& feed : feeds_) {
            for (const unsigned side : {0U, 1U}) sent += flush(feed, side, false);
            if (feed.lanes[0].size() != 0 || feed.lanes[1].size() != 0) continue;
            compose(feed, batch);
            for (const unsigned side : {0U, 1U}) sent += flush(feed, side, false);
            refill(feed);
        }
        return sent;
    }

    /// What is due by now. What should have been sent long ago, while this core was taken away, is not made
    /// up for: a burst faster than the rate would be another test.
    unsigned offer_at_rate(std::uint64_t now) {
        due_ += static_cast<double>(now - last_) * per_cycle_;
        last_ = now;
        const double most =
            std::max(double{batch}, per_cycle_ * static_cast<double>(milli_) / 1000 * forfeit_microseconds);
        if (due_ > most) {
            tally_.forfeited += static_cast<std::uint64_t>(due_ - most);
            due_ = most;
        }
        unsigned sent = 0;
        while (due_ >= 1) {
            Feed& feed = feeds_[turn_ = (turn_ + 1) % feeds_.size()];
            const unsigned made = compose(feed, std::min(batch, static_cast<unsigned>(due_)));
            for (const unsigned side : {0U, 1U}) sent += flush(feed, side, true);
            refill(feed);
            due_ -= made;
            if (made != 0) continue;
            // Nothing to say as yet, or nothing left to say it in.
            if (feed.first != feed.behind) tally_.forfeited += static_cast<std::uint64_t>(due_);
            due_ = 0;
        }
        return sent;
    }

    void refill(Feed& feed) {
        if (feed.first != feed.behind) return;
        feed.first = 0;
        feed.behind = traffic_.pick(feed.worker, feed.picks.data(), batch);
        station_.buffers->prefetch(feed.behind);
    }

    /// Writes up to `most` packets into the lanes.
    unsigned compose(Feed& feed, unsigned most) {
        refill(feed);
        std::array<rte_mbuf*, batch> taken;
        const unsigned count = station_.buffers->take(taken.data(), std::min(most, feed.behind - feed.first));
        for (unsigned i = 0; i < count; ++i) {
            const Pick& pick = feed.picks[feed.first++];
            std::uint8_t* frame = Buffers::frame_of(taken[i]);
            const Share share = traffic_.write(pick, feed.worker, frame);
            ++tally_.offered[share];
            tally_.bytes_in += frame_bytes(frame);
            Lane& lane = feed.lanes[pick.side];
            lane.packets[lane.behind++] = taken[i];
        }
        return count;
    }

    /// Sends what the queue takes; the rest waits or, with `drops`, is missed.
    unsigned flush(Feed& feed, unsigned side, bool drops) {
        Lane& lane = feed.lanes[side];
        if (lane.size() == 0) return 0;
        seal(lane, side);
        const unsigned wanted = lane.size();
        const unsigned sent =
            rte_eth_tx_burst(station_.ports[side], static_cast<std::uint16_t>(feed.worker),
                             lane.packets.data() + lane.first, static_cast<std::uint16_t>(wanted));
        ++tally_.attempts;
        if (station_.turn_worker) {  // both halves run on one core; a card leaves frames in the shared cache
            for (unsigned i = lane.first; i < lane.first + sent; ++i)
                demote(Buffers::frame_of(lane.packets[i]));
        }
        lane.first += sent;
        if (sent != wanted) {
            ++tally_.refused;
            if (drops) miss(lane, side);
        }
        if (lane.size() == 0) lane.first = lane.behind = 0;
        return sent;
    }

    void miss(Lane& lane, unsigned side) {
        for (; lane.first != lane.behind; ++lane.first) {
            rte_mbuf* packet = lane.packets[lane.first];
            const std::uint8_t* frame = Buffers::frame_of(packet);
            ++tally_.missed[traffic_.share_of(frame, side)];
            tally_.bytes_in -= frame_bytes(frame);
            if (is_ipv6(frame)) station_.buffers->restore(packet);
            station_.buffers->give_back(packet);
        }
    }

    /// The last stores: the time into the first frame that takes it, checksums where nobody vouches for them.
    void seal(Lane& lane, unsigned side) {
        for (unsigned i = lane.first; i < lane.behind; ++i) {
            std::uint8_t* frame = Buffers::frame_of(lane.packets[i]);
            if (!has_room_for_time(frame) || traffic_.share_of(frame, side) != measured) continue;
            stamp(frame, rte_rdtsc());
            break;
        }
        if (station_.buffers->comes_back()) return;
        for (unsigned i = lane.first; i < lane.behind; ++i)
            write_checksums(Buffers::frame_of(lane.packets[i]));
    }

    // ---- Receiving

    unsigned drain() {
        unsigned received = 0;
        for (const Feed& feed : feeds_) {
            for (const unsigned port : {0U, 1U}) received += drain(port, feed.worker);
        }
        return received;
    }

    unsigned drain(unsigned port, unsigned queue) {
        std::array<rte_mbuf*, burst> packets;
        const unsigned count =
            rte_eth_rx_burst(station_.ports[port], static_cast<std::uint16_t>(queue), packets.data(), burst);
        if (count == 0) return 0;
        const std::uint64_t now = rte_rdtsc();
        const unsigned side = 1 - port;
        unsigned ours = 0;
        for (unsigned i = 0; i < count; ++i) {
            if (!mine(packets[i])) {
                ++tally_.foreign;
                rte_pktmbuf_free(packets[i]);
                continue;
            }
            packets[ours++] = packets[i];
        }
        for (unsigned i = 0; i < ours; ++i) traffic_.prefetch(frame_of(packets[i]), side);
        for (unsigned i = 0; i < ours; ++i) take_back(packets[i], side, now);
        return count;
    }

    void take_back(rte_mbuf* packet, unsigned side, std::uint64_t now) {
        const std::uint8_t* frame = frame_of(packet);
        traffic_.arrived(frame, side);
        if (station_.buffers->comes_back() && !station_.buffers->owns(packet)) {
            ++tally_.spoken;
            rte_pktmbuf_free(packet);
            return;
        }
        const Share share = traffic_.share_of(frame, side);
        if (is_answer(frame)) {
            ++tally_.answers[share];
            station_.buffers->restore(packet);
        } else {
            ++tally_.received[share];
            tally_.bytes_out += frame_bytes(frame);
            if (const std::uint64_t stamped = share == measured ? stamp_of(frame) : 0; stamped != 0)
                latency_.add((now - stamped) & stamp_mask);
            if (is_ipv6(frame)) station_.buffers->restore(packet);
        }
        if (station_.buffers->comes_back()) {
            station_.buffers->give_back(packet);
        } else {
            rte_pktmbuf_free(packet);
        }
    }

    /// Rings lead nowhere else: what is not of the generator's buffers the box has made.
    [[nodiscard]] bool mine(rte_mbuf* packet) const {
        if (station_.buffers->comes_back()) return true;
        return is_ours(frame_of(packet), packet->data_len);
    }
    [[nodiscard]] std::uint8_t* frame_of(rte_mbuf* packet) const {
        return station_.buffers->comes_back() ? Buffers::frame_of(packet)
                                              : rte_pktmbuf_mtod(packet, std::uint8_t*);
    }

    // ---- Beside the packets

    [[nodiscard]] Tally read() const {
        Tally all = tally_;
        all.completed = traffic_.completed();
        all.sent_again = traffic_.sent_again();
        station_.read_workers(all);
        return all;
    }

    void look_up(std::uint64_t now, unsigned moved) {
        if (now - looked_ >= milli_) {
            looked_ = now;
            traffic_.turn(static_cast<std::uint32_t>(now / milli_));
            progress_.sent.store(tally_.all_accepted(), std::memory_order_relaxed);
            progress_.received.store(tally_.all_received(), std::memory_order_relaxed);
            progress_.completed.store(traffic_.completed(), std::memory_order_relaxed);
        }
        idle_ = moved == 0 ? idle_ + 1 : 0;
        if (idle_ != 0) rte_pause();
        if (station_.shares_core && idle_ % 16 == 15) sched_yield();
    }

    /// Sends what still waits and waits for what is still under way, until all is accounted for or nothing
    /// has come for a while.
    void settle(std::uint64_t drops_before, std::uint64_t settled_before) {
        const std::uint64_t patience = 500 * milli_;
        // What the box says itself may still lie in its own queues; in turns it empties them.
        const std::uint64_t silence =
            settled_before == read().settled || station_.turn_worker ? 0 : 2 * milli_;
        const auto accounted_for = [&] {
            return tally_.all_received() + station_.read_drops() - drops_before + read().settled -
                   settled_before;
        };
        for (std::uint64_t now = time(), heard = now; now - heard < patience; now = time()) {
            if (station_.turn_worker) worked_ += station_.turn_worker();
            unsigned moved = drain();
            for (Feed& feed : feeds_) {
                for (const unsigned side : {0U, 1U}) moved += flush(feed, side, false);
            }
            if (moved != 0) heard = now;
            // More than were sent, where the box could not send what it said itself.
            if (now - heard >= silence && moved == 0 && tally_.all_accepted() <= accounted_for()) return;
            look_up(now, moved);
        }
        for (Feed& feed : feeds_) {
            for (const unsigned side : {0U, 1U}) miss(feed.lanes[side], side);
        }
    }

    const Station& station_;
    Traffic& traffic_;
    Progress& progress_;
    std::vector<Feed> feeds_;
    Tally tally_;
    Histogram latency_;
    Catch catch_;
    std::uint64_t heard_ = 0, heard_at_ = 0;
    std::uint64_t begin_ = 0, last_ = 0, looked_ = 0, milli_ = 1;
    // In turns.
    std::uint64_t worked_ = rte_rdtsc();  ///< when it began, and the worker's cycles since
    std::uint64_t turns_ = 0;             ///< of the window
    struct {
        Tally tally;
        std::uint64_t cycles = 0, turns = 0;
    } broken_;                        ///< what of the window does not count
    std::array<long, 2> switches_{};  ///< of the thread, before the last turn and after it
    double per_cycle_ = 0, due_ = 0;
    std::size_t turn_ = 0;
    unsigned idle_ = 0;
};

}  // namespace sluice::bench
