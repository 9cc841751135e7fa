// Reloads, one at a time. What takes long of one, reading the configuration and compiling its rules, is done
// on a thread of its own, so that the control thread stays with its clients; what it made is put into force
// by the control thread. Who asks while one is under way may have changed the file since: another follows.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <stop_token>
#include <utility>
#include <vector>

#include "app/signals.hpp"
#include "sluice/base/result.hpp"

namespace sluice::app {

/// Used by the control thread alone. `Prepared` is what is put into force.
template <class Prepared>
class Reloader {
  public:
    using Done = std::function<void(const Status&)>;

    /// `prepare` runs on the other thread, and ends soon once it is asked to stop: what it reads must not
    /// change while under_way(), but by `publish`, which runs in the control thread.
    Reloader(std::function<Result<Prepared>(const std::stop_token&)> prepare,
             std::function<void(Prepared&&)> publish)
        : prepare_(std::move(prepare)), publish_(std::move(publish)) {}
    // Its end stops a reload that is under way, and waits for that; nobody is told.
    ~Reloader() { stop_.request_stop(); }
    Reloader(const Reloader&) = delete;
    Reloader& operator=(const Reloader&) = delete;

    /// Has the configuration read anew; `done` is told by turn().
    void ask(Done done) {
        waiting_.push_back(std::move(done));
        begin();
    }
    /// Looks whether a reload is ready; then it is in force when this returns, and those who asked are told.
    void turn() {
        if (!under_way() || preparing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
        auto prepared = preparing_.get();
        if (prepared) publish_(std::move(*prepared));
        const Status status = prepared ? success() : Status(Error{prepared.error()});
        for (const Done& done : std::exchange(told_, {})) done(status);
        begin();
    }
    [[nodiscard]] bool under_way() const { return preparing_.valid(); }

  private:
    void begin() {
        if (under_way() || waiting_.empty()) return;
        told_ = std::exchange(waiting_, {});
        preparing_ = std::async(std::launch::async, [this] {
            keep_signals_from_this_thread();
            return prepare_(stop_.get_token());
        });
    }

    std::stop_source stop_;
    std::function<Result<Prepared>(const std::stop_token&)> prepare_;
    std::function<void(Prepared&&)> publish_;
    std::vector<Done> told_;     ///< by the reload under way
    std::vector<Done> waiting_;  ///< for the next
    std::future<Result<Prepared>> preparing_;
};

}  // namespace sluice::app
