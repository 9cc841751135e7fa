#include "sluice/control/event_writer.hpp"

#include <chrono>
#include <utility>

namespace sluice::control {
namespace {

/// How often an idle writer looks into its queue: at a million events a second the usual one would take three
/// times as long to fill.
constexpr auto look_interval = std::chrono::milliseconds(10);
/// Events moved between two turns of the sink.
constexpr unsigned moved_at_once = 512;

}  // namespace

EventWriter::EventWriter(std::unique_ptr<EventSink> sink, pipeline::EventKinds wanted, std::size_t slots)
    : wanted_(wanted),
      sink_(std::move(sink)),
      slots_(slots),
      queue_(slots_),
      thread_([this](const std::stop_token& asked) { run(asked); }) {}

EventWriter::~EventWriter() {
    stop();
}

void EventWriter::offer(const pipeline::FlowView& flow, const Happening& happening) {
    ToldEvent* const event = queue_.claim();
    if (event == nullptr) {
        no_room_.add();
        return;
    }
    event->flow = flow;
    event->happening = happening;
    queue_.publish();
}

void EventWriter::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
    for (; queue_.oldest() != nullptr; queue_.take()) no_room_.add();
}

/// False when there was nothing to move, or no room for it.
bool EventWriter::move_some() {
    unsigned moved = 0;
    for (; moved < moved_at_once; ++moved) {
        const ToldEvent* const event = queue_.oldest();
        if (event == nullptr || !sink_->take(*event)) break;
        queue_.take();
    }
    return moved != 0;
}

void EventWriter::run(const std::stop_token& asked) {
    for (bool last = false; !last;) {
        const bool stopping = asked.stop_requested();  // what was offered before is in the queue
        const bool moved = move_some();
        last = stopping && !moved;
        sink_->turn(last);
        if (!moved && !last) std::this_thread::sleep_for(look_interval);
    }
}

}  // namespace sluice::control
