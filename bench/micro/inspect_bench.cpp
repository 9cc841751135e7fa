// Inspect/Stream: segments in order of flows that are read, through the tracker, which scans their payload
// for signatures before it lets them out; their acknowledgements included. Inspect/BareScan: the same payload
// given to Hyperscan's streams, nothing else.
#include <stdexcept>
#include <string>

#include "sluice/base/endian.hpp"
#include "sluice/inspect/scanner.hpp"
#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"
#include "sluice/policy/rule_set.hpp"
#include "support.hpp"

namespace sluice::bench::inspect_bench {
namespace {

using inspect::Database;
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

/// Frames of segments that a port has checked: Ethernet, IPv4, TCP without options.
class Frames {
  public:
    static constexpr std::size_t headers = 14 + 20 + 20;

    Frames(std::uint32_t count, std::uint32_t room)
        : room_(room), bytes_(std::size_t{count} * room), packets_(count) {}

    pipeline::MemoryPacket* write(std::uint32_t number, unsigned flow, bool to_server, std::uint8_t flags,
                                  std::span<const std::uint8_t> payload) {
        std::uint8_t* const frame = at(number);
        const auto length = static_cast<std::uint16_t>(headers - 14 + payload.size());
        const std::uint8_t ip[] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0};
        frame[12] = 8;
        std::copy(std::begin(ip), std::end(ip), frame + 14);
        store(frame + 16, be16(length));
        const std::uint8_t client[] = {10, 0, 0, 1}, server[] = {10, 0, 0, 2};
        std::copy_n(to_server ? client : server, 4, frame + 26);
        std::copy_n(to_server ? server : client, 4, frame + 30);
        const auto port = static_cast<std::uint16_t>(1024 + flow);
        store(frame + 34, be16(to_server ? port : std::uint16_t{80}));
        store(frame + 36, be16(to_server ? std::uint16_t{80} : port));
        frame[46] = 0x50;
        frame[47] = flags;
        store(frame + 48, be16(std::uint16_t{65'535}));
        std::copy(payload.begin(), payload.end(), frame + headers);
        packets_[number] = {.first = {frame, headers + payload.size()},
                            .checksum = pipeline::ChecksumState::good};
        return &packets_[number];
    }
    pipeline::MemoryPacket* number(std::uint32_t number, std::uint32_t sequence,
                                   std::uint32_t acknowledgement) {
        store(at(number) + 38, be32(sequence));
        store(at(number) + 42, be32(acknowledgement));
        return &packets_[number];
    }

  private:
    [[nodiscard]] std::uint8_t* at(std::uint32_t number) { return &bytes_[std::size_t{number} * room_]; }

    std::uint32_t room_;
    std::vector<std::uint8_t> bytes_;
    std::vector<pipeline::MemoryPacket> packets_;
};

class Stream {
  public:
    explicit Stream(std::shared_ptr<const Database> database)
        : payload_(*database),
          settings_(settings_for(database)),
          memory_(Tracker::bytes_needed(limits())),
          data_(segments, Frames::headers + segment_bytes),
          acknowledgements_(flows, Frames::headers) {
        auto made = Tracker::create(limits(), settings_, bench_secret, {}, memory_.span());
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
        for (unsigned flow = 0; flow < flows; ++flow) {
            next_[flow] = 0U - flow;
            open(flow);
            acknowledgements_.write(flow, flow, false, packet::ack, {});
        }
        each_segment([this](unsigned flow, unsigned number) {
            data_.write(number, flow, true, packet::ack, payload_[number]);
        });
        pass();
        tracker_->poll(now_, out_);
        BareScan bare(std::move(database));
        const std::uint64_t hits = tracker_->inspection()->hits.read();
        if (hits == 0 || hits != bare.hits())
            throw std::runtime_error("the streams have " + std::to_string(hits) + " hits, the bare scan " +
                                     std::to_string(bare.hits()));
    }
    [[gnu::noinline]] void pass() {
        each_segment([&](unsigned flow, unsigned number) {
            give(data_.number(number, next_[flow], server_next));
            next_[flow] += segment_bytes;
            if (number % 2 == 1) give(acknowledgements_.number(flow, server_next, next_[flow]));
        });
        judge();
        passed_data_ += segments;
    }
    void require_all_scanned() {
        tracker_->poll(now_, out_);
        const pipeline::Counters& counters = tracker_->counters();
        if (counters.passed.read() != counters.packets.read())
            throw std::runtime_error("something was dropped or waits");
        if (tracker_->inspection()->stream_bytes.read() != passed_data_ * segment_bytes)
            throw std::runtime_error("not every byte was scanned");
    }

  private:
    using Tracker = pipeline::Tracker<pipeline::MemoryIo>;
    static constexpr std::uint32_t server_next = 1;

    static pipeline::Limits limits() {
        pipeline::Limits out{.ipv4_flows = 2 * flows, .ipv6_flows = 1};
        out.rules = true;
        out.inspection = {.flows = flows, .chunks = 4 * flows, .burst_bytes = 2 * burst * segment_bytes};
        return out;
    }
    static pipeline::Settings settings_for(std::shared_ptr<const Database> database) {
        policy::Rule rule;
        rule.name = "all";
        rule.action = policy::Action::inspect;
        rule.profile = "all";
        auto rules = policy::RuleSet::build({rule});
        if (!rules) throw std::runtime_error(rules.error());
        const auto set = std::make_shared<const policy::RuleSet>(std::move(*rules));
        pipeline::InspectionProfile profile;
        profile.name = "all";
        profile.terms = {.blocking = true, .fail_open = false};
        profile.database = std::move(database);
        auto inspection = pipeline::Inspection::create({profile}, 1, flows, 0);
        if (!inspection) throw std::runtime_error(inspection.error());
        pipeline::Settings out;
        out.policy = std::make_shared<const pipeline::Policy>(
            set, std::make_unique<policy::LinearMatcher>(*set), 1, *inspection);
        return out;
    }
    void open(unsigned flow) {
        Frames frames(3, Frames::headers);
        frames.write(0, flow, true, packet::syn, {});
        frames.write(1, flow, false, packet::syn | packet::ack, {});
        frames.write(2, flow, true, packet::ack, {});
        give(frames.number(0, next_[flow]++, 0));
        give(frames.number(1, server_next - 1, next_[flow]));
        give(frames.number(2, next_[flow], server_next));
        judge();
    }
    void give(pipeline::MemoryPacket* packet) {
        waiting_[count_++] = packet;
        if (count_ == burst) judge();
    }
    void judge() {
        tracker_->process({waiting_.data(), count_}, now_, out_);
        count_ = 0;
    }

    Payload payload_;
    pipeline::Settings settings_;
    HugeMemory memory_;
    std::unique_ptr<Tracker> tracker_;
    pipeline::Output<pipeline::MemoryIo> out_;
    pipeline::Now now_{.tick = 1000};
    Frames data_, acknowledgements_;
    std::array<pipeline::MemoryPacket*, burst> waiting_{};
    std::size_t count_ = 0;
    std::array<std::uint32_t, flows> next_{};
    std::uint64_t passed_data_ = 0;
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
}  // namespace sluice::bench::inspect_bench
