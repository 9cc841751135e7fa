// A daemon without ports: the real trackers and the real server, each worker on a thread of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control/hand_made_flow.hpp"
#include "sluice/control/client.hpp"
#include "sluice/control/server.hpp"
#include "sluice/control/text.hpp"
#include "support/memory_tracker.hpp"

namespace sluice::control::testing {

/// Memory for tables: zeroed, aligned to a cache line.
class Arena {
  public:
    explicit Arena(std::size_t bytes)
        : bytes_((bytes + 63) / 64 * 64), memory_(static_cast<std::byte*>(std::aligned_alloc(64, bytes_))) {
        std::memset(memory_, 0, bytes_);
    }
    ~Arena() { std::free(memory_); }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    [[nodiscard]] std::span<std::byte> span() const { return {memory_, bytes_}; }

  private:
    std::size_t bytes_;
    std::byte* memory_;
};

/// A directory that goes away again.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        char name[] = "/tmp/sluice-control-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

/// A thread that does the same over and over until it is stopped.
class Loop {
  public:
    template <class Body>
    explicit Loop(Body body)
        : thread_([this, body] {
              while (!stop_.load(std::memory_order_relaxed)) body();
          }) {}
    ~Loop() { stop(); }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    void stop() {
        stop_.store(true, std::memory_order_relaxed);
        if (thread_.joinable()) thread_.join();
    }

  private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

inline Query query_of(Query::Kind kind) {
    Query query;
    query.kind = kind;
    return query;
}

/// A UDP flow from 10.x.y.z with x.y.z = number.
inline Query insertion(std::uint32_t number, std::uint32_t timeout_seconds = 1000) {
    Query query = query_of(Query::Kind::insert);
    query.flow.protocol = packet::udp;
    query.flow.source = parse_address("10.0.0.0")->address;
    for (std::size_t i = 1; i <= 3; ++i)
        query.flow.source[i] = static_cast<std::uint8_t>(number >> (8 * (3 - i)));
    query.flow.destination = parse_address("192.0.2.1")->address;
    query.flow.source_port = 1000;
    query.flow.destination_port = 53;
    query.flow.timeout_seconds = timeout_seconds;
    return query;
}

class DaemonRig {
  public:
    using Tracker = test::MemoryTracker;

    explicit DaemonRig(unsigned count = 2, std::uint32_t flows_each = 4096,
                       std::uint32_t event_slots = 1024) {
        limits_.ipv4_flows = limits_.ipv6_flows = flows_each;
        limits_.fragment_datagrams = 16;
        limits_.accounting = limits_.timestamps = true;
        limits_.event_slots = event_slots;
        limits_.capture_slots = 64;
        workers.accounting = workers.timestamps = true;
        for (unsigned i = 0; i < count; ++i) {
            pipeline::Steering steering;
            steering.workers = count;
            steering.self = i;
            arenas_.push_back(std::make_unique<Arena>(Tracker::bytes_needed(limits_)));
            auto tracker = Tracker::create(limits_, settings_, secret_, steering, arenas_.back()->span());
            EXPECT_TRUE(tracker.ok()) << tracker.error();
            trackers.push_back(std::move(*tracker));
            Tracker& made = *trackers.back();
            workers.all.push_back({.table4 = &made.table4(),
                                   .table6 = &made.table6(),
                                   .mailbox = &made.mailbox(),
                                   .counters = &made.counters(),
                                   .events = &made.events(),
                                   .captures = &made.captures()});
        }
        workers.now = [this] { return now.load(); };
        const auto owner = [this, count](const auto& key) {
            return flow::owner_of(flow::hash(key, secret_), count);
        };
        workers.owner4 = owner;
        workers.owner6 = owner;
        options.path = directory.file("socket");
    }
    ~DaemonRig() {
        server_loop_.reset();
        worker_loops_.clear();
    }

    /// Puts the flows 0 to count - 1 of insertion() into the tables. Before start().
    void fill(std::uint32_t count) {
        pipeline::Output<pipeline::MemoryIo> out;
        for (std::uint32_t i = 0; i < count; ++i) {
            pipeline::Request request = insertion_of(insertion(i).flow, now);
            auto& tracker = *trackers[workers.owner4(request.key4)];
            ASSERT_TRUE(tracker.mailbox().post(request));
            tracker.poll({now.load(), 1'700'000'000'000'000'000}, out);
            ASSERT_TRUE(tracker.mailbox().collect(request));
            ASSERT_EQ(request.answer, pipeline::Request::Answer::done);
        }
    }
    /// Starts the threads. Before, `options` and `workers` may be changed.
    void start() {
        server = std::make_unique<Server>(workers, options);
        const auto opened = server->open();
        ASSERT_TRUE(opened.ok()) << opened.error();
        start_workers();
        start_server();
    }
    void start_workers() {
        for (auto& tracker : trackers) {
            auto out = std::make_shared<pipeline::Output<pipeline::MemoryIo>>();
            worker_loops_.push_back(std::make_unique<Loop>([this, &tracker, out] {
                tracker->poll({now.load(), 1'700'000'000'000'000'000}, *out);
                std::this_thread::yield();
            }));
        }
    }
    void start_server() {
        server_loop_ = std::make_unique<Loop>([this] { server->turn(5); });
    }
    void stop_server() { server_loop_.reset(); }

    /// A client that must get in.
    [[nodiscard]] std::unique_ptr<Client> client() const {
        auto made = Client::connect(options.path);
        EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error());
        return made.ok() ? std::move(*made) : nullptr;
    }

    std::atomic<Tick> now{1'000'000};
    TemporaryDirectory directory;
    Workers workers;
    ServerOptions options;
    std::vector<std::unique_ptr<Tracker>> trackers;
    std::unique_ptr<Server> server;

  private:
    pipeline::Limits limits_;
    pipeline::Settings settings_;
    flow::Secret secret_{{1, 2, 3, 4}};
    std::vector<std::unique_ptr<Arena>> arenas_;
    std::vector<std::unique_ptr<Loop>> worker_loops_;
    std::unique_ptr<Loop> server_loop_;
};

struct Answer {
    std::vector<std::string> rows;
    End end;
};

inline Answer ask(Client& client, const Query& query) {
    Answer out;
    const auto end = client.ask(query, [&](std::string_view row) { out.rows.emplace_back(row); });
    EXPECT_TRUE(end.ok()) << (end.ok() ? "" : end.error());
    if (end.ok()) out.end = *end;
    return out;
}

/// A bare connection, for those who do not speak the protocol.
class RawClient {
  public:
    explicit RawClient(const std::string& path)
        : descriptor_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        connected_ = connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~RawClient() { hang_up(); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    [[nodiscard]] bool connected() const { return connected_; }
    /// False once the daemon has hung up.
    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t taken = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (taken <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(taken));
        }
        return true;
    }
    /// The next line; empty when the daemon has hung up.
    std::string line() {
        while (true) {
            const auto end = received_.find('\n');
            if (end != std::string::npos) {
                std::string out = received_.substr(0, end + 1);
                received_.erase(0, end + 1);
                return out;
            }
            char bytes[4096];
            const ssize_t got = recv(descriptor_, bytes, sizeof bytes, 0);
            if (got <= 0) return "";
            received_.append(bytes, static_cast<std::size_t>(got));
        }
    }
    void finish_sending() const { shutdown(descriptor_, SHUT_WR); }
    void hang_up() {
        if (descriptor_ >= 0) close(descriptor_);
        descriptor_ = -1;
    }

  private:
    int descriptor_;
    bool connected_ = false;
    std::string received_;
};

}  // namespace sluice::control::testing
