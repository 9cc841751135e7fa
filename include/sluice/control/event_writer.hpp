// Events on their way into a file or to a collector, beside those who follow them over the socket: the
// control thread puts them into a queue, a thread of its own takes them out and writes. What finds no room in
// the queue is lost and counted; nobody waits for a disk but that thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "sluice/base/counters.hpp"
#include "sluice/control/format.hpp"
#include "sluice/pipeline/events.hpp"
#include "sluice/pipeline/ring.hpp"

namespace sluice::control {

/// What happened, and the flow as it was then.
struct ToldEvent {
    pipeline::FlowView flow;
    Happening happening;
};

/// Where events are written to. All but the counters and reopen() belongs to the writer's thread.
class EventSink {
  public:
    virtual ~EventSink() = default;

    /// Takes an event. False when it has no room before the next turn(); then it is offered again.
    [[nodiscard]] virtual bool take(const ToldEvent& event) = 0;
    /// Sends what it has taken on its way, as far as that can be done now. `last`: no other turn will come,
    /// and what cannot be written now counts as lost.
    virtual void turn(bool last) = 0;
    /// Any thread: what is written to may have been moved away (logrotate), so it is to be opened anew.
    virtual void reopen() {}

    // Any thread.
    [[nodiscard]] std::uint64_t written() const { return written_.read(); }
    /// Events that were taken and could not be written.
    [[nodiscard]] std::uint64_t lost() const { return lost_.read(); }
    /// errno of what keeps it from writing; 0: nothing does.
    [[nodiscard]] int error() const { return error_.load(std::memory_order_relaxed); }

  protected:
    void set_error(int number) { error_.store(number, std::memory_order_relaxed); }
    Counter written_, lost_;

  private:
    std::atomic<int> error_{0};
};

class EventWriter {
  public:
    /// About 8 MiB.
    static constexpr std::size_t usual_slots = 32'768;

    /// Starts the thread. `wanted`: which events it is to be offered; `slots`: a power of two.
    EventWriter(std::unique_ptr<EventSink> sink, pipeline::EventKinds wanted,
                std::size_t slots = usual_slots);
    /// As stop().
    ~EventWriter();
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;

    [[nodiscard]] pipeline::EventKinds wanted() const { return wanted_; }
    /// The control thread: puts an event into the queue, or counts it as lost.
    void offer(const pipeline::FlowView& flow, const Happening& happening);
    /// The control thread: has all that was offered written, as far as it can be, and ends the thread. It
    /// waits for that as long as a write takes.
    void stop();

    /// Any thread.
    void reopen() { sink_->reopen(); }
    [[nodiscard]] std::uint64_t written() const { return sink_->written(); }
    [[nodiscard]] std::uint64_t lost() const { return no_room_.read() + sink_->lost(); }
    [[nodiscard]] int error() const { return sink_->error(); }

  private:
    void run(const std::stop_token& asked);
    [[nodiscard]] bool move_some();

    const pipeline::EventKinds wanted_;
    std::unique_ptr<EventSink> sink_;
    std::vector<ToldEvent> slots_;
    pipeline::Ring<ToldEvent> queue_;
    Counter no_room_;  ///< the control thread's
    std::jthread thread_;
};

}  // namespace sluice::control
