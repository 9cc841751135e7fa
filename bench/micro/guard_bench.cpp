// Guard/…: what a SYN flood asks of the guard, by itself: frames in memory, no tracker around it.
//
// Guard/Answer   a burst of SYNs, all of other clients: parsed, cookies made, each turned into its SYN,ACK
// Guard/Refuse   ACKs with a guessed cookie: parsed, checked, found wrong
// Guard/Account  a SYN of another source each counted: its service, the sketch of sources
// Guard/Translate, Guard/Translate/untouched   a segment of a proxied flow translated; the same lines read
//                and written without
#include <array>
#include <memory>
#include <stdexcept>

#include "callers.hpp"
#include "sluice/guard/cookie.hpp"
#include "sluice/guard/service_counters.hpp"
#include "sluice/guard/translation.hpp"
#include "sluice/packet/syn_ack.hpp"

namespace sluice::bench::guard_bench {
namespace {

constexpr guard::SynCookies::Secrets secrets{.turns = {{{1, 2}, {3, 4}}}, .timestamps = {5, 6}};
constexpr Tick now = 1'000'000;

/// Frames of two megabytes: beyond the first-level cache, as a card leaves them.
class Frames {
  public:
    static constexpr std::uint32_t count = 16'384;

    explicit Frames(const Shape& shape) : writer_(shape), frames_(count), lengths_(count) {}

    template <class OutlineOf>
    void write(OutlineOf&& outline_of) {
        for (std::uint32_t i = 0; i < count; ++i)
            lengths_[i] = writer_.write(frames_[i].bytes.data(), outline_of(i));
    }
    [[nodiscard]] std::uint8_t* bytes(std::uint32_t i) { return frames_[i].bytes.data(); }
    [[nodiscard]] std::span<std::uint8_t> buffer(std::uint32_t i) { return frames_[i].bytes; }
    [[nodiscard]] packet::ParseInput input(std::uint32_t i) const {
        return {{frames_[i].bytes.data(), lengths_[i]}, lengths_[i]};
    }

  private:
    FrameWriter writer_;
    std::vector<Frame> frames_;
    std::vector<std::uint32_t> lengths_;
};

template <unsigned AddressBytes>
guard::Handshake<AddressBytes> handshake_of(const packet::Headers& headers, std::uint32_t client_isn) {
    return {headers.source.data(),
            headers.destination.data(),
            headers.source_port,
            headers.destination_port,
            client_isn,
            flow::Domain{}};
}

/// SYNs as Linux sends them, answered in place.
template <unsigned AddressBytes>
class Answers {
  public:
    Answers() : frames_({.ipv6 = AddressBytes == 16, .timestamps = true, .sack = true}) {
        refill();
        pass();
        for (std::uint32_t i = 0; i < Frames::count; ++i) check(i);
    }
    void refill() {
        first_ += Frames::count;
        frames_.write([&](std::uint32_t i) { return syn_of(caller(first_ + i)); });
    }
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < Frames::count; at += burst) answer(at);
    }

  private:
    void answer(std::uint32_t at) {
        std::array<packet::Headers, burst> headers;
        std::array<guard::Handshake<AddressBytes>, burst> syns;
        std::array<guard::CookieOptions, burst> options;
        std::array<guard::Cookie, burst> cookies;
        for (unsigned i = 0; i < burst; ++i) {
            packet::parse(frames_.input(at + i), headers[i]);
            syns[i] = handshake_of<AddressBytes>(headers[i], headers[i].tcp.sequence);
            options[i] = guard::offered_options(headers[i].tcp);
        }
        cookies_.make<AddressBytes>(syns, options, now, cookies);
        for (unsigned i = 0; i < burst; ++i) {
            const guard::CookieOptions& has = options[i];
            const packet::SynAck answer{.sequence = cookies[i].sequence,
                                        .ecn = has.ecn,
                                        .mss = 1460,
                                        .has_timestamps = has.has_timestamps,
                                        .sack_permitted = has.sack_permitted,
                                        .has_window_scale = has.has_window_scale,
                                        .window_scale = 7,
                                        .timestamp_value = cookies[i].timestamp};
            written_ +=
                packet::turn_into_syn_ack(frames_.input(at + i), headers[i], answer, frames_.buffer(at + i));
        }
    }
    /// Who acknowledges the answer has a good cookie.
    void check(std::uint32_t i) const {
        packet::Headers headers;
        packet::parse(frames_.input(i), headers);
        const std::uint32_t isn = caller(first_ + i).isn;
        const auto segment = frames_.input(i).bytes.subspan(headers.transport_offset);
        const packet::TcpFields& tcp = headers.tcp;
        if (headers.refusal != Reason::none || tcp.flags != (flag_syn | flag_ack) ||
            tcp.acknowledgement != isn + 1 ||
            packet::verify_transport(headers, segment) != packet::ChecksumVerdict::good)
            throw std::runtime_error("an answer is none");
        const guard::Handshake<AddressBytes> ack{headers.destination.data(),
                                                 headers.source.data(),
                                                 headers.destination_port,
                                                 headers.source_port,
                                                 isn,
                                                 flow::Domain{}};
        const auto found = cookies_.check(ack, tcp.sequence + 1, tcp.options.timestamp_value, now + 1000);
        if (found.verdict != guard::CookieVerdict::good || !found.options.sack_permitted)
            throw std::runtime_error("a cookie is not good");
    }

    Frames frames_;
    guard::SynCookies cookies_{secrets};
    std::uint64_t first_ = 0, written_ = 0;
};

/// ACKs whose cookie was guessed.
template <unsigned AddressBytes>
class Refusals {
  public:
    Refusals() : frames_({.ipv6 = AddressBytes == 16, .timestamps = true}) {
        Random random(3);
        frames_.write([&](std::uint32_t i) {
            Outline out = syn_of(caller(i));
            out.flags = flag_ack;
            out.sequence += 1;
            out.acknowledgement = static_cast<std::uint32_t>(random.next());
            return out;
        });
        if (pass() != Frames::count) throw std::runtime_error("a guessed cookie was good");
    }
    [[gnu::noinline]] unsigned pass() {
        unsigned refused = 0;
        packet::Headers headers;
        for (std::uint32_t i = 0; i < Frames::count; ++i) {
            packet::parse(frames_.input(i), headers);
            const packet::TcpFields& tcp = headers.tcp;
            const auto found = cookies_.check(handshake_of<AddressBytes>(headers, tcp.sequence - 1),
                                              tcp.acknowledgement, tcp.options.timestamp_echo, now);
            refused += found.verdict != guard::CookieVerdict::good ? 1 : 0;
        }
        return refused;
    }

  private:
    Frames frames_;
    guard::SynCookies cookies_{secrets};
};

/// A million sources and one service.
class Accounts {
  public:
    static constexpr std::uint32_t count = 1U << 20;

    Accounts() : sources_(count) {
        Random random(4);
        for (auto& source : sources_) source = {guard::Source::ipv4 | random.next() >> 32};
        pass();
        if (services_[1].syns.read() != count) throw std::runtime_error("not every SYN was counted");
        for (std::uint32_t i = 0; i < count; i += 1009)
            if (accounts_->sources().estimate(sources_[i]).syns == 0)
                throw std::runtime_error("a source was not counted");
    }
    [[gnu::noinline]] void pass() {
        std::array<std::uint64_t, burst> hashes;
        for (std::uint32_t at = 0; at < count; at += burst) {
            accounts_->advance(now_ += 1);
            for (unsigned i = 0; i < burst; ++i) hashes[i] = accounts_->prefetch(sources_[at + i], 1);
            for (unsigned i = 0; i < burst; ++i) accounts_->count_syn(sources_[at + i], hashes[i], 1);
        }
    }

  private:
    std::vector<guard::Source> sources_;
    std::array<guard::ServiceCounters, 2> services_{};
    std::unique_ptr<guard::SynAccounts> accounts_ =
        std::make_unique<guard::SynAccounts>(services_, flow::Secret{{1, 2, 3, 4}}, now);
    Tick now_ = now;
};

/// TCP headers with timestamps, a line each, in random directions.
class Translations {
  public:
    static constexpr std::uint32_t count = 1U << 16;

    Translations() : lines_(count), toward_(count), deltas_(count) {
        Random random(6);
        for (std::uint32_t i = 0; i < count; ++i) {
            auto& header = lines_[i].bytes;
            for (std::size_t at = 0; at < header.size(); at += 8) store(&header[at], random.next());
            header[12] = 8 << 4;
            header[13] = flag_ack;
            header[16] = 0x12;  // of the two forms of a checksum of 0 only one comes back
            store(&header[20], be32(0x0101'080A));
            toward_[i] = static_cast<guard::Toward>(random.below(2));
            deltas_[i] = {static_cast<std::uint32_t>(random.next()),
                          static_cast<std::uint32_t>(random.next())};
        }
        const auto before = lines_;
        pass<true>();
        for (std::uint32_t i = 0; i < count; ++i) {
            const bool to_client = toward_[i] == guard::Toward::client;
            const auto number = [&](const auto& line) {
                return load<be32>(&line.bytes[to_client ? 4 : 8]).host();
            };
            const std::uint32_t delta = to_client ? deltas_[i].sequence_delta : 0 - deltas_[i].sequence_delta;
            if (number(lines_[i]) != number(before[i]) + delta)
                throw std::runtime_error("a number was not translated");
            guard::translate(header(i), toward_[i], guard::inverse(deltas_[i]));
            if (lines_[i].bytes != before[i].bytes) throw std::runtime_error("a translation has no inverse");
        }
    }
    template <bool translates>
    [[gnu::noinline]] void pass() {
        for (std::uint32_t i = 0; i < count; ++i) {
            prefetch_write(&lines_[(i + 8) % count]);
            if constexpr (translates) {
                guard::translate(header(i), toward_[i], deltas_[i]);
            } else {
                std::uint8_t* const at = lines_[i].bytes.data();
                store(at + 4, load<std::uint32_t>(at + 4) + deltas_[i].sequence_delta);
                benchmark::DoNotOptimize(toward_[i]);
            }
        }
    }

  private:
    struct alignas(64) Line {
        std::array<std::uint8_t, 32> bytes;
    };
    [[nodiscard]] std::span<std::uint8_t> header(std::uint32_t i) { return lines_[i].bytes; }

    std::vector<Line> lines_;
    std::vector<guard::Toward> toward_;
    std::vector<guard::Translation> deltas_;
};

template <class Subject, class Prepare, class Pass>
void add(const char* name, std::uint32_t items, Prepare prepare, Pass pass) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
        guarded(state, [&] {
            auto& subject = Kept::get(name, [] { return std::make_unique<Subject>(); });
            measure_passes(
                state, items, [&] { prepare(subject); }, [&] { pass(subject); });
        });
    });
}

[[maybe_unused]] const bool registered = [] {
    const auto nothing = [](auto&) {};
    const auto refill = [](auto& subject) { subject.refill(); };
    const auto pass = [](auto& subject) { benchmark::DoNotOptimize((subject.pass(), 0)); };
    add<Answers<4>>("Guard/Answer", Frames::count, refill, pass);
    add<Answers<16>>("Guard/Answer/ip6", Frames::count, refill, pass);
    add<Refusals<4>>("Guard/Refuse", Frames::count, nothing, pass);
    add<Refusals<16>>("Guard/Refuse/ip6", Frames::count, nothing, pass);
    add<Accounts>("Guard/Account", Accounts::count, nothing, pass);
    add<Translations>("Guard/Translate", Translations::count, nothing,
                      [](auto& subject) { subject.template pass<true>(); });
    add<Translations>("Guard/Translate/untouched", Translations::count, nothing,
                      [](auto& subject) { subject.template pass<false>(); });
    return true;
}();

}  // namespace
}  // namespace sluice::bench::guard_bench
