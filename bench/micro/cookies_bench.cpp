// Tracker/SynFlood/cookies: spoofed SYNs to a defended service, each turned into the answer with its cookie.
// Tracker/SynFlood/bad_cookies: ACKs to it whose cookie was guessed, each refused.
//
// Clients are distinct and come in no order, the table is half full, and the server is known for one that
// knows all that Linux does.
#include <stdexcept>

#include "callers.hpp"
#include "protected.hpp"

namespace sluice::bench::cookies_bench {
namespace {

using pipeline::Action;

/// What differs from one of these benchmarks to the next.
struct Plan {
    Shape shape;
    std::uint32_t capacity = 1'000'000;
    std::uint32_t per_tick = 20'000;  ///< packets a millisecond: how fast the clock moves
};
constexpr Shape as_linux{.timestamps = true, .sack = true}, as_linux_ip6{true, 0, true, true};

/// A box under a flood, and what floods have in common.
class Defence {
  public:
    explicit Defence(const Plan& plan)
        : plan_(plan),
          box_(Protected::with_guard(TrackerBox::limits(plan.capacity, plan.shape.ipv6)), settings()),
          writer_(plan.shape) {
        start_ = shuffle_records(box_, pool_, writer_, plan.capacity, 40 * guard::cookie_slot);
        start_ = Protected::watch_server(box_, pool_, plan.shape.ipv6, start_);
        while (box_.flows_held() < plan.capacity / 2) {
            write_syns();
            judge_pool([](std::uint32_t, const pipeline::Decision&) {});
        }
        protected_.defend();
    }
    [[nodiscard]] std::uint32_t packets() const { return pool_.size(); }
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst)
            box_.poll(pool_.burst(at, burst), {.tick = tick_at(at)});
        judged_ += pool_.size();
    }
    void report(benchmark::State& state) const { box_.report(state); }

  protected:
    [[nodiscard]] pipeline::Settings settings() const {
        pipeline::Settings out = protected_.settings();
        out.tcp.loose = false;  // an ACK without a connection opens none
        return out;
    }
    [[nodiscard]] Tick tick_at(std::uint32_t at) const {
        return start_ + static_cast<Tick>((judged_ + at) / plan_.per_tick);
    }
    void write(std::uint32_t at, const Outline& segment) {
        pool_.receive(at, writer_.write(pool_.frame(at), segment));
    }
    void write_syns() {
        first_ = callers_;
        for (std::uint32_t i = 0; i < pool_.size(); ++i) write(i, syn_of(caller(callers_++)));
    }
    /// Judges all packets, and has each looked at: `check(buffer, decision)`.
    template <class Check>
    void judge_pool(Check&& check) {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst) {
            const pipeline::Now now{.tick = tick_at(at)};
            box_->process(pool_.burst(at, burst), now, box_.out);
            if (box_.out.size != burst) throw std::runtime_error("a packet has no decision");
            for (unsigned i = 0; i < burst; ++i) {
                const auto& judged = box_.out.judged[i];
                if (judged.packet != pool_.burst(at + i, 1)[0])
                    throw std::runtime_error("packets changed places");
                check(at + i, judged.decision);
            }
            box_->poll(now, box_.out);
        }
        judged_ += pool_.size();
    }

    Plan plan_;
    Protected protected_;
    TrackerBox box_;
    FrameWriter writer_;
    MbufPool pool_;
    Tick start_ = 0;
    std::uint64_t judged_ = 0;
    std::uint64_t callers_ = 0, first_ = 0;  ///< so far; the first of those in the pool
};

class Answered : public Defence {
  public:
    explicit Answered(const Plan& plan) : Defence(plan), before_(callers_) {
        refill();
        judge_pool([&](std::uint32_t i, const pipeline::Decision& decision) {
            if (decision.action != Action::answer) throw std::runtime_error("a SYN was not answered");
            if (plan_.shape.ipv6)
                check<16>(i);
            else
                check<4>(i);
        });
    }
    void refill() { write_syns(); }
    void report(benchmark::State& state) const {
        // Once a minute one goes to the server, to see what it knows.
        const std::uint64_t minutes = callers_ / plan_.per_tick / (60 * ticks_per_second) + 1;
        if (box_.counters().answered.read() + minutes < callers_ - before_)
            throw std::runtime_error("not every SYN was answered");
        Defence::report(state);
    }

  private:
    /// The answer is whole and right, and whoever acknowledges it has a good cookie.
    template <unsigned AddressBytes>
    void check(std::uint32_t i) const {
        const auto frame = pool_.bytes(i);
        const packet::ParseInput input{frame, frame.size()};
        packet::Headers headers;
        packet::parse(input, headers);
        const packet::TcpFields& tcp = headers.tcp;
        const Caller client = caller(first_ + i);
        const auto ip = frame.subspan(headers.network_offset, 20);
        if (headers.refusal != Reason::none || tcp.flags != (flag_syn | flag_ack) ||
            tcp.acknowledgement != client.isn + 1 || headers.destination_port != client.port ||
            (AddressBytes == 4 && !packet::ipv4_header_checksum_holds(ip)) ||
            packet::verify_transport(headers,
                                     frame.subspan(headers.transport_offset, headers.transport_length)) !=
                packet::ChecksumVerdict::good)
            throw std::runtime_error("an answer is none");
        constexpr std::uint16_t no_tag = flow::Domain::no_tag;
        const guard::Handshake<AddressBytes> ack{headers.destination.data(),
                                                 headers.source.data(),
                                                 headers.destination_port,
                                                 headers.source_port,
                                                 client.isn,
                                                 flow::Domain::make(no_tag, no_tag, 0, 0)};
        const bool stamped = plan_.shape.timestamps;
        const auto echo = stamped ? std::optional(tcp.options.timestamp_value) : std::nullopt;
        const auto found = cookies_.check(ack, tcp.sequence + 1, echo, tick_at(0) + 1000);
        if (found.verdict != guard::CookieVerdict::good || tcp.options.has_timestamps != stamped ||
            tcp.options.sack_permitted != stamped || found.options.sack_permitted != stamped ||
            found.options.window_scale != (stamped ? 7 : 0))
            throw std::runtime_error("a cookie is not good");
    }

    guard::SynCookies cookies_{Protected::secrets};
    std::uint64_t before_;  ///< callers when there was no defence
};

class Refused : public Defence {
  public:
    explicit Refused(const Plan& plan) : Defence(plan) {
        refill();
        judge_pool([](std::uint32_t, const pipeline::Decision& decision) {
            if (decision.reason != Reason::bad_cookie || decision.flow != flow::no_ref)
                throw std::runtime_error("a guessed cookie was not refused");
        });
    }
    void refill() {
        // Cookies are expected as long as some are out.
        write(0, syn_of(caller(callers_++)));
        box_->process(pool_.burst(0, 1), {.tick = tick_at(0)}, box_.out);
        first_ = callers_;
        for (std::uint32_t i = 0; i < pool_.size(); ++i) {
            Outline ack = syn_of(caller(callers_++));
            ack.flags = flag_ack;
            ack.sequence += 1;
            ack.acknowledgement = static_cast<std::uint32_t>(random_.next());
            write(i, ack);
        }
        ++passes_;
    }
    void report(benchmark::State& state) const {
        // One guess in 2^28 or so is right.
        const auto& refused = box_.counters().reasons[static_cast<std::size_t>(Reason::bad_cookie)];
        if (refused.read() + 8 < passes_ * pool_.size())
            throw std::runtime_error("not every guessed cookie was refused");
        Defence::report(state);
    }

  private:
    Random random_{11};
    std::uint64_t passes_ = 0;
};

template <class Subject>
void add(const std::string& name, const Plan& plan) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        guarded(state, [&] {
            auto& subject = Kept::get(name, [&] { return std::make_unique<Subject>(plan); });
            measure_passes(
                state, subject.packets(), [&] { subject.refill(); }, [&] { subject.pass(); });
            subject.report(state);
        });
    });
}

[[maybe_unused]] const bool registered = [] {
    const std::string cookies = "Tracker/SynFlood/cookies", bad = "Tracker/SynFlood/bad_cookies";
    const Shape bare_ip6{.ipv6 = true}, stamped{.timestamps = true}, stamped_ip6{true, 0, true};
    add<Answered>(cookies, {.shape = as_linux});
    add<Answered>(cookies + "/ip6", {.shape = as_linux_ip6});
    add<Answered>(cookies + "/no_options", {});
    add<Answered>(cookies + "/no_options/ip6", {.shape = bare_ip6});
    add<Answered>(cookies + "/flows:10000", {.shape = as_linux, .capacity = 10'000});
    add<Refused>(bad, {.shape = stamped});
    add<Refused>(bad + "/ip6", {.shape = stamped_ip6});
    add<Refused>(bad + "/no_options", {});
    add<Refused>(bad + "/flows:10000", {.shape = stamped, .capacity = 10'000});
    return true;
}();

}  // namespace
}  // namespace sluice::bench::cookies_bench
