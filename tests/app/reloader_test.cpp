// One reload at a time, on a thread of its own; who asks meanwhile is not forgotten.
#include "app/reloader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace sluice::app {
namespace {

/// A reloader whose other thread waits until it is told what comes of its reload.
class Reloads : public testing::Test {
  private:
    Result<int> prepare() {
        std::unique_lock lock(mutex_);
        ++begun_;
        prepared_by = std::this_thread::get_id();
        changed_.wait(lock, [this] { return !ready_.empty(); });
        Result<int> out = std::move(ready_.front());
        ready_.erase(ready_.begin());
        return out;
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Result<int>> ready_;
    unsigned begun_ = 0;

  protected:
    std::thread::id prepared_by;
    Reloader<int> reloader{[this](const std::stop_token&) { return prepare(); },
                           [this](int made) { published.push_back(made); }};
    std::vector<int> published;
    std::vector<std::string> told;

    ~Reloads() override {
        const std::lock_guard lock(mutex_);
        ready_.insert(ready_.end(), 10, Result<int>(0));  // whatever a failed test has left behind
        changed_.notify_all();
    }
    void ask(const std::string& who) {
        reloader.ask(
            [this, who](const Status& done) { told.push_back(who + (done ? "" : ": " + done.error())); });
    }
    /// Until the reload under way has ended so.
    void end(Result<int> outcome) {
        {
            const std::lock_guard lock(mutex_);
            ready_.push_back(std::move(outcome));
            changed_.notify_all();
        }
        const std::size_t before = told.size();
        while (told.size() == before) reloader.turn();
    }
    [[nodiscard]] unsigned begun() {
        const std::lock_guard lock(mutex_);
        return begun_;
    }
};

TEST_F(Reloads, TakePlaceElsewhereAndAreWaitedForByNobody) {
    ask("operator");
    for (int i = 0; i < 1000; ++i) reloader.turn();
    EXPECT_TRUE(reloader.under_way());
    EXPECT_TRUE(told.empty());
    EXPECT_TRUE(published.empty());
    end(7);
    EXPECT_EQ(published, std::vector{7});
    EXPECT_EQ(told, std::vector<std::string>{"operator"});
    EXPECT_FALSE(reloader.under_way());
    EXPECT_NE(prepared_by, std::this_thread::get_id());
}

TEST_F(Reloads, ThatAreAskedForMeanwhileFollowAsOne) {
    ask("first");
    ask("second");
    ask("third");
    end(1);
    EXPECT_EQ(told, std::vector<std::string>{"first"}) << "the others may have changed the file since";
    EXPECT_TRUE(reloader.under_way());
    end(2);
    EXPECT_EQ(told, (std::vector<std::string>{"first", "second", "third"}));
    EXPECT_EQ(published, (std::vector{1, 2}));
    EXPECT_EQ(begun(), 2U);
    EXPECT_FALSE(reloader.under_way());
}

TEST_F(Reloads, ThatFailChangeNothingAndSayWhy) {
    ask("first");
    ask("second");
    end(Error{"line 3"});
    EXPECT_EQ(told, std::vector<std::string>{"first: line 3"});
    EXPECT_TRUE(published.empty());
    end(4);
    EXPECT_EQ(told.back(), "second");
    EXPECT_EQ(published, std::vector{4});
}

TEST_F(Reloads, MayBeAskedForByWhoIsTold) {
    reloader.ask([this](const Status&) {
        told.emplace_back("first");
        ask("again");
    });
    end(1);
    end(2);
    EXPECT_EQ(told, (std::vector<std::string>{"first", "again"}));
}

}  // namespace
}  // namespace sluice::app
