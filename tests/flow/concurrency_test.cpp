// One writer, readers beside it. A record here carries an invariant: all that is in it follows from one
// number, and the writer changes every field of it all the time. Run under the thread sanitizer too.
//
// SLUICE_READS sets how many records are read (default 100,000,000; under a sanitizer 2,000,000).
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t reads_by_default = 2'000'000;
#else
constexpr std::uint64_t reads_by_default = 100'000'000;
#endif

std::uint64_t reads_wanted() {
    const char* const set = std::getenv("SLUICE_READS");
    return set != nullptr ? std::strtoull(set, nullptr, 10) : reads_by_default;
}

std::uint32_t derived(std::uint64_t number, std::uint32_t field) {
    return static_cast<std::uint32_t>((number * 0x9E3779B97F4A7C15 + field * 0xBF58476D1CE4E5B9) >> 32);
}

/// Word 0 names the key, words 1 and 2 the number of the write, the others follow from it.
Payload payload_of(std::uint32_t key, std::uint64_t number) {
    Payload payload{.lifetime = static_cast<std::uint32_t>(number % lifetimes)};
    payload.words[0] = key;
    payload.words[1] = static_cast<std::uint32_t>(number);
    payload.words[2] = static_cast<std::uint32_t>(number >> 32);
    for (std::uint32_t i = 3; i < 8; ++i) payload.words[i] = derived(number, i);
    return payload;
}
Tick expiry_of(std::uint64_t number) {
    return derived(number, 100) % (200 * second) + 1;
}

/// Anything in `record` that does not belong to the rest of it.
template <class KeyT, class Record>
bool is_torn(const Record& record) {
    const auto& words = record.payload.words;
    const std::uint64_t number = words[1] | std::uint64_t{words[2]} << 32;
    const Payload expected = payload_of(words[0], number);
    return words != expected.words || record.payload.lifetime != expected.lifetime ||
           record.expiry != expiry_of(number) || !(record.key == key_of<KeyT>(words[0])) ||
           (record.version & 1) != 0 ||
           Table<KeyT, Payload>::original_from_high(record) != (words[0] % 2 == 1);
}

template <class KeyT>
class ConcurrencyTest : public testing::Test {};
using Keys = testing::Types<Key4, Key6>;
TYPED_TEST_SUITE(ConcurrencyTest, Keys);

/// Rewrites a few slots over and over: updates, and flows that come and go under the same numbers. Each flow
/// has mark and start that follow from its key, and every packet counted is of 100 bytes.
template <class KeyT>
class Writer {
  public:
    static constexpr std::uint32_t slots = 32;

    explicit Writer(TestTable<KeyT>& table) : table_(table) {}
    void run(const std::atomic<bool>& stop) {
        table_.now = 0;
        for (std::uint32_t i = 0; i < slots; ++i) start_flow();
        while (!stop.load(std::memory_order_relaxed)) step();
    }
    [[nodiscard]] std::uint64_t writes() const { return number_; }

  private:
    void start_flow() {
        const std::uint32_t key = next_key_++;
        ++number_;
        const KeyT full_key = key_of<KeyT>(key);
        const Ref ref = table_->insert(full_key, table_->hash_of(full_key), key % 2 == 1,
                                       payload_of(key, number_), expiry_of(number_), 0, [](auto&&...) {});
        table_->set_mark(ref, derived(key, 200));
        table_->set_start(ref, derived(key, 201));
    }
    void step() {
        const auto ref = static_cast<Ref>(random_.below(slots));
        if (random_.below(4) == 0) {
            table_->remove(ref, Removal::deleted, [](auto&&...) {});
            start_flow();
            return;
        }
        ++number_;
        table_->update(ref, payload_of(table_->record(ref).payload.words[0], number_), expiry_of(number_), 0);
        table_->account(ref, static_cast<unsigned>(number_ % 2), 100);
    }

    TestTable<KeyT>& table_;
    Random random_{31};
    std::uint64_t number_ = 0x1'0000'0000;  // both words of it in use
    std::uint32_t next_key_ = 0;
};

TYPED_TEST(ConcurrencyTest, NoReaderEverSeesATornRecord) {
    TableConfig config = config_of(Writer<TypeParam>::slots);
    config.accounting = config.timestamps = true;
    TestTable<TypeParam> table(config);
    Writer<TypeParam> writer(table);
    std::atomic<bool> stop{false};
    std::thread writing([&] { writer.run(stop); });

    const auto& shared = *table;
    using Flows = typename TestTable<TypeParam>::Flows;
    typename Flows::Record record{};
    typename Flows::Snapshot snapshot{};
    std::uint64_t torn = 0, mixed = 0, seen = 0, tried = 0, changes = 0;
    std::uint32_t last_version = 0;
    for (const std::uint64_t wanted = reads_wanted() / 2; seen < wanted; ++tried) {
        const auto ref = static_cast<Ref>(tried % Writer<TypeParam>::slots);
        if (tried / Writer<TypeParam>::slots % 2 == 0) {
            if (!shared.read(ref, record)) continue;
            torn += is_torn<TypeParam>(record);
            changes += record.version != last_version;
            last_version = record.version;
        } else {
            if (!shared.read(ref, snapshot)) continue;
            torn += is_torn<TypeParam>(snapshot.record);
            const std::uint32_t key = snapshot.record.payload.words[0];
            const Account& account = snapshot.account;
            mixed += snapshot.mark != 0 && snapshot.mark != derived(key, 200);
            mixed += snapshot.start != 0 && snapshot.start != derived(key, 201);
            mixed +=
                account.bytes[0] != 100 * account.packets[0] || account.bytes[1] != 100 * account.packets[1];
        }
        ++seen;
    }
    stop = true;
    writing.join();
    EXPECT_EQ(torn, 0) << "of " << seen;
    EXPECT_EQ(mixed, 0) << "of " << seen;
    EXPECT_GT(changes, seen / 100) << "the records did change under the reader";
    EXPECT_GT(writer.writes(), 0x1'0000'0000U + Writer<TypeParam>::slots);
}

TYPED_TEST(ConcurrencyTest, AFlowThatLivesThroughAListingAppearsInItExactlyOnce) {
    constexpr std::uint32_t residents = 500, capacity = 2000, listings = 200;
    TestTable<TypeParam> table(config_of(capacity));
    const auto bytes_of = [](const TypeParam& key) {
        return std::string(reinterpret_cast<const char*>(&key), sizeof key - 1);
    };
    std::vector<Ref> refs;
    std::map<std::string, std::uint32_t> number_of;
    // Residents lie scattered among the others: every fourth slot.
    for (std::uint32_t i = 0; i < capacity; ++i) {
        const Ref ref = table.insert(key_of<TypeParam>(i), i % 4 == 0 ? assured : opening);
        if (i % 4 != 0) continue;
        number_of[bytes_of(key_of<TypeParam>(i))] = static_cast<std::uint32_t>(refs.size());
        refs.push_back(ref);
    }
    std::atomic<bool> stop{false};
    std::thread churning([&] {
        Random random(32);
        for (std::uint32_t i = 1'000'000; !stop.load(std::memory_order_relaxed); ++i) {
            table.now += 1;
            table.insert(key_of<TypeParam>(i), opening);  // evicts: the table is full
            table.refresh(refs[random.below(residents)], i % 2 == 0 ? assured : unacknowledged);
            if (i % 8 == 0) table->evict_oldest(0, table.now, [](auto&&...) {});
            table->expire(table.now, 4, [](auto&&...) {});
            table.left.clear();
        }
    });

    const auto& shared = *table;
    typename TestTable<TypeParam>::Flows::Record record{};
    for (std::uint32_t listing = 0; listing < listings; ++listing) {
        std::vector<std::uint32_t> appearances(residents);
        for (Ref ref = 0; ref < shared.high_water(); ++ref) {
            if (!shared.read(ref, record)) continue;
            if (const auto found = number_of.find(bytes_of(record.key)); found != number_of.end()) {
                ++appearances[found->second];
            }
        }
        for (std::uint32_t i = 0; i < residents; ++i) EXPECT_EQ(appearances[i], 1) << "resident " << i;
        EXPECT_LE(shared.size(), capacity);
        EXPECT_LE(shared.size_of_class(0), capacity - residents);
        EXPECT_EQ(shared.size_of_class(never_evicted), residents);
    }
    stop = true;
    churning.join();
    EXPECT_GT(shared.evictions(), 0);
}

}  // namespace
}  // namespace sluice::flow::test
