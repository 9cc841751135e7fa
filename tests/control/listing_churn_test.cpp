// A listing while the owner inserts and removes at full speed: who lives through it is there exactly once,
// and every row is of one moment.
#include <map>
#include <random>

#include "daemon_rig.hpp"
#include "sluice/base/lifetime.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using pipeline::FlowState;
using pipeline::Table4;

constexpr std::uint32_t capacity = 8'000;
constexpr std::uint16_t stable_port = 1, churning_port = 2;  // the latter and above: see key_of

flow::TableConfig table_config() {
    flow::TableConfig config;
    config.capacity = capacity;
    config.lifetimes = lifetime_count;
    config.interval.fill(1000 * ticks_per_second);
    for (std::size_t i = 0; i < lifetime_count; ++i)
        config.eviction_class[i] = static_cast<std::uint8_t>(lifetime_texts[i].eviction_class);
    config.secret.words = {5, 6, 7, 8};
    return config;
}

/// The number's low 24 bits make the address, the rest of it is added to the port.
flow::DirectedKey<4> key_of(std::uint32_t number, std::uint16_t port) {
    const std::uint8_t source[] = {10, static_cast<std::uint8_t>(number >> 16),
                                   static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
    const std::uint8_t destination[] = {192, 0, 2, 1};
    return flow::make_key<4>(source, destination, static_cast<std::uint16_t>(port + (number >> 24)), 80,
                             packet::tcp,
                             flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
}

/// A state that can be told from the number.
FlowState state_of(std::uint32_t number) {
    FlowState state{};
    state.tcp = tcp::Connection{};
    state.tcp.pair = static_cast<std::uint32_t>(number % tcp::pair_count) & 31U;
    return state;
}

/// One worker whose table the test changes by hand.
class ChurningWorker {
  public:
    ChurningWorker()
        : arena4_(Table4::bytes_needed(table_config())),
          arena6_(pipeline::Table6::bytes_needed(table_config())) {
        table4_ = std::make_unique<Table4>(std::move(*Table4::create(table_config(), arena4_.span())));
        table6_ = std::make_unique<pipeline::Table6>(
            std::move(*pipeline::Table6::create(table_config(), arena6_.span())));
        workers.all.push_back({table4_.get(), table6_.get(), &mailbox_, &counters_});
        workers.now = [] { return Tick{1000}; };
        // Half of the slots churn, and they lie between the stable ones.
        for (std::uint32_t i = 0; i < capacity / 2; ++i) {
            insert(i, stable_port);
            churning_.push_back({insert(i, churning_port), i});
        }
    }
    void churn() {
        for (int i = 0; i < 64; ++i) {
            auto& [ref, number] = churning_[random_() % churning_.size()];
            table4_->remove(ref, flow::Removal::deleted, [](auto&&...) {});
            number = next_++;
            ref = insert(number, churning_port);
        }
    }
    Workers workers;

  private:
    flow::Ref insert(std::uint32_t number, std::uint16_t port) {
        const auto directed = key_of(number, port);
        const flow::Ref ref =
            table4_->insert(directed.key, table4_->hash_of(directed.key), directed.from_high,
                            state_of(number), 1000 + 900 * ticks_per_second, 1000, [](auto&&...) {});
        table4_->set_mark(ref, number);
        return ref;
    }
    Arena arena4_, arena6_;
    std::unique_ptr<Table4> table4_;
    std::unique_ptr<pipeline::Table6> table6_;
    pipeline::Mailbox mailbox_;
    pipeline::Counters counters_;
    std::vector<std::pair<flow::Ref, std::uint32_t>> churning_;
    std::uint32_t next_ = capacity;
    std::mt19937 random_{9};
};

std::uint32_t number_after(const std::string& row, const std::string& word) {
    const auto at = row.find(word);
    return at == std::string::npos ? 0xFFFFFFFF
                                   : static_cast<std::uint32_t>(std::stoul(row.substr(at + word.size())));
}

TEST(ListingDuringChurn, ShowsWhoLivesThroughItExactlyOnceAndNoTornRow) {
    ChurningWorker worker;
    TemporaryDirectory directory;
    ServerOptions options;
    options.path = directory.file("socket");
    options.slots_per_slice = 512;
    Server server(worker.workers, options);
    ASSERT_TRUE(server.open().ok());
    Loop churn([&] { worker.churn(); });
    Loop turns([&] { server.turn(5); });
    auto client = Client::connect(options.path);
    ASSERT_TRUE(client.ok());
    for (int listing = 0; listing < 2; ++listing) {
        std::map<std::uint32_t, unsigned> seen;
        const auto answer = ask(**client, query_of(Query::Kind::list));
        for (const auto& row : answer.rows) {
            const auto from =
                parse_address(row.substr(row.find("src=") + 4, row.find(" dst=") - row.find("src=") - 4));
            ASSERT_TRUE(from) << row;
            const auto& bytes = from->address;
            const auto port = number_after(row, " sport=");
            std::uint32_t number = std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
            if (port > churning_port) number += (port - churning_port) << 24;
            const auto mark = number_after(row, " mark=");
            ASSERT_TRUE(mark == number || mark == 0) << "it is set a moment after the flow is made: " << row;
            const auto name = tcp::text_of(static_cast<tcp::Pair>(number % tcp::pair_count)).conntrack_name;
            ASSERT_EQ(row.substr(row.find(" src=") - name.size(), name.size()), name) << row;
            if (row.find(" sport=1 ") != std::string::npos) ++seen[number];
        }
        ASSERT_EQ(seen.size(), capacity / 2);
        for (const auto& [number, times] : seen) ASSERT_EQ(times, 1U) << number;
    }
}

}  // namespace
}  // namespace sluice::control
