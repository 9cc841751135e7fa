// The table against a plain map, over long random histories: what is found, counted and told is the same.
#include <gtest/gtest.h>

#include <unordered_map>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

struct ModelFlow {
    Ref ref;
    std::uint32_t lifetime;
    Tick expiry;
    std::uint32_t word;
};

/// Drives a table and a map alike; numbers name the keys.
template <class KeyT>
class Twins {
  public:
    Twins(std::uint32_t capacity, std::uint64_t seed) : table_(config_of(capacity)), random_(seed) {
        intervals_ = config_of(1).interval;
        // Short timeouts beside long ones, so that a short history has everything happen.
        intervals_[opening] = 3 * second;
        intervals_[unacknowledged] = 8 * second;
        table_->set_intervals(intervals_, table_.now);
    }
    void start_at(Tick now) { table_.now = now; }

    void step() {
        const auto number = static_cast<std::uint32_t>(random_.below(table_->capacity() * 2));
        switch (random_.below(16)) {
            case 0:
            case 1:
            case 2:
            case 3:
                insert_or_update(number);
                break;
            case 4:
            case 5:
            case 6:
            case 7:
            case 8:
                refresh(number);
                break;
            case 9:
                remove(number);
                break;
            case 10:
                reload();
                break;
            case 11:
            case 12:
                expire(static_cast<unsigned>(random_.below(40)));
                break;
            default:
                table_.now += static_cast<Tick>(random_.below(random_.below(50) == 0 ? 5'000 : 50));
                break;
        }
        look_up(number);
    }

    void compare_all() {
        std::array<std::uint32_t, max_classes> of_class{};
        for (const auto& [number, flow] : model_) {
            ++of_class[config_of(1).eviction_class[flow.lifetime]];
            const auto& record = table_->record(flow.ref);
            ASSERT_EQ(record.key, key_of<KeyT>(number));
            ASSERT_EQ(record.payload.words[0], flow.word);
            ASSERT_EQ(record.payload.lifetime, flow.lifetime);
            ASSERT_EQ(record.expiry, flow.expiry);
        }
        ASSERT_EQ(table_->size(), model_.size());
        for (std::uint8_t c = 0; c < max_classes; ++c)
            ASSERT_EQ(table_->size_of_class(c), of_class[c]) << "class " << +c;
        std::uint32_t readable = 0;
        typename TestTable<KeyT>::Flows::Record copy;
        for (Ref ref = 0; ref < table_->high_water(); ++ref) readable += table_->read(ref, copy);
        ASSERT_EQ(readable, model_.size());
    }

    /// After any history, once everything due was looked at, whoever is overdue by more than the tolerance is
    /// gone.
    void compare_when_idle() {
        for (unsigned i = 0; i < 3; ++i, table_.now += AgeLists::tolerance) expire(1'000'000);
        for (const auto& [number, flow] : model_) {
            ASSERT_FALSE(reached(table_.now, flow.expiry + 3 * AgeLists::tolerance))
                << "flow " << number << " of lifetime " << flow.lifetime << " is late by "
                << table_.now - flow.expiry;
        }
        compare_all();
    }

    [[nodiscard]] bool failed() const {
        return testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure();
    }

  private:
    auto tell() {
        return [this](Ref ref, const auto& record, Removal why) {
            const auto found = numbers_.find(ref);
            ASSERT_NE(found, numbers_.end()) << "told of a flow that is not there";
            const ModelFlow flow = model_.at(found->second);
            EXPECT_EQ(record.key, key_of<KeyT>(found->second));
            EXPECT_EQ(why == Removal::expired, reached(table_.now, flow.expiry)) << "expired and only then";
            if (why == Removal::evicted) {
                EXPECT_EQ(table_->size(), table_->capacity());
                EXPECT_NE(flow.lifetime, assured);
                EXPECT_NE(flow.lifetime, unacknowledged);
            }
            model_.erase(found->second);
            numbers_.erase(found);
        };
    }
    Tick random_timeout(std::uint32_t lifetime) {
        return random_.below(8) == 0 ? static_cast<Tick>(1 + random_.below(40'000)) : intervals_[lifetime];
    }
    void insert_or_update(std::uint32_t number) {
        if (look_up(number) != no_ref) {
            refresh(number);
            return;
        }
        const auto lifetime = static_cast<std::uint32_t>(random_.below(lifetimes));
        const Tick expiry = table_.now + random_timeout(lifetime);
        const auto word = static_cast<std::uint32_t>(random_.next());
        const KeyT key = key_of<KeyT>(number);
        const Ref ref =
            table_->insert(key, table_->hash_of(key), false, Payload{.lifetime = lifetime, .words = {word}},
                           expiry, table_.now, tell());
        if (ref == no_ref) {
            ASSERT_EQ(table_->size_of_class(never_evicted), table_->capacity())
                << "refused though somebody could go";
            return;
        }
        ASSERT_FALSE(numbers_.contains(ref)) << "a number given twice";
        model_[number] = {ref, lifetime, expiry, word};
        numbers_[ref] = number;
    }
    void refresh(std::uint32_t number) {
        const Ref ref = look_up(number);
        if (ref == no_ref) return;
        ModelFlow& flow = model_.at(number);
        if (random_.below(3) == 0) flow.lifetime = static_cast<std::uint32_t>(random_.below(lifetimes));
        flow.expiry = table_.now + random_timeout(flow.lifetime);
        flow.word = static_cast<std::uint32_t>(random_.next());
        table_->update(ref, Payload{.lifetime = flow.lifetime, .words = {flow.word}}, flow.expiry,
                       table_.now);
    }
    void remove(std::uint32_t number) {
        const auto found = model_.find(number);
        if (found == model_.end() || reached(table_.now, found->second.expiry)) return;
        table_->remove(found->second.ref, Removal::deleted, tell());
    }
    void expire(unsigned budget) { EXPECT_LE(table_->expire(table_.now, budget, tell()), budget); }
    void reload() {
        if (random_.below(50) != 0) return;
        const auto lifetime = random_.below(lifetimes);
        intervals_[lifetime] = static_cast<Tick>(1 + random_.below(60'000));
        table_->set_intervals(intervals_, table_.now);
    }
    Ref look_up(std::uint32_t number) {
        const KeyT key = key_of<KeyT>(number);
        const std::uint64_t hash = table_->hash_of(key);
        // Any hint will do: the right one, none, or nonsense.
        const Ref hint = random_.below(4) != 0   ? table_->candidate(hash)
                         : random_.below(2) != 0 ? no_ref
                                                 : static_cast<Ref>(random_.below(table_->capacity()));
        const Ref ref = table_->find(key, hash, hint, table_.now);
        const auto found = model_.find(number);
        const bool alive = found != model_.end() && !reached(table_.now, found->second.expiry);
        EXPECT_EQ(ref, alive ? found->second.ref : no_ref);
        return ref;
    }

    TestTable<KeyT> table_;
    Random random_;
    std::array<Tick, max_lifetimes> intervals_{};
    std::unordered_map<std::uint32_t, ModelFlow> model_;  // by the key's number
    std::unordered_map<Ref, std::uint32_t> numbers_;      // of the flow that has this record
};

template <class KeyT>
void run(std::uint32_t capacity, Tick start, std::uint64_t seed) {
    Twins<KeyT> twins(capacity, seed);
    twins.start_at(start);
    for (unsigned i = 1; i <= 60'000 && !twins.failed(); ++i) {
        twins.step();
        if (i % 5'000 == 0) twins.compare_all();
        if (i % 20'000 == 0) twins.compare_when_idle();
    }
}

TEST(Model, RandomHistoriesAgreeWithAMap) {
    for (std::uint64_t seed = 1; seed <= 4 && !HasFailure(); ++seed) {
        for (const std::uint32_t capacity : {1U, 7U, 100U, 1000U}) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", capacity " + std::to_string(capacity));
            run<Key4>(capacity, 1'000'000, seed);
        }
    }
}

TEST(Model, AcrossTheWrapOfTheClock) {
    for (const Tick start : {0xFFFF'0000U, 0x7FFF'0000U}) {
        SCOPED_TRACE(start);
        run<Key4>(200, start, 77);
        run<Key6>(200, start, 78);
    }
}

}  // namespace
}  // namespace sluice::flow::test
