// Inspect/Stream: the payload of segments in order, put back in order and scanned for signatures, their
// acknowledgements included. Inspect/BareScan: the same segments given to Hyperscan's streams, nothing else.
#include <stdexcept>
#include <string>

#include "sluice/inspect/reassembly.hpp"
#include "sluice/inspect/scanner.hpp"
#include "support.hpp"

namespace sluice::bench {
namespace {

using inspect::Database;
using inspect::Reassembly;
using inspect::Scanner;
using tcp::Direction;

constexpr unsigned flows = 256;
constexpr unsigned segments_per_flow = 16;
constexpr unsigned segments = flows * segments_per_flow;
constexpr unsigned segment_bytes = 1460;
constexpr std::uint64_t pass_bytes = std::uint64_t{segments} * segment_bytes;

/// Signatures as files have them: most a few words, some with a class or an alternative.
std::shared_ptr<const Database> database_of(unsigned patterns) {
    Random random(patterns);
    const auto word = [&](unsigned least) {
        std::string out(least + random.below(10), ' ');
        for (char& c : out) c = static_cast<char>('a' + random.below(26));
        return out;
    };
    std::vector<policy::Signature> signatures(patterns);
    for (unsigned i = 0; i < patterns; ++i) {
        policy::Signature& signature = signatures[i];
        signature.id = i + 1;
        signature.name = "generated";
        signature.pattern = word(6);
        if (i % 4 == 1) signature.pattern += "[0-9]{1,4}/" + word(2);
        if (i % 4 == 2) signature.pattern += "=(" + word(3) + '|' + word(3) + ')';
        signature.caseless = i % 2 == 0;
    }
    auto set = policy::SignatureSet::create("generated", std::move(signatures));
    if (!set) throw std::runtime_error(set.error());
    auto database = Database::compile(std::move(*set), {}, "");
    if (!database) throw std::runtime_error(database.error());
    return *database;
}

/// Text with spaces and line ends, and now and then the beginning of a signature, or all of one.
class Payload {
  public:
    explicit Payload(const Database& database) {
        Random random(7);
        const auto& signatures = database.signatures().all();
        while (text_.size() < pass_bytes) {
            const std::string& pattern =
                signatures[random.below(static_cast<unsigned>(signatures.size()))].pattern;
            const unsigned kind = random.below(64);
            if (kind < 8) text_ += pattern.substr(0, 1 + random.below(4));
            if (kind == 63) text_ += pattern;
            for (unsigned i = 3 + random.below(7); i != 0; --i)
                text_ += static_cast<char>('a' + random.below(26));
            text_ += kind % 8 == 0 ? '\n' : ' ';
        }
    }
    /// Segment `number` of a pass: flow by flow.
    [[nodiscard]] std::span<const std::uint8_t> operator[](unsigned number) const {
        return {reinterpret_cast<const std::uint8_t*>(text_.data()) + std::size_t{number} * segment_bytes,
                segment_bytes};
    }

  private:
    std::string text_;
};

/// Each pass gives each of the flows sixteen segments, one after the other, in turn.
template <class F>
void each_segment(F&& f) {
    for (unsigned turn = 0; turn < segments_per_flow; ++turn)
        for (unsigned flow = 0; flow < flows; ++flow) f(flow, flow * segments_per_flow + turn);
}

std::unique_ptr<Scanner> scanner_for(std::shared_ptr<const Database> database) {
    auto scanner = Scanner::create(std::move(database), flows);
    if (!scanner) throw std::runtime_error(scanner.error());
    return std::move(*scanner);
}

class BareScan {
  public:
    explicit BareScan(std::shared_ptr<const Database> database)
        : payload_(*database), scanner_(scanner_for(std::move(database))) {
        for (auto& stream : streams_) stream = scanner_->open(Direction::original);
        pass();
    }
    [[gnu::noinline]] void pass() {
        each_segment([this](unsigned flow, unsigned segment) {
            scanner_->scan(streams_[flow], payload_[segment],
                           [this](std::uint32_t, std::uint64_t) { ++hits_; });
        });
    }
    [[nodiscard]] std::uint64_t hits() const { return hits_; }

  private:
    Payload payload_;
    std::unique_ptr<Scanner> scanner_;
    std::array<Scanner::Stream, flows> streams_{};
    std::uint64_t hits_ = 0;
};

class Stream {
  public:
    explicit Stream(std::shared_ptr<const Database> database)
        : payload_(*database),
          scanner_(scanner_for(database)),
          memory_(Streams::bytes_needed(limits())),
          streams_(limits(), *scanner_, memory_.span()) {
        for (unsigned flow = 0; flow < flows; ++flow) {
            numbers_[flow] = streams_.open({.blocking = true, .fail_open = false});
            streams_.begin(numbers_[flow], Direction::original, 0U - flow);
            next_[flow] = 1U - flow;
        }
        pass();
        BareScan bare(std::move(database));
        if (sink_.hits == 0 || sink_.hits != bare.hits())
            throw std::runtime_error("the streams have " + std::to_string(sink_.hits) +
                                     " hits, the bare scan " + std::to_string(bare.hits()));
    }
    [[gnu::noinline]] void pass() {
        unsigned count = 0;
        each_segment([&](unsigned flow, unsigned number) {
            if (count++ % burst == 0) streams_.begin_burst();
            inspect::StreamSegment segment;
            segment.sequence = next_[flow];
            segment.payload = payload_[number];
            segment.right_edge = next_[flow] + 65'535;
            streams_.segment(numbers_[flow], Direction::original, segment, number, 0, sink_);
            next_[flow] += segment_bytes;
            if (number % 2 == 1) acknowledge(flow);
        });
    }
    void require_all_scanned() const {
        if (sink_.told != 0 || sink_.dropped != 0) throw std::runtime_error("something was out of order");
        if (streams_.bytes_scanned() != sink_.passed_data * segment_bytes)
            throw std::runtime_error("not every byte was scanned");
    }

  private:
    using Streams = Reassembly<unsigned, Scanner>;
    struct Sink {
        std::uint64_t hits = 0, told = 0, dropped = 0, passed_data = 0;
        void out(unsigned packet, inspect::Fate fate) {
            dropped += fate == inspect::Fate::drop;
            passed_data += packet != no_packet;
        }
        inspect::Effect match(inspect::FlowNumber, Direction, std::uint32_t, std::uint64_t) {
            ++hits;
            return inspect::Effect::none;
        }
        void event(inspect::FlowNumber, Direction, inspect::Event) { ++told; }
    };
    static constexpr unsigned no_packet = 0xFFFFFFFFU;

    static inspect::ReassemblyLimits limits() { return {.flows = flows, .chunks = 4 * flows}; }
    void acknowledge(unsigned flow) {
        inspect::StreamSegment segment;
        segment.has_acknowledgement = true;
        segment.acknowledgement = next_[flow];
        streams_.segment(numbers_[flow], Direction::reply, segment, no_packet, 0, sink_);
    }

    Payload payload_;
    std::unique_ptr<Scanner> scanner_;
    HugeMemory memory_;
    Streams streams_;
    Sink sink_;
    std::array<inspect::FlowNumber, flows> numbers_{};
    std::array<std::uint32_t, flows> next_{};
};

template <class Subject>
void register_one(const std::string& kind, unsigned patterns) {
    const std::string name = "Inspect/" + kind + "/patterns:" + std::to_string(patterns);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        guarded(state, [&] {
            auto& subject = Kept::get(name, [=] { return std::make_unique<Subject>(database_of(patterns)); });
            measure_passes(
                state, segments, [] {}, [&] { subject.pass(); });
            if constexpr (requires { subject.require_all_scanned(); }) subject.require_all_scanned();
            state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * segment_bytes);
        });
    });
}

[[maybe_unused]] const bool registered = [] {
    for (const unsigned patterns : {10U, 1'000U, 10'000U}) {
        register_one<BareScan>("BareScan", patterns);
        register_one<Stream>("Stream", patterns);
    }
    return true;
}();

}  // namespace
}  // namespace sluice::bench
