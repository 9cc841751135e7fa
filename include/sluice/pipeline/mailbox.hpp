// How the control thread asks a worker to change its flows: a bounded single-producer, single-consumer ring.
// The owner takes a few requests a poll and answers in the same slot; nobody waits on the packet path.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "sluice/flow/key.hpp"
#include "sluice/flow/table.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/saved_flow.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

/// One request and, after the owner has seen it, its answer.
struct Request {
    enum class Kind : std::uint8_t {
        find,      ///< is there a flow with this key? answers `flow` and `original_from_high`
        remove,    ///< the flow `flow`, if it still has this key
        update,    ///< what the set_ and reset_ flags say of the flow `flow`, if it still has this key
        insert,    ///< a flow by hand (-I)
        flush,     ///< every flow of both families; done in slices, answered when finished
        save,      ///< copy flows into `saved` until it is full or complete; in slices
        restore,   ///< take the flows of `restored`, all of them; in slices
        settings,  ///< obey `settings` from now on; it must stay alive until the next such request is
                   ///< answered
    };
    enum class Answer : std::uint8_t { pending, done, not_found, exists, no_room };

    Kind kind = Kind::find;
    Answer answer = Answer::pending;
    packet::Family family = packet::Family::ipv4;
    bool original_from_high = false;  ///< insert; answered by find
    bool reset = false;  ///< remove: both ends of a TCP connection are told (tracker_refusals.hpp)
    // What an update changes. Status is only ever set, as in nf_conntrack: what was seen stays seen.
    bool set_timeout = false;
    bool set_mark = false;
    bool set_seen_reply = false;
    bool set_assured = false;
    bool set_fixed_timeout = false;
    bool reset_account = false;  ///< answered: `account`, as it was
    flow::Ref flow = flow::no_ref;
    flow::Key4 key4{};  ///< by `family`
    flow::Key6 key6{};
    FlowState state{};                  ///< insert
    std::uint32_t timeout_seconds = 0;  ///< insert, update
    std::uint32_t mark = 0;             ///< insert, update
    std::uint64_t changed = 0;          ///< answered by flush: flows removed
    flow::Account account{};            ///< answered by update with reset_account
    const Settings* settings = nullptr;
    /// save, restore: the worker's until it has answered.
    FlowExport* saved = nullptr;
    FlowImport* restored = nullptr;
};

/// One producer (the control thread), one consumer (the worker).
class Mailbox {
  public:
    static constexpr std::uint32_t slots = 256;

    // ---- Control thread.

    /// Posts a request; false when the ring is full (collect answers first).
    bool post(const Request& request) {
        const std::uint32_t head = head_.load(std::memory_order_relaxed);
        if (head - collected_ >= slots) return false;
        ring_[head % slots] = request;
        ring_[head % slots].answer = Request::Answer::pending;
        head_.store(head + 1, std::memory_order_release);
        return true;
    }
    /// Takes the oldest answered request; false when none has been answered yet.
    bool collect(Request& answered) {
        if (collected_ == tail_.load(std::memory_order_acquire)) return false;
        answered = ring_[collected_ % slots];
        ++collected_;
        return true;
    }

    // ---- The worker.

    /// The oldest unanswered request, or null. Fill in the answer, then call `answered`.
    Request* next() {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        return tail == head_.load(std::memory_order_acquire) ? nullptr : &ring_[tail % slots];
    }
    void answered() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  private:
    alignas(64) std::atomic<std::uint32_t> head_{0};  ///< posted
    std::uint32_t collected_ = 0;                     ///< control thread's own
    alignas(64) std::atomic<std::uint32_t> tail_{0};  ///< answered
    alignas(64) std::array<Request, slots> ring_{};
};

}  // namespace sluice::pipeline
